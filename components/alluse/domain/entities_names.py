"""Names in a message: week types, accounts, symbols, appetite for risk, kinds of option."""

import re
from collections.abc import Collection, Iterator
from typing import Final

from alluse.domain.entities_text import Found, Text, word_list
from alluse.domain.entities_tickers import tickers
from alluse.schemas.common import AccountType, Condition, OptionType, RiskAppetite
from alluse.schemas.entities import EntityType

# -- week types ------------------------------------------------------------------------------------

_WEEK = re.compile(
    r"(?<!\w)(?:(?P<green>green)|(?P<red>red)|(?P<chop>chop(?:py|s)?))(?!\w)(?P<week>[ -]?(?:week|wk|"
    r"market|day)s?(?!\w))?"
)
_RED_IDIOM = re.compile(r"(?:in the|into the|deep) $")
_IDIOM_AFTER = re.compile(
    r" (?:light|flags?|card|tape|car|cars|wine|energy|tea|eyes?|cross|hot|alert|line)(?!\w)"
)


def week_types(text: Text) -> Iterator[Found]:
    """Green, Red or Chop where the colour is not part of an idiom (in the red, red flag)."""
    for match in _WEEK.finditer(text.low):
        name = next(name for name in ("green", "red", "chop") if match[name])
        if _IDIOM_AFTER.match(text.low, match.end(name)):
            continue
        if (
            name == "red"
            and _RED_IDIOM.search(text.low[max(0, match.start() - 9) : match.start()])
            and not match["week"]
        ):
            continue
        value = Condition(name)
        yield Found(EntityType.WEEK_TYPE, value.value, *match.span(name), 0.95 if match["week"] else 0.85)


# -- accounts --------------------------------------------------------------------------------------

_SHORT = {"gen": AccountType.GEN_ACC, "rev": AccountType.REV_ACC, "com": AccountType.COM_ACC}
_LONG = {
    "generation": AccountType.GEN_ACC, "generator": AccountType.GEN_ACC, "generating": AccountType.GEN_ACC,
    "revenue": AccountType.REV_ACC, "compounding": AccountType.COM_ACC, "compound": AccountType.COM_ACC,
}  # fmt: skip
_ACCOUNT = re.compile(
    r"(?<![\w@])(?<!\w\.)(?:"
    r"(?P<short>gen|rev|com)[-_ ]{0,2}(?:accounts?|accts?|accs?|acct)"
    rf"|(?P<long>{'|'.join(_LONG)})[-_ ]{{1,2}}(?:accounts?|accts?|accs?)"
    r")(?!\w)"
)
_BARE = re.compile(r"(?<![\w.@/])(?P<short>gen|rev|com)(?![\w@])")
_BARE_BEFORE = re.compile(
    r"(?:\b(?:my|the|your|our|a|for|about|in|into|to|from|and|or|between|both|fork|split|than|vs\.?)"
    r"|[,&+:]) $"
)
_BARE_LIST_AFTER = re.compile(r"^(?:,| ?&| ?\+| and| or| vs| to) ?(?:the |my )?(?:gen|rev|com)\b")


def accounts(text: Text) -> Iterator[Found]:
    """The tiers by any of their names: `Gen-Acc`, `generation account`, `my Gen`, `Gen, Rev and Com`."""
    for match in _ACCOUNT.finditer(text.low):
        value = _SHORT[match["short"]] if match["short"] else _LONG[match["long"]]
        yield Found(EntityType.ACCOUNT_TYPE, value.value, *match.span(), 0.95)
    for match in _BARE.finditer(text.low):
        before, after = (
            text.low[max(0, match.start() - 9) : match.start()],
            text.low[match.end() : match.end() + 12],
        )
        if (
            _BARE_BEFORE.search(before)
            or _BARE_LIST_AFTER.match(after)
            or not (before.strip() or after.strip(" ?.!"))
        ):
            yield Found(EntityType.ACCOUNT_TYPE, _SHORT[match["short"]].value, *match.span(), 0.8)


# -- symbols ---------------------------------------------------------------------------------------

