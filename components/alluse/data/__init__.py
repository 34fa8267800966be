"""The market data that the components ship; see SOURCES.md beside this file for what they are."""

import hashlib
from functools import cache
from pathlib import Path

from alluse.domain.market_data import MarketData

_DIRECTORY = Path(__file__).parent
_FILE = _DIRECTORY / "market.npz"


class DamagedDataError(RuntimeError):
    """The shipped file is not the one that was built: the image is damaged, and no answer can be trusted."""


@cache
def market_data() -> MarketData:
    """The shipped series, read once. Raises DamagedDataError when the file's digest differs."""
    content = _FILE.read_bytes()
    if hashlib.sha256(content).hexdigest() != expected_digest():
        raise DamagedDataError(f"{_FILE.name} differs from its recorded SHA-256; rebuild the image")
    return MarketData.parse(content)


@cache
def expected_digest() -> str:
    """SHA-256 of the file as it was built."""
    return (_DIRECTORY / "market.npz.sha256").read_text().split()[0]
