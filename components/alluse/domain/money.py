"""Amounts of money in USD with two decimals, as they leave a component."""

from math import ceil, floor


def cents(amount: float) -> float:
    """The nearest cent."""
    return round(amount, 2)


def cents_down(amount: float) -> float:
    """Never more than the amount: for what may be spent."""
    return floor(amount * 100.0) / 100.0


def cents_up(amount: float) -> float:
    """Never less than the amount: for what is needed."""
    return ceil(amount * 100.0) / 100.0
