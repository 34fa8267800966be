"""Times as the API server writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def parse_time(value: Any) -> datetime | None:
    """An RFC 3339 time with its zone, or None."""
    if not isinstance(value, str):
        return value if isinstance(value, datetime) and value.tzinfo is not None else None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
