"""The protocol's names for weeks that have ended."""

import pytest

from alluse.domain.errors import InvalidInputError
from alluse.domain.week import classify_week
from alluse.schemas.market import WeekRequest


@pytest.mark.parametrize(
    ("position", "close", "can_roll", "condition", "name"),
    [
        ("cash", 100, False, "Green", "P-EW"),
        ("cash", 100, False, "Red", "P-EW"),
        ("cash", 100, False, "Chop", "W-IDL"),
        ("short_put", 100, False, None, "P-EW"),
        ("short_put", 99.99, False, None, "P-AWL"),
        ("short_put", 95, False, None, "P-AWL"),
        ("short_put", 94.99, False, None, "P-AOL"),
        ("short_put", 94.99, True, None, "P-RO"),
        ("short_put", 85, True, None, "P-RO"),
        ("short_put", 84.99, True, None, "P-DD"),
        ("long_stock", 111, False, None, "C-WAP+"),
        ("short_call", 105.01, False, None, "C-WAP+"),
        ("long_stock", 105, False, None, "C-WAP"),
        ("long_stock", 100.01, False, None, "C-WAP"),
        ("long_stock", 100, False, None, "C-PNO"),
        ("short_call", 95, False, None, "C-PNO"),
        ("long_stock", 94.99, False, None, "C-RO"),
        ("long_stock", 90, False, None, "C-RO"),
        ("long_stock", 89.99, False, None, "C-REC"),
        ("long_stock", 85, False, None, "C-REC"),
        ("long_stock", 84.99, False, None, "P-DD"),
    ],
)
def test_names_of_weeks(
    position: str, close: float, can_roll: bool, condition: str | None, name: str
) -> None:
    request = WeekRequest.model_validate(
        {
            "position": position, "close": close, "strike": 100, "cost_basis": 100,
            "can_roll": can_roll, "market_condition": condition,
        }
    )  # fmt: skip
    found = classify_week(request)
    assert found.week_type == name
    assert found.capital_preservation == (name == "P-DD")


@pytest.mark.parametrize(
    ("position", "field"),
    [
        ("cash", "market_condition"),
        ("short_put", "strike"),
        ("long_stock", "cost_basis"),
        ("short_call", "cost_basis"),
    ],
)
def test_what_a_position_needs_is_named(position: str, field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        classify_week(WeekRequest.model_validate({"position": position, "close": 100}))
    assert caught.value.field == field
