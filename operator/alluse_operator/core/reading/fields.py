"""Fields of raw objects, read forgivingly: what has the wrong type counts as missing."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

EPOCH = datetime.fromtimestamp(0, UTC)


def rows(obj: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = obj.get(key)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list | tuple) else []


def condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((row for row in rows(status, "conditions") if row.get("type") == kind), {})


def number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
