"""Amounts, percentages, deltas and numbers of contracts in a message."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from alluse.domain.entities_text import (
    DIGITS,
    END,
    NUMBER,
    SCALES,
    START,
    WORDS,
    Found,
    Text,
    digits,
    number,
    word_list,
)
from alluse.schemas.entities import EntityType

#: Larger than any portfolio: such a number is no amount.
_MOST_MONEY = 1e12
_MOST_CONTRACTS = 10_000
_LEAST_BARE = 1_000

# -- deltas ----------------------------------------------------------------------------------------

_TO = r" ?(?:-|to|and|through|or) ?"
_DELTA = r"(?:deltas?|δ|∆)(?!\w)"
_NO_DELTA = r"(?! ?(?:dte|days?|weeks?|contracts?|lots?|k|m|thousand|million|dollars?|usd)(?!\w))"
_VALUE = rf"-?{DIGITS}{END} ?%?"
_DELTA_RULES = (
    re.compile(rf"(?P<low>{START}{_VALUE}){_TO}(?P<high>{_VALUE})[ -]?{_DELTA}"),
    re.compile(
        rf"{_DELTA}(?: range| band)?(?: ?:| of| is| at| between| from| in)*(?: the)? "
        rf"?(?P<low>{START}{_VALUE}){_TO}(?P<high>{_VALUE})(?!\w){_NO_DELTA}"
    ),
    re.compile(rf"(?P<low>{START}{_VALUE})[ -]?{_DELTA}"),
    re.compile(
        rf"{_DELTA}(?: ?[:=]| of| is| at| around| about| near)* ?(?P<low>{START}{_VALUE})(?!\w){_NO_DELTA}"
    ),
)


def deltas(text: Text) -> Iterator[Found]:
    """A delta or range of deltas as absolute fractions: `30-40 delta`, `delta of .35`."""
    for rule in _DELTA_RULES:
        for match in rule.finditer(text.low):
            low = _delta(match["low"])
            if "high" not in rule.groupindex:
                if low is not None:
                    yield Found(EntityType.DELTA, low, *match.span(), 0.95)
                continue
            high = _delta(match["high"])
            if low is not None and high is not None:
                yield Found(EntityType.DELTA_RANGE, (min(low, high), max(low, high)), *match.span(), 0.95)


def _delta(text: str) -> float | None:
    """As a fraction: a number with a point up to 1 is one already, any other counts points."""
    plain = text.lstrip("-").rstrip("% ")
    value = digits(plain)
    if "." not in plain or value > 1:
        value /= 100
    return round(value, 6) if 0 < value <= 1 else None


# -- contracts -------------------------------------------------------------------------------------

_KINDS = r"(?:short |long |naked |covered |more |weekly |additional |cash[- ]secured )*"
_CONTRACTS = re.compile(
    rf"{START}(?P<number>[0-9]+|{WORDS})(?P<unit>(?: |-)?(?:more |option |put |call |[a-z]{{2,5}} "
    rf")?(?:contracts?|lots?)(?!\w))"
)
_OPTIONS = re.compile(
    rf"(?P<symbol>\$?[a-z]{{2,5}} )?{START}(?P<number>[0-9]+|{WORDS})"
    rf"(?= {_KINDS}(?:[a-z]{{2,6}} )?{_KINDS}(?P<unit>puts?|calls?)(?!\w))"
)
_VERBS = frozenset(
    word_list(
        "sell sold buy bought have hold holding with own owned the my open opened close closed roll "
        "rolled these those and or of are than about for just only short long do to trade wrote write "
        "all other take"
    )
)
_NO_COUNT = re.compile(r"^ (?:day|days|dte|delta|deltas|week|weeks|percent|strike|dollars?)\b")


def contracts(text: Text) -> Iterator[Found]:
    """A number of contracts: `3 contracts`, `two puts`; not the strike in `TSLA 450 puts`."""
    for match in _CONTRACTS.finditer(text.low):
        value = number(match["number"])
        if _is_count(value):
            yield Found(EntityType.CONTRACTS, value, *match.span(), 0.95, "contracts")
    for match in _OPTIONS.finditer(text.low):
        value = number(match["number"])
        symbol = (match["symbol"] or "").strip()
        strike = bool(symbol) and symbol not in _VERBS
        singular = match["unit"] in ("put", "call")
        if not _is_count(value) or strike or (singular and value != 1):
            continue
        if not _NO_COUNT.match(text.low[match.end("number") :]):
            yield Found(EntityType.CONTRACTS, value, *match.span("number"), 0.9, "contracts")


def _is_count(value: float) -> bool:
    return 1 <= value <= _MOST_CONTRACTS and value == int(value)


# -- percentages -----------------------------------------------------------------------------------

_PERCENT = re.compile(
    rf"(?P<sign>(?<!\w)[+-] ?)?(?:(?P<low>{START}{DIGITS}{END})(?: ?%)? ?(?:-|to) ?)?"
    rf"(?P<number>{START}{NUMBER}) ?-?(?P<unit>%|(?:percent|per cent|pct|pp)(?!\w)|(?:bps|basis "
    rf"points?)(?!\w))"
)
_FALLS = (
    r"down|lost|lose|loses|losing|loss(?:es)?|fell|fall(?:s|en|ing)?|drop(?:s|ped|ping)?|declin(?:e|"
    r"es|ed|ing)|"
    r"decreas(?:e|es|ed)|crash(?:es|ed)?|minus|drawdown|below|negative|in the red|shrunk|sank|sunk|slid|"
    r"plunged|tanked|lower|under ?water|off"
)
_RISES = (
    r"up|gain(?:s|ed|ing)?|r[io]se|rises|risen|rising|grew|grown|increas(?:e|es|ed)|plus|profits?|"
    r"made|earned|"
    r"positive|climb(?:s|ed)?|rallied|higher|ahead"
)
_DIRECTION = re.compile(rf"(?<!\w)(?:(?P<fall>{_FALLS})|(?P<rise>{_RISES}))(?!\w)")
#: Words between number and direction that let it still be the direction of this number.
_AFTER = re.compile(rf"^ ?(?:(?:in|of|a|the|total|overall) )*(?:(?P<fall>{_FALLS})|(?P<rise>{_RISES}))(?!\w)")
_REACH = 40


def percentages(text: Text) -> Iterator[Found]:
    """Fractions, negative after a word of falling: `down 5 %` is -0.05, `10 percent` is 0.10."""
    for match in _PERCENT.finditer(text.low):
        scale = 10_000 if match["unit"].startswith("b") else 100
        sign = _sign(text.low, match)
        for name in ("low", "number"):
            if match[name] is None:
                continue
            value = number(match[name])
            if value > 1_000_000:
                continue
            start = match.start() if name == "low" or match["low"] is None else match.start(name)
            end = match.end("low") if name == "low" else match.end()
            yield Found(EntityType.PERCENTAGE, round(sign * value / scale, 8) + 0.0, start, end, 0.95)

    yield from _parts(text)


#: Of what one has: `half of my account`, `a quarter my money`.
_PART = re.compile(
    r"(?:(?<!\w)(?:a|one|nearly|almost) )?(?<!\w)(?P<part>half|third|quarter|fifth|tenth)"
    r"(?= (?:of )?(?:my|the|our|its|all|it|everything)(?!\w))"
)
_PART_OF = {"half": 0.5, "third": 1 / 3, "quarter": 0.25, "fifth": 0.2, "tenth": 0.1}
#: Percent without its word: only after "down", and as the last of a sentence.
_BARE_FALL = re.compile(
    r"(?<!\w)down (?:by |about |around |nearly )?(?P<number>[0-9]{1,2})(?= ?(?:$|[.;!?,]))"
)


def _parts(text: Text) -> Iterator[Found]:
    """Shares in words, where something is said to fall or rise by them."""
    for match in _PART.finditer(text.low):
        before = re.split(r"[.;!?]", text.low[max(0, match.start() - _REACH) : match.start()])[-1]
        found = list(_DIRECTION.finditer(before))
        if found:
            value = _PART_OF[match["part"]] * (-1 if found[-1]["fall"] else 1)
            yield Found(EntityType.PERCENTAGE, round(value, 8), *match.span(), 0.8)
    for match in _BARE_FALL.finditer(text.low):
        yield Found(EntityType.PERCENTAGE, -int(match["number"]) / 100 + 0.0, *match.span("number"), 0.6)


def _sign(low: str, match: re.Match[str]) -> int:
    if match["sign"] is not None:
        return -1 if match["sign"][0] == "-" else 1
    after = _AFTER.match(low[match.end() : match.end() + _REACH])
    if after:
        return -1 if after["fall"] else 1
    before = re.split(r"[.;!?,]", low[max(0, match.start() - _REACH) : match.start()])[-1]
    found = list(_DIRECTION.finditer(before))
    return -1 if found and found[-1]["fall"] else 1


# -- amounts ---------------------------------------------------------------------------------------

_SCALE = "|".join(sorted(SCALES, key=len, reverse=True))
_DOLLARS = r" ?(?:us |u\.s\. )?(?:dollars?|bucks|usd|\$)"
_AMOUNT = re.compile(
    rf"(?:(?P<before>(?:(?<!\w)us ?)?\$ ?|(?<!\w)usd ?)|{START})(?P<number>{DIGITS}){END}"
    rf"(?:(?P<gap> |-(?=thousand|million))?(?P<scale>{_SCALE})(?!\w))?(?P<after>{_DOLLARS}(?!\w))?(?!\w)"
)
_WORDED = re.compile(
    rf"(?<!\w)(?:(?P<half>half a|(?:a )?quarter(?: of a)?|three quarters of a)|"
    rf"(?P<number>{NUMBER})(?P<more> and a half| point (?P<decimal>one|two|three|four|five|six|seven|"
    rf"eight|nine))?)"
    rf"(?: (?P<scale>{_SCALE})(?!\w))?(?P<after>{_DOLLARS}(?!\w))?(?!\w)"
)
_PARTS = {"half a": 0.5, "three quarters of a": 0.75}
#: Another currency, a number that names something, the price of a share or the strike of an option.
_OTHER_BEFORE = re.compile(
    r"(?:€|£|¥|₹|#|\b(?:eur|gbp|chf|jpy|form|number|no\.|id|(?:strikes?|prices?|priced|trad(?:es|ing)|"
    r"quoted|premium)"
    r"(?: price)?(?: ?:| ?=| of| at| is| around| near)*) ?)$"
)
_OTHER_THING_AFTER = re.compile(
    r"^ ?(?:€|£|¥|%|eur\b|euros?\b|gbp\b|pounds?\b|chf\b|yen\b|shares?\b|stocks?\b|contracts?\b|"
    r"lots?\b|puts?\b|calls?\b|"
    r"options?\b|units?\b|times\b|days?\b|weeks?\b|months?\b|years?\b|hours?\b|minutes?\b|people\b|"
    r"users?\b|points?\b|"
    r"deltas?\b|dte\b|strikes?\b|(?:per|a) share\b|filings?\b|reports?\b|forms?\b|steps?\b|rule\b|plan\b)"
)
#: Pension plans and company filings that look like amounts.
_NO_AMOUNT = re.compile(r"^(?:401|403|457) ?\(?[kb]\b|^(?:10|8)-[kq]\b")
_MONEY_WORDS = re.compile(
    r"\b(?:invest\w*|accounts?|portfolios?|deposit\w*|capital|fund\w*|balance|savings?|saved|cash|"
    r"money|budget|put in|"
    r"start(?:ing)? with|worth|principal|inheritance|set ?up|dollars?)\b"
)
_YEAR_BEFORE = re.compile(
    r"(?:\b(?:in|since|of|from|year|until|before|after|by|during)|[0-9],?|jan\w*|feb\w*|march|mar|"
    r"apr\w*|may|june?|july?|aug\w*|"
    r"sept?\w*|oct\w*|nov\w*|dec\w*) $"
)
_YEARS = range(1900, 2101)
_NEAR = 45
_UP_TO = re.compile(r" ?(?:-|to|or|and) ?")


def amounts(text: Text) -> Iterator[Found]:
    """Amounts in USD: with a sign or word of the currency, with k or million, or bare near a money word."""
    found = [*_written_amounts(text)]
    for earlier, later in pairwise(found):
        if earlier.factor is not None or later.factor is None or earlier.value >= later.value:
            continue
        # 50-60k: the scale belongs to both.
        both = round(earlier.value * later.factor, 2)
        if both <= later.value and _UP_TO.fullmatch(text.low, earlier.end, later.start):
            yield Found(EntityType.AMOUNT, both, earlier.start, earlier.end, 0.8, "USD")
    for each in found:
        if each.confidence > 0:
            yield Found(EntityType.AMOUNT, each.value, each.start, each.end, each.confidence, "USD")
    yield from _worded_amounts(text)


@dataclass(frozen=True, slots=True)
class _Written:
    """A number in digits. `factor` is that of its k or million; what is no amount by itself (but may open
    a range) has confidence 0."""

    value: float
    factor: float | None
    start: int
    end: int
    confidence: float


def _written_amounts(text: Text) -> Iterator[_Written]:
    low = text.low
    for match in _AMOUNT.finditer(low):
        before, after, scale = match["before"], match["after"], match["scale"]
        if scale in ("m", "b", "mm") and match["gap"] and not (before or after):
            scale = None
        if _is_other(low, match.start(), match.end() if scale or after else match.end("number")):
            continue
        factor = SCALES[scale] if scale else None
        value = _money(match["number"], factor)
        end = match.end() if scale or after else match.end("number")
        if not 0 < value <= _MOST_MONEY:
            continue
        if before or after:
            confidence = 0.98
        elif scale:
            confidence = 0.9
        else:
            confidence = 0.75 if _is_bare_amount(low, match, value) else 0.0
        yield _Written(value, factor, match.start(), end, confidence)


def _money(written: str, factor: float | None) -> float:
    if factor is None and re.fullmatch(r"[0-9]{1,3}(?:\.[0-9]{3})+", written):
        # 50.000 USD: money has no three decimals, so the points group thousands.
        return float(written.replace(".", ""))
    return round(digits(written) * (factor or 1.0), 2)


def _is_other(low: str, start: int, end: int) -> bool:
    return bool(
        _OTHER_BEFORE.search(low[max(0, start - 24) : start])
        or _OTHER_THING_AFTER.match(low[end : end + 12])
        or _NO_AMOUNT.match(low[start : start + 7])
    )


def _is_bare_amount(low: str, match: re.Match[str], value: float) -> bool:
    start, end = match.span("number")
    if value < _LEAST_BARE:
        return False
    whole = len(low.strip(" .!?$+~")) == len(low[start:end])
    if value in _YEARS and "," not in match["number"] and _YEAR_BEFORE.search(low[max(0, start - 8) : start]):
        return False
    near = low[max(0, start - _NEAR) : start] + " " + low[end : end + _NEAR]
    return whole or bool(_MONEY_WORDS.search(near))


def _worded_amounts(text: Text) -> Iterator[Found]:
    for match in _WORDED.finditer(text.low):
        value = _worded(match)
        if value is None or not 0 < value <= _MOST_MONEY:
            continue
        if value < _LEAST_BARE and match["after"] is None:
            continue
        if match["number"] and match["number"][0] in ".0123456789" and not match["more"]:
            continue  # digits alone are the other rule's
        if not _is_other(text.low, *match.span()):
            yield Found(EntityType.AMOUNT, value, *match.span(), 0.9, "USD")


def _worded(match: re.Match[str]) -> float | None:
    factor = SCALES[match["scale"]] if match["scale"] else 1.0
    if match["half"]:
        return _PARTS.get(match["half"], 0.25) * factor if match["scale"] else None
    value = number(match["number"])
    if match["more"] == " and a half":
        value += 0.5
    elif match["decimal"]:
        value += number(match["decimal"]) / 10
    return round(value * factor, 2)