#: Symbols of the shipped market data and of the protocol.
SYMBOLS: Final = frozenset(
    word_list(
        "AAPL AMD AMZN BAC BBY CVX GE GOOGL HD JNJ JPM KO LLY META MRK MSFT MTUM NASDAQ NFLX NVDA PEP "
        "PFE PG QQQ QUAL RRC SIZE SP500 SPY TSLA UNH USMV VLUE WMT XOM"
    )
)
_COMPANIES: Final = {
    "apple": "AAPL", "advanced micro devices": "AMD", "amazon": "AMZN", "bank of america": "BAC",
    "chevron": "CVX", "general electric": "GE", "google": "GOOGL", "alphabet": "GOOGL",
    "goog": "GOOGL", "home depot": "HD", "johnson & johnson": "JNJ", "johnson and johnson": "JNJ",
    "jpmorgan": "JPM", "jp morgan": "JPM", "coca-cola": "KO", "coca cola": "KO", "eli lilly": "LLY",
    "facebook": "META", "merck": "MRK", "microsoft": "MSFT", "netflix": "NFLX", "nvidia": "NVDA",
    "pepsi": "PEP", "pepsico": "PEP", "pfizer": "PFE", "procter & gamble": "PG", "procter and gamble": "PG",
    "range resources": "RRC", "s&p 500": "SP500", "s&p500": "SP500", "s&p": "SP500", "sp 500": "SP500",
    "tesla": "TSLA", "unitedhealth": "UNH", "walmart": "WMT", "exxon": "XOM", "exxonmobil": "XOM",
    "exxon mobil": "XOM",
    # As they are mistyped.
    "microsft": "MSFT", "mircosoft": "MSFT", "micorsoft": "MSFT", "microsof": "MSFT", "mcrosoft": "MSFT",
    "telsa": "TSLA", "tessla": "TSLA", "teslas": "TSLA", "nvida": "NVDA", "nvdia": "NVDA", "nvidea": "NVDA",
    "amazn": "AMZN", "amazom": "AMZN", "amzon": "AMZN", "appel": "AAPL", "gogle": "GOOGL", "googel": "GOOGL",
    "netflx": "NFLX", "walmrt": "WMT", "facebok": "META",
}  # fmt: skip
#: Never symbols, whatever their case.
STOP_WORDS: Final = frozenset(
    word_list("I A ALL USE IT ON AT BE BY DO GO IS ME MY NO OF OK OR SO TO UP US WE")
)
#: Symbols that are common words: only with `$`.
_WORDS: Final = frozenset({"SIZE", "QUAL"})
_TICKER = re.compile(r"(?<![\w$])(?P<cash>\$)?(?P<name>[A-Za-z]{1,6}[0-9]{0,3})(?:'s|'S)?(?![\w@])")
_COMPANY = re.compile(
    rf"(?<!\w)(?:{'|'.join(re.escape(name) for name in sorted(_COMPANIES, key=len, reverse=True))})(?!\w)"
)
_BEST_BUY = re.compile(r"(?<!\w)Best Buy(?!\w)")
_LEAST_ANY_CASE = 3


def symbols(text: Text, more: Collection[str] = ()) -> Iterator[Found]:
    """Known symbols and companies; a symbol of one or two letters needs capitals or `$`.

    `more` are further known symbols. Any other name with `$`, or where only a name can stand, is taken
    too, so that nobody is answered about another share than the one asked for.
    """
    known = SYMBOLS.union(more)
    plain = known - _WORDS
    for match in _COMPANY.finditer(text.low):
        yield Found(EntityType.STOCK_SYMBOL, _COMPANIES[match[0]], *match.span(), 0.9)
    for match in _BEST_BUY.finditer(text.plain):
        yield Found(EntityType.STOCK_SYMBOL, "BBY", *match.span(), 0.7)
    for match in _TICKER.finditer(text.plain):
        name = match["name"].upper()
        if name in STOP_WORDS:
            continue
        end = match.end("name")
        if match["cash"]:
            yield Found(EntityType.STOCK_SYMBOL, name, match.start(), end, 0.98 if name in known else 0.6)
        elif name in plain and (len(name) >= _LEAST_ANY_CASE or match["name"].isupper()):
            yield Found(EntityType.STOCK_SYMBOL, name, match.start(), end, 0.95)
    for name, start, end in tickers(text.plain):
        if name not in STOP_WORDS and name not in known:
            yield Found(EntityType.STOCK_SYMBOL, name, start, end, 0.6)


# -- appetite for risk -----------------------------------------------------------------------------

