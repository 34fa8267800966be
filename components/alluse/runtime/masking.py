"""Takes secrets and personal data out of log records.

Masked are the values of keys that look like secrets, e-mail addresses, and runs of nine or more digits
(also grouped by spaces or hyphens), which look like card and account numbers.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

MASK: Final = "***"
_MAX_DEPTH: Final = 6
_SECRET_KEY: Final = re.compile(r"(?i)password|passwd|secret|token|authorization|api[_-]?key|(?:^|[_-])key$")
_EMAIL: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
_DIGITS: Final = re.compile(r"(?<!\w)(?<!\d[.:-])\d(?:[ -]?\d){8,}(?!\w|[.:]\d)")
_DATE: Final = re.compile(r"(?:19|20)\d\d-[01]\d-[0-3]\d")
_ASSIGNED: Final = re.compile(
    r"(?i)\b((?:password|passwd|secret|token|api[_-]?key|authorization)\b[\"']?\s*[:=]\s*)"
    r"(?:bearer\s+)?[\"']?[^\s\"',;&]+"
)
#: Fields of a record that identify rather than reveal; digit runs in them are kept.
_IDENTIFIERS: Final = frozenset({"timestamp", "trace_id", "request_id", "pod", "revision", "user_id", "id"})


def mask_text(text: str) -> str:
    """The text with e-mail addresses, long digit runs and assigned secrets replaced."""
    if "@" in text:
        text = _EMAIL.sub(MASK, text)
    if "=" in text or ":" in text:
        text = _ASSIGNED.sub(rf"\1{MASK}", text)
    return _DIGITS.sub(_mask_digits, text)


def _mask_digits(match: re.Match[str]) -> str:
    """A run of digits masked, but for a date at its beginning."""
    run = match[0]
    if _DATE.match(run):
        return run[:10] + _DIGITS.sub(_mask_digits, run[10:])
    return MASK


def mask_record(record: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """A copy of the record without secrets, at any depth."""
    return {
        key: value if depth == 0 and key in _IDENTIFIERS else _mask(key, value, depth)
        for key, value in record.items()
    }


def _mask(key: str, value: Any, depth: int) -> Any:
    if _SECRET_KEY.search(key) and value not in (None, "", [], {}):
        return MASK
    if isinstance(value, str):
        return mask_text(value)
    if depth >= _MAX_DEPTH:
        return MASK if isinstance(value, Mapping | list) else value
    if isinstance(value, Mapping):
        return mask_record({str(name): inner for name, inner in value.items()}, depth + 1)
    if isinstance(value, list | tuple):
        return [_mask("", inner, depth + 1) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 100_000_000:
        return MASK
    return value


def hashed_user(user_id: str) -> str:
    """A short stable pseudonym of a user id."""
    return hashlib.sha256(user_id.encode()).hexdigest()[:12]
