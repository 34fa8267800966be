"""What people say beside the matter: thanks, wishes for promises, orders, money to move, their data, terms.

These have answers of their own whatever intent the message was taken for, because the answer to that intent
would be wrong: a wish for a guaranteed 10 % is no loss of 10 %. Patterns on the message itself; pure.
"""

import re
from collections.abc import Mapping
from typing import Final

from alluse.domain.entities_text import word_list
from alluse.schemas.agent import ResponseType
from alluse.schemas.intent import Intent

#: One plain sentence for each term.
GLOSSARY: Final[Mapping[str, str]] = {
    "delta": "how much the option moves per 1 USD of the underlying; about the chance of assignment.",
    "theta": "what an option loses in value by one day that passes; a seller gains it.",
    "strike": "the price at which the buyer of a put may sell us 100 shares.",
    "premium": "what we are paid for selling the option.",
    "put": "the right to sell 100 shares at the strike until the expiry; its seller may have to buy them.",
    "call": "the right to buy 100 shares at the strike until the expiry; its seller may have to deliver.",
    "option": "the right to buy (call) or sell (put) 100 shares at a fixed price until a fixed day.",
    "covered call": "a call sold on shares that one holds.",
    "contract": "an option on 100 shares.",
    "expiry": "the day on which an option ends.",
    "assignment": "the buyer uses the option: of a put we must buy the shares at the strike.",
    "in the money": "the strike is better than the market's price, so the option would be used now.",
    "out of the money": "the strike is worse than the market's price, so the option would not be used now.",
    "rolling": "buying a sold option back and selling one of a later day, or of another strike.",
    "leaps": "options that run for more than a year.",
    "margin": "what must be set aside for a sold option; losses can exceed it.",
    "surplus": "what an account holds above what was paid in.",
    "drawdown": "the fall from the highest value so far.",
    "value at risk": "a loss that one day exceeds only with the stated probability.",
    "volatility": "the yearly spread of returns.",
    "implied volatility": "the yearly spread that an option's price stands for.",
    "cash buffer": "the part of an account that stays in cash.",
    "kelly": "the share of capital that makes it grow fastest in the long run; the rules use a part of it.",
    "sharpe ratio": "return above the riskless rate, per unit of volatility.",
    "average true range": "the mean daily range of a price, here over 14 days.",
    "chop": "a week without direction: lower deltas, half of the exposure, no new Gen-Acc entries.",
}
_OTHER_NAMES: Final[Mapping[str, str]] = {
    "options": "option", "puts": "put", "calls": "call", "strike price": "strike", "strikes": "strike",
    "var": "value at risk", "iv": "implied volatility", "atr": "average true range", "roll": "rolling",
    "rolling a put": "rolling", "premiums": "premium", "contracts": "contract", "deltas": "delta",
    "expiration": "expiry", "itm": "in the money", "otm": "out of the money", "kelly fraction": "kelly",
    "leap": "leaps", "sharpe": "sharpe ratio", "covered calls": "covered call", "a chop week": "chop",
    "chop week": "chop", "being assigned": "assignment", "buffer": "cash buffer", "vol": "volatility",
}  # fmt: skip
_TERM: Final = re.compile(
    r"(?:and |so |ok |please |hey )*(?:what is|what are|what's|whats|what does|what do you mean by"
    r"|what is meant by|define|explain|meaning of|explain to me|tell me what)(?: the)?(?: term| word)?"
    r"(?: an?| the)? [\"']?(?P<term>[a-z' -]+?)[\"']?(?: mean| means| is| are| stand for| exactly| again"
    r"| then| please| in plain words| in simple words)*"
)

#: Asks for a meaning and nothing else, whatever the term would be taken for.
_MEANING: Final = re.compile(
    r"^(?:please |hey |so |and )*(?:define|explain|meaning of|what do you mean by|what is meant by)\b"
    r"|\bmeans?\b"
)