_AGGRESSIVE = r"ag+res+ive(?:ly)?"
_RISK = tuple(
    (re.compile(rf"(?<!\w)(?:{pattern})(?!\w)"), level, confidence)
    for pattern, level, confidence in (
        (rf"between (?:careful|cautious|conservative|safe) and {_AGGRESSIVE}", RiskAppetite.MODERATE, 0.8),
        (
            rf"(?:moderate(?:ly)?|fairly|somewhat|rather|reasonably|quite|slightly|a bit|a little)[ "
            rf"-]{_AGGRESSIVE}",
            RiskAppetite.MODERATELY_AGGRESSIVE,
            0.95,
        ),
        (rf"between (?:moderate|balanced|medium) and {_AGGRESSIVE}", RiskAppetite.MODERATELY_AGGRESSIVE, 0.8),
        (
            r"moderately (?:conservative|careful|cautious)|conservative(?:ly)?|careful(?:ly)?|"
            r"cautious(?:ly)?|"
            r"risk[ -]averse|low(?:er|est)?[ -]risks?|little risk|(?:play|playing|keep|keeping) it "
            r"safe|safety first|"
            r"safe side|not (?:too |very |so )?(?:risky|aggressive)|risk[ -](?:appetite|tolerance|"
            r"level|profile)(?: ?:| is| =)* low|"
            r"don't like risks?|avoid risks?",
            RiskAppetite.CONSERVATIVE,
            0.9,
        ),
        (
            rf"(?<!too )(?<!as )(?<!how ){_AGGRESSIVE}|high(?:er)?[ -]risks?|"
            r"risk[ -](?:appetite|tolerance|level|profile)(?: ?:| is| =)* high",
            RiskAppetite.AGGRESSIVE,
            0.9,
        ),
        (
            r"moderate(?:ly)?(?! (?:volatility|trend|drawdown|loss(?:es)?|move|protection|level))|balanced|"
            r"medium[ -]risks?|average risk|risk[ -](?:appetite|tolerance|level|profile)(?: ?:| is| "
            r"=)* (?:medium|middle|average)|"
            r"middle of the road",
            RiskAppetite.MODERATE,
            0.9,
        ),
    )
)
_MEDIUM = re.compile(r"(?<!\w)medium(?!\w)(?! (?:volatility|term|trend|size))")
_FEW_WORDS = 7


def appetites(text: Text) -> Iterator[Found]:
    """A stated appetite for risk, from conservative to aggressive."""
    for rule, level, confidence in _RISK:
        for match in rule.finditer(text.low):
            yield Found(EntityType.RISK_LEVEL, level.value, *match.span(), confidence)
    if "risk" in text.low or len(text.low.split()) <= _FEW_WORDS:
        for match in _MEDIUM.finditer(text.low):
            yield Found(EntityType.RISK_LEVEL, RiskAppetite.MODERATE.value, *match.span(), 0.75)


# -- kinds of option -------------------------------------------------------------------------------

_OPTION = re.compile(r"(?<!\w)(?P<kind>put|call)(?P<many>s)?(?!\w)")
_BEFORE_NOUN = re.compile(
    r"(?:\b(?:a|an|the|my|your|our|short|long|naked|covered|secured|weekly|each|every|this|that|sell|"
    r"sells|selling|sold|"
    r"buy|buying|bought|roll|rolling|close|write|of|or|and|one|next|new|which|what|day|week|dte|delta|"
    r"tested|open|any|"
    r"another|single|money|best|[a-z]{2,5}'s)|[0-9])[ -]$"
)
_AFTER_NOUN = re.compile(
    r"^ (?:options?|spreads?|strikes?|sell(?:er|ing)|contracts?|premiums?|at|expir\w*|is|was|got)\b"
)
_VERB_BEFORE = re.compile(r"\b(?:margin|phone|i|to|would|i'd|let's|you|we|can|please|and|or) $")
_VERB_AFTER = re.compile(r"^ (?:me|it|in|my|the|that|this|him|her|us|you|down|back|away|money|aside|to)\b")


def option_types(text: Text) -> Iterator[Found]:
    """put or call as a noun, not the verb in `put in 120k` or `call it chop`."""
    for match in _OPTION.finditer(text.low):
        before, after = (
            text.low[max(0, match.start() - 12) : match.start()],
            text.low[match.end() : match.end() + 12],
        )
        if match["many"] or _is_noun(text, before, after, match.start()):
            yield Found(EntityType.OPTION_TYPE, OptionType(match["kind"]).value, *match.span(), 0.9)


def _is_noun(text: Text, before: str, after: str, start: int) -> bool:
    if _AFTER_NOUN.match(after):
        return True
    if before.endswith("margin ") or (_VERB_BEFORE.search(before) and _VERB_AFTER.match(after)):
        return False
    if _BEFORE_NOUN.search(before):
        return True
    word = re.search(r"([A-Za-z]{1,5}) $", text.plain[max(0, start - 6) : start])
    alone = not (before.strip() or after.strip(" ?.!"))
    return alone or (word is not None and word[1].upper() in SYMBOLS)
