"""Which version this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def operator_version() -> str:
    """Version of this distribution; also the components' version unless told otherwise."""
    try:
        return version("allusesystem")
    except PackageNotFoundError:
        return "0.0.0"
