"""Kubernetes quantities, written as the API server writes them back.

The API server stores `1000m` as `1` and `1024Mi` as `1Gi`. Objects are built in that form, so that what was
sent and what is read back are equal as text. Rules: apimachinery, pkg/api/resource (CanonicalizeBytes), and
the defaults of resource lists, which round up to thousandths.
"""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil
from typing import Final

_BINARY: Final = {suffix: 1024**power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi"), start=1)}
_DECIMAL: Final = {
    suffix: Fraction(1000) ** power
    for power, suffix in enumerate(("m", "", "k", "M", "G", "T", "P"), start=-1)
}
_QUANTITY: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<suffix>m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?")


def amount(text: str) -> Fraction:
    """The value of a quantity in its base unit (cores, bytes), exactly. Raises ValueError for other texts."""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a quantity such as 500m, 2, 128Mi or 1G")
    suffix = found["suffix"] or ""
    return Fraction(found["number"]) * (_BINARY.get(suffix) or _DECIMAL[suffix])


def canonical(text: str) -> str:
    """The text that the API server gives back for this quantity: a whole number with the largest suffix of
    the same family, binary suffixes for whole numbers from 1024 on. Below a thousandth it is rounded up."""
    value = amount(text)
    if text.endswith("i") and value >= 1024 and value.denominator == 1:
        factors = {"": Fraction(1), **{suffix: Fraction(factor) for suffix, factor in _BINARY.items()}}
    else:
        value = Fraction(ceil(value * 1000), 1000)
        factors = _DECIMAL
    if value == 0:
        return "0"
    suffix = max(
        (s for s, factor in factors.items() if (value / factor).denominator == 1), key=factors.__getitem__
    )
    return f"{value / factors[suffix]}{suffix}"
