"""What a message does not want: accounts that it only talks about, symbols that it refuses. Pure.

Opening accounts is the one thing that an amount in a sentence sets going, so whoever denies, asks, supposes
or remembers is asked back; a plain wish is not.
"""

import re
from typing import Final

from alluse.domain.entities_text import Text
from alluse.schemas.entities import EntityType, ExtractAnswer

_NT: Final = r"(?:\w+n't|(?:do|wo|ca|is|are|does|did|would|should|could|have|has|was|were)nt)"
_NOT: Final = rf"(?:not|never|{_NT}|cannot|no longer|without)"
_DENIED: Final = re.compile(rf"\b{_NOT}\b|\bno\b(?!,| rush| hurry)")
_ASKED: Final = re.compile(
    r"^(?:(?:hi|hello|hey|ok|okay|so|and|but|well|please|thanks)\W+)*"
    r"(?:is|are|was|will|would|does|do i|do you|did|should|what(?! about)|how(?! about)|which|why|when|where"
    r"|can i|could i|may i|might i|am i|if|suppose|supposing|imagine)\b"
)
_SUPPOSED: Final = re.compile(
    r"\b(?:if i|what if|maybe|perhaps|might|thinking (?:about|of)|not sure|someday|some day|one day"
    r"|eventually|next year|scared|afraid|hesitat\w+|suppos\w+|imagine|hypothetical\w*)\b"
)
_REMEMBERED: Final = re.compile(
    r"\b(?:once|used to|had|became|turned into|went (?:from|down|up|to)|lost|grew|shrank|was worth)\b"
    r"|\b(?:my|a) (?:brother|sister|friend|wife|husband|father|mother|dad|mom|mum|boss|neighbou?r)\b"
)
_MINUS: Final = re.compile(r"(?:^|\s)-\s?\$?$")


def is_beyond_doubt(message: str) -> bool:
    """Whether a message that would have something written down neither denies nor only asks for it."""
    low = Text.of(message).low.strip()
    return not any(rule.search(low) for rule in (_DENIED, _ASKED, _SUPPOSED))


def opens_accounts(message: str, read: ExtractAnswer) -> bool:
    """Whether a message that names an amount wants accounts opened with it, beyond doubt."""
    low = Text.of(message).low.strip()
    amounts = [each for each in read.entities if each.type is EntityType.AMOUNT]
    if len({each.value for each in amounts}) > 1 or any(
        _MINUS.search(message[: each.start]) for each in amounts
    ):
        return False
    return not any(rule.search(low) for rule in (_DENIED, _ASKED, _SUPPOSED, _REMEMBERED))


#: What refuses what is named behind it, a few words on; `why not AAPL` and `not only AAPL` do not.
_REFUSES: Final = re.compile(
    rf"(?<!why )(?<!if )(?<!or )\b(?:not(?! only| just| sure| bad)|never|{_NT}|no|without|except(?: for)?"
    r"|avoid|exclud(?:e|ing)|skip|ignore|other than|besides|instead of|anything but|leave out|apart from)\b"
    r"(?:[ ,/&]+[\w$.-]+){0,5}?[ ,/&]*$"
)
_BREAKS: Final = re.compile(r"[.;:!?](?:\s|$)|\bbut\b|\brather\b|\bonly\b")


def refused_symbols(message: str, read: ExtractAnswer) -> list[str]:
    """Symbols that the message says it does not want, each once: `no TSLA or NVDA`, `except Tesla`."""
    low = Text.of(message).low
    refused = []
    for each in read.entities:
        if each.type is not EntityType.STOCK_SYMBOL:
            continue
        before = low[: each.start].replace("anything but", "anything_but").replace("not only", "notonly")
        clause = _BREAKS.split(before)[-1].replace("anything_but", "anything but")
        if _REFUSES.search(clause):
            refused.append(str(each.value))
    return list(dict.fromkeys(refused))