_PROMISE: Final = re.compile(
    r"\bguarante\w*|\bpromis(?:e|es|ed)\b|\brisk[- ]?free\b|\bsure thing\b|\bno[- ]lose\b"
    r"|\b(?:how much|what) (?:money |profit |return |income )?(?:will|would|can|could|shall) "
    r"(?:i|we)(?: be| going to| expect to)* (?:make|earn|gain|get back|profit)\b"
    r"|\b(?:will|would) (?:i|we) (?:make|earn|get|become|be) (?:\w+ ){0,2}(?:money|rich|profit|a profit"
    r"|millions?)"
    r"|\b(?:what|which|how (?:much|high|big)(?: an?)?) (?:\w+ )?(?:returns?|profits?|income|gains?|yields?) "
    r"(?:can|could|should|will|may|do|would|to) (?:i |we )?(?:expect|get|see)\b"
    r"|\b(?:double|triple) my (?:money|account|capital)\b|\bget(?:ting)? rich\b|\bexpected (?:return|profit"
    r"|gain)"
)
_ORDERS: Final = re.compile(
    r"\breal money\b|\bpaper (?:money|trading|trade)|\bbroker\b|\b(?:place|send|execute|submit|enter"
    r"|fill|cancel)(?: \w+){0,3} orders?\b|\border (?:placed|executed|sent)\b|\b(?:buy|sell|short)(?: me)?"
    r" (?:\d+|some|a few) (?:\w+ )?(?:shares?|stocks?)\b|\bis (?:this|it|that|everything)"
    r"(?: all)? (?:a simulation|simulated|real|fake)\b"
    r"|\b(?:execute|do|make|place) (?:the|this|that) trade\b"
    r"|\b(?:is|are) (?:this|it|that|these|those) (?:financial |investment |trading )?advice\b"
    r"|^(?:please |ok |now |just )*(?:buy|sell|short)(?: me| us)? \d+ (?:[\w$-]+ ){0,2}"
    r"(?:puts?|calls?|options?|contracts?)\b"
)
_THEIRS: Final = r"(?:your|the|these|those|this|that|its|my|all)"
_FIGURES: Final = r"(?:prices?|data|quotes?|figures|numbers|quotations|dataset|data set|market data)"
_SOURCES: Final = re.compile(
    rf"\bhow (?:old|recent|fresh|current|stale|up[- ]to[- ]date|accurate|reliable|real) (?:is|are) {_THEIRS} "
    rf"(?:\w+ )?{_FIGURES}\b"
    rf"|\bwhere (?:do|does|did|are|is) (?:{_THEIRS} (?:\w+ )?{_FIGURES} (?:come )?from|you (?:get|take|have) "
    rf"{_THEIRS} (?:\w+ )?{_FIGURES})\b"
    rf"|\b(?:what|which|whose) (?:market )?{_FIGURES} (?:do|are|is|have) (?:you|this|these)\b"
    rf"|\b(?:data|price) sources?\b|\bsources? of {_THEIRS} (?:\w+ )?{_FIGURES}\b"
    rf"|\b(?:is|are|do you (?:use|have)) (?:{_THEIRS} )?(?:\w+ )?{_FIGURES} (?:for \w+ )?(?:real|live|current"
    rf"|synthetic|fake|made up|delayed|up to date|real[- ]time|old)\b"
    rf"|\b(?:is|are|do you (?:use|have)) (?:{_THEIRS} )?(?:real[- ]time|live|real|current|synthetic|fake"
    rf"|delayed|made up) {_FIGURES}\b"
    r"|\bhow (?:is|are|do you) (?:the |your )?(?:compute |calculate |estimate |get )?"
    r"(?:premiums?|implied volatility|iv|option prices?)(?: (?:computed|calculated"
    r"|estimated|determined|found|derived))?$"
    rf"|\b(?:as of )?(?:what|which) (?:date|day) (?:is|are) {_THEIRS} (?:\w+ )?{_FIGURES}\b"
)
_ONE_TRADE: Final = (
    r"(?:(?:one|a|any|each|every|per|single|the same|my) )*"
    r"(?:position|trade|symbol|stock|ticker|share|name)s?\b"
)
_LIMIT: Final = re.compile(
    r"(?:\b(?:max|maximum|at most|up to)\b|(?:\b(?:no|not|never|nothing|dont)|n't)(?: \w+){0,4} (?:more|over"
    r"|above|bigger|larger)(?: than)?\b|\b(?:limit|cap|restrict)\b)"
    rf"(?: [\w$.,%]+){{0,6}} (?:per|in|into|on|for|each|a|to|at)(?: \w+){{0,2}} {_ONE_TRADE}"
    rf"|\b(?:limit|cap|restrict)(?: \w+){{0,2}} {_ONE_TRADE}(?: \w+)? (?:to|at|of) [$\d]"
    rf"|\b(?:max(?:imum)?|my) (?:{_ONE_TRADE}|position size) (?:size |limit )?(?:is|of|to|at|should be)? ?"
    r"[$\d]"
    r"|\b(?:half|double|twice|quarter|third) (?:of )?(?:the|that|this|its) (?:position )?sizes?\b"
    r"|\bmake (?:it|them|that|the positions?|the trades?) (?:smaller|bigger|larger)\b"
)
_LIFT: Final = re.compile(
    r"\b(?:remove|lift|drop|delete|forget|clear|cancel|take away)(?: \w+){0,2} (?:position |trade |size )?"
    r"limits?\b|\bno (?:position |trade |size )?limits? (?:any ?more|per (?:position|trade))\b"
)
_LIMIT_ASKED: Final = re.compile(r"^(?:what|how|which|why|is|are|do|does|who|where|when)\b")
_MOVE: Final = re.compile(
    r"(?:please |can you |could you |can i |could i |may i |how do i |how can i "
    r"|i want to |i'd like to |i would like to |i need to |let me |i will "
    r"|lets |let's )*"
    r"(?:withdraw|transfer|deposit|add|move|shift|pay out|take out)\b.*"
)
_MOVE_WORDS: Final = re.compile(r"\b(?:withdraw|transfer|pay out|take out|cash out)\b")
_SUM_FOR_ACCOUNT: Final = re.compile(r"[0-9].*\b(?:acc|accounts?|gen|rev|com)\b")
_WHO: Final = re.compile(
    r"(?:hey |and |so )*(?:who|what) (?:exactly )?are you(?: exactly| really)?|are you (?:an? )?"
    r"(?:human|robot|bot|real(?: person)?|ai|machine|computer|person|program|chatgpt)"
)
_DATA: Final = re.compile(
    r"\b(?:delete|erase|remove|wipe|forget|export|download) (?:all |everything |of )*(?:about )?"
    r"(?:me\b|my (?:data|history|account data|profile|information|conversations?|messages?|user)|everything)"
    r"|\bwhat (?:do you|data do you) (?:know|store|keep|have) (?:about|on) me\b"
)
#: Words of thanks, farewell, consent; a message of nothing else wants no answer to a question.
_COURTESY: Final = frozenset(
    word_list(
        "ok okay great cool fine good nice perfect super alright well yes yep yeah yup sure no nope thanks "
        "thx ty thank many cheers bye goodbye later night understood nevermind wonderful awesome lovely"
    )
)
_BESIDE_COURTESY: Final = frozenset(
    word_list(
        "you so very much a lot that is all for now see ya got it never mind right then have day week "
        "evening one too to and the of help your"
    )
)


