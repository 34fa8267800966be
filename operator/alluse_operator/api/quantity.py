"""Kubernetes quantities (`500m`, `64Mi`) as exact numbers."""

from fractions import Fraction
from typing import Final

_SUFFIXES: Final = {
    "m": Fraction(1, 1000),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
}


def amount(quantity: str) -> Fraction:
    """The number that a quantity stands for, in cores or bytes.

    Raises ValueError for a suffix that `api.spec.Quantity` does not accept either.
    """
    digits = quantity.rstrip("mkKMGTi")
    suffix = quantity[len(digits) :]
    if suffix not in _SUFFIXES:
        raise ValueError(f"{quantity!r} is not a quantity: use a number and one of {', '.join(_SUFFIXES)}")
    return Fraction(digits) * _SUFFIXES[suffix]
