"""A message made ready for reading: folded one code point for one, so that spans stay those of the text."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from alluse.schemas.entities import EntityType

_QUOTES = dict.fromkeys("‘’‚‛′ʼ`´", "'") | dict.fromkeys("“”„″", '"')
_SPACES = {ord(space): " " for space in "\t\n\r\v\f"}


@dataclass(frozen=True, slots=True)
class Text:
    """`plain` has its digits, dashes, quotes and spaces in ASCII, `low` is `plain` in lower case; both are
    as long as `raw`."""

    raw: str
    plain: str
    low: str

    @classmethod
    def of(cls, raw: str) -> "Text":
        if raw.isascii():
            plain = raw.translate(_SPACES)
            return cls(raw, plain, plain.lower())
        plain = "".join(map(_plain, raw))
        return cls(raw, plain, "".join(map(_lower, plain)))


@cache
def _plain(character: str) -> str:
    if character in _QUOTES:
        return _QUOTES[character]
    category = unicodedata.category(character)
    if category in ("Zs", "Zl", "Zp") or ord(character) in _SPACES:
        return " "
    if category == "Pd" or character == "\u2212":
        return "-"
    if category == "Nd":
        return str(unicodedata.decimal(character))
    compatible = unicodedata.normalize("NFKC", character)
    return compatible if len(compatible) == 1 else character


@cache
def _lower(character: str) -> str:
    lower = character.lower()
    return lower if len(lower) == 1 else character


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that was read at `low[start:end]`."""

    type: EntityType
    value: float | str | tuple[float, float]
    start: int
    end: int
    confidence: float = 0.95
    unit: str | None = None


class Claims:
    """Parts of a text that are read already: what comes later may not read them again."""

    def __init__(self) -> None:
        self.found: list[Found] = []

    def is_free(self, start: int, end: int) -> bool:
        return all(end <= other.start or other.end <= start for other in self.found)

    def add(self, found: Iterable[Found]) -> None:
        """Take each that overlaps nothing taken before."""
        for candidate in found:
            if candidate.start < candidate.end and self.is_free(candidate.start, candidate.end):
                self.found.append(candidate)


def word_list(text: str) -> list[str]:
    """Words of a table, written as people read them."""
    return text.split()


# -- numbers ---------------------------------------------------------------------------------------

#: 50,000.25, 50'000, 50 000, 1500, 0.35, .35
DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]{1,3}(?:[ '][0-9]{3})+|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
#: The place before a number that is not the tail of a word or of another number.
START = r"(?<!\w)(?<![0-9][.,'])"
#: The place after a number that does not go on.
END = r"(?![0-9]|[.,'][0-9])"

_UNITS = word_list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SMALL = (
    {word: float(value) for value, word in enumerate(_UNITS)}
    | {word: 10.0 * (place + 2) for place, word in enumerate(_TENS)}
    | {"dozen": 12.0, "fourty": 40.0}
)
SCALES = {
    "thousand": 1e3, "grand": 1e3, "k": 1e3,
    "million": 1e6, "millions": 1e6, "mio": 1e6, "mil": 1e6, "mn": 1e6, "mm": 1e6, "m": 1e6,
    "billion": 1e9, "billions": 1e9, "bn": 1e9, "b": 1e9,
}  # fmt: skip
_LARGE = ("hundred", "thousand", "grand", "million", "billion")
_WORD = "|".join(sorted((*_SMALL, *_LARGE), key=len, reverse=True))
#: two hundred and fifty thousand, twenty-five, a hundred. Any longer would take quadratic time to read.
WORDS = (
    rf"(?:(?:an? (?=(?:{'|'.join(_LARGE)}|dozen)(?!\w)))?(?:{_WORD})(?!\w)"
    rf"(?:(?: and |-| )(?:{_WORD})(?!\w)){{0,8}})"
)
NUMBER = rf"(?:{DIGITS}|{WORDS})"


def digits(text: str) -> float:
    """The value of what `DIGITS` matched."""
    return float(re.sub(r"[, ']", "", text))


def number(text: str) -> float:
    """The value of what `NUMBER` matched."""
    return digits(text) if text[0] in ".0123456789" else _words(re.split(r"[ -]", text))


def _words(words: list[str]) -> float:
    total, group = 0.0, 0.0
    for word in words:
        if word in ("and", "a", "an", ""):
            continue
        if word in _SMALL:
            group += _SMALL[word]
        elif word == "hundred":
            group = (group or 1.0) * 100
        else:
            total += (group or 1.0) * SCALES[word]
            group = 0.0
    return total + group
