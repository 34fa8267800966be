"""What comes in is what it says: no truth value for a number, no number for a date, no stripped names."""

from datetime import date, datetime

import pytest
from pydantic import ValidationError

from alluse.schemas.base import Day, LocalMoment, Moment, Request
from alluse.schemas.common import AccountType, Identifier


class Body(Request):
    amount: float | None = None
    count: int | None = None
    sure: bool = False
    day: Day | None = None
    moment: Moment | None = None
    local: LocalMoment | None = None
    account: AccountType | None = None
    name: Identifier | None = None
    pair: tuple[float, float] | None = None


@pytest.mark.parametrize(
    "body",
    [
        '{"amount": false}',
        '{"amount": "12"}',
        '{"count": true}',
        '{"count": 1.0}',
        '{"count": "1"}',
        '{"sure": 0}',
        '{"sure": "yes"}',
        '{"pair": [1, true]}',
        '{"day": 0}',
        '{"day": "0"}',
        '{"day": "20240618"}',
        '{"moment": 1718700000}',
        '{"moment": "1718700000"}',
        '{"moment": "-1718700000"}',
        '{"moment": "2024-06-18T15:30:00"}',
        '{"local": 0.5}',
        '{"name": " book"}',
    ],
)
def test_something_else_is_refused(body: str) -> None:
    with pytest.raises(ValidationError):
        Body.model_validate_json(body)


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        ('{"amount": 12}', "amount", 12.0),
        ('{"day": "2024-06-18"}', "day", date(2024, 6, 18)),
        ('{"day": "2024-06-18T23:30:00-05:00"}', "day", date(2024, 6, 19)),
        ('{"local": "2024-06-18T15:30:00"}', "local", datetime(2024, 6, 18, 15, 30)),
        ('{"account": "gen-acc"}', "account", AccountType.GEN_ACC),
        ('{"pair": [1, 2]}', "pair", (1.0, 2.0)),
    ],
)
def test_the_thing_itself_is_taken(body: str, field: str, value: object) -> None:
    assert getattr(Body.model_validate_json(body), field) == value