def aside(message: str, intent: Intent, has_amount: bool, has_accounts: bool) -> ResponseType | None:
    """The answer that a message needs beside its intent; None when the intent decides."""
    words = _words(message)
    if _DATA.search(words):
        return ResponseType.YOUR_DATA
    if _PROMISE.search(words):
        return ResponseType.NO_PROMISE
    if _SOURCES.search(words):
        return ResponseType.DATA_SOURCES
    if _ORDERS.search(words):
        return ResponseType.NO_ORDERS
    if has_accounts and _MOVE.fullmatch(words):
        sum_named = has_amount or _SUM_FOR_ACCOUNT.search(words)
        if sum_named or _MOVE_WORDS.search(words):
            return ResponseType.NOT_BOOKED_HERE
    if _WHO.fullmatch(words):
        return ResponseType.HELP
    vague = intent in (Intent.EXPLAIN_PROTOCOL, Intent.UNKNOWN, Intent.HELP)
    if (vague or _MEANING.search(words)) and term_of(message):
        return ResponseType.TERM
    if intent is Intent.UNKNOWN and _is_courtesy(words):
        return ResponseType.COURTESY
    return None


def limits_positions(message: str) -> bool:
    """Whether the message says how much one position may take, or that it should take less or more."""
    words = _words(message)
    return _LIFT.search(words) is not None or (
        _LIMIT.search(words) is not None and _LIMIT_ASKED.match(words) is None
    )


def lifts_limit(message: str) -> bool:
    """Whether the message takes a limit on positions back."""
    return _LIFT.search(_words(message)) is not None


def _is_courtesy(words: str) -> bool:
    said = re.findall(r"[a-z']+", words)
    known = [word in _COURTESY for word in said]
    return any(known) and all(word in _COURTESY or word in _BESIDE_COURTESY for word in said)


def term_of(message: str) -> str | None:
    """The term of the glossary whose meaning is asked for."""
    match = _TERM.fullmatch(_words(message))
    if match is None:
        return None
    term = match["term"].strip(" '-")
    term = _OTHER_NAMES.get(term, term)
    return term if term in GLOSSARY else None


def _words(message: str) -> str:
    folded = message.casefold().replace("’", "'")
    return " ".join(re.sub(r"[^\w%$.,' -]+", " ", folded).split()).strip(" .,")
