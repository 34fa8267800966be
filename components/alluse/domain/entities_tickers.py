"""Symbols that nobody here knows (`a put on IBM`), read from where they stand in the sentence.

They have no prices here, and who asks for one is to be told so instead of being answered about other shares.
So a word counts only where nothing but a name can stand: beside puts, calls and shares, or behind a verb of
trading or asking. Capitals mark it; in small letters it counts at the end of `puts on`, and then only if it
is no English word that stands there. Pure.
"""

import re
from collections.abc import Iterator
from typing import Final

from alluse.domain.entities_text import word_list

_THING: Final = r"(?:puts?|calls?|options?|contracts?|shares?|stocks?|spreads?|strikes?|leaps|positions?)"
_NAME: Final = r"(?P<name>[A-Z]{2,5}(?:\.[A-Z](?!\w))?)(?![\w@$&/-])"
#: Case counts for the name alone.
_BESIDE: Final = (
    re.compile(rf"(?i:\b{_THING} (?:on|in|for|of|with) (?:the |some |any |my )?){_NAME}"),
    re.compile(rf"(?<![\w$@&/-]){_NAME}(?='s\b)?(?=(?:'s)? (?i:{_THING})\b)"),
    re.compile(
        r"(?i:\b(?:buy|sell|short|trade|own|hold|bought|sold|hedge|wheel|like|write)(?: on)?"
        rf"(?: (?:some|my|the|any|more|\d+))? ){_NAME}"
    ),
    re.compile(rf"(?<![\w@&/-])[A-Z]{{2,5}}(?=(?:,|,? and|,? or| &) {_NAME})"),
    re.compile(
        r"(?i:\b(?:what about|how about|think (?:of|about)|tell me about|outlook (?:for|on)|look at|how is"
        rf"|how's|what is|what's|is|delta (?:for|on)|trades? (?:for|on|in)|invest in|about) ){_NAME}"
        r"(?=[?.!,]|$| (?i:doing|today|now|this|next|bullish|bearish|up|down|going|a|worth|and|or|for"
        r"|trading)\b)"
    ),
)
_SMALL: Final = re.compile(
    r"(?i:\b(?:puts?|calls?|options?) on )(?P<name>[a-z]{2,5})"
    r"(?=[?.!,]|$| (?:for|this|next|please|now|today)\b)"
)
#: Abbreviations of the trade and of conversation that are no shares.
_ABBREVIATIONS: Final = frozenset(
    word_list(
        "ACC ACCT ALL ALLUSE AM AMT API APR ASAP ATM ATR BTW CALL CALLS CAGR CEO CHOP COM CPI CSP "
        "CVAR DD DTE EOD EPS ES EST ETA ETF ETFS EU EUR FAQ FED FOMC FX FYI GBP GBR GDP GEN GMT "
        "GREEN GTC HELP HV IMO IPO IRA IRS ITM IV JSON KELLY LEAP LEAPS LLC LOL MAX MIN NAV NLV NO "
        "NOT NOW NYSE OTM PE PL PM PNL PUT PUTS QTD RED REV ROC ROI ROTH RSI SEC SQL TABLE TBH TOS "
        "UI UK US USA USD USE UTC VAR VERY VIX VOL WK YES YOLO YTD"
    )
)
#: What stands behind `puts on` in small letters and is no share.
_SMALL_WORDS: Final = frozenset(
    word_list(
        "a all an any base board both call cash chop com days each earth ebay edge fire fri gen green her "
        "high him hold it its lot low many mine mon more most my name now ones our paper part price red "
        "rev rise sale sat some steam stock sun team term that the their them these they this those thu "
        "time top track trial tue two us wed week what which whom why you your"
    )
)
_FEW_SMALL: Final = 3


def tickers(plain: str) -> Iterator[tuple[str, int, int]]:
    """Name in capitals and span of each; in a message that is all capitals they mark nothing."""
    if sum(letter.islower() for letter in plain) >= _FEW_SMALL:
        for rule in _BESIDE:
            for match in rule.finditer(plain):
                if match["name"] not in _ABBREVIATIONS:
                    yield match["name"], *match.span("name")
    for match in _SMALL.finditer(plain):
        name = match["name"]
        if name.islower() and name not in _SMALL_WORDS and name.upper() not in _ABBREVIATIONS:
            yield name.upper(), *match.span("name")
