"""The shared types: what they accept, what they default to, what they refuse."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from alluse.schemas.common import (
    AccountType,
    Bar,
    Bars,
    Condition,
    IvRegime,
    Portfolio,
    Position,
    RiskAppetite,
    RiskLevel,
    Severity,
    TrendStrength,
)


def portfolio(**fields: Any) -> Portfolio:
    return Portfolio.model_validate({"portfolio_id": "p1", **fields})


def refused(**fields: Any) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as raised:
        portfolio(**fields)
    return [(".".join(map(str, error["loc"])), error["msg"]) for error in raised.value.errors()]


KO = {"symbol": "KO", "quantity": 10, "price": 50}


@pytest.mark.parametrize(
    ("text", "account"),
    [
        ("GEN_ACC", AccountType.GEN_ACC),
        ("gen-acc", AccountType.GEN_ACC),
        ("Gen Acc", AccountType.GEN_ACC),
        ("generation account", AccountType.GEN_ACC),
        ("rev", AccountType.REV_ACC),
        ("Revenue", AccountType.REV_ACC),
        ("comacc", AccountType.COM_ACC),
        ("Compounding-Account", AccountType.COM_ACC),
    ],
)
def test_accounts_have_many_names(text: str, account: AccountType) -> None:
    assert TypeAdapter(AccountType).validate_python(text) is account


@pytest.mark.parametrize("text", ["", "acc", "general", "gen_acc_2", None, 3])
def test_what_is_no_account(text: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(AccountType).validate_python(text)


def test_accounts_as_people_read_them() -> None:
    assert [account.display for account in AccountType] == ["Gen-Acc", "Rev-Acc", "Com-Acc"]


@pytest.mark.parametrize(
    ("iv", "regime"), [(0.19, "Low"), (0.20, "Medium"), (0.40, "Medium"), (0.4000001, "High")]
)
def test_bounds_of_the_iv_regimes(iv: float, regime: str) -> None:
    assert IvRegime.of(iv) == regime


@pytest.mark.parametrize(
    ("score", "strength"), [(0.29, "Weak"), (0.30, "Moderate"), (0.70, "Moderate"), (0.71, "Strong")]
)
def test_bounds_of_trend_strength(score: float, strength: str) -> None:
    assert TrendStrength.of(score) == strength


@pytest.mark.parametrize(
    ("score", "level", "severity"),
    [
        (0.0, "Low", Severity.INFO),
        (0.25, "Medium", Severity.WARNING),
        (0.50, "High", Severity.WARNING),
        (0.75, "Critical", Severity.CRITICAL),
    ],
)
def test_bounds_and_severity_of_risk_levels(score: float, level: str, severity: Severity) -> None:
    assert (RiskLevel.of(score), RiskLevel.of(score).severity) == (level, severity)


@given(st.floats(0, 2), st.floats(0, 2))
def test_more_risk_is_never_a_lower_level(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert RiskLevel.of(low).rank <= RiskLevel.of(high).rank


def test_words_are_known_whatever_their_case() -> None:
    assert TypeAdapter(Condition).validate_python("green") is Condition.GREEN
    appetite = TypeAdapter(RiskAppetite).validate_python("Moderately Aggressive")
    assert (appetite, appetite.factor) == (RiskAppetite.MODERATELY_AGGRESSIVE, 1.15)


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({}, 500),
        ({"quantity": -10}, -500),
        ({"kind": "put", "quantity": -2, "price": 1.5}, -300),
        ({"market_value": 480}, 480),
        ({"value": 480}, 480),
    ],
)
def test_what_a_position_is_worth(fields: dict[str, Any], value: float) -> None:
    assert Position.model_validate({**KO, **fields}).market_value == value


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"price": -1}, "positions.0.price"),
        ({"price": float("nan")}, "positions.0.price"),
        ({"price": 1e300}, "positions.0.price"),
        ({"symbol": "../x"}, "positions.0.symbol"),
        ({"kind": "future"}, "positions.0.kind"),
        ({"delta": 1.5}, "positions.0.delta"),
        ({"volatilty": 0.3}, "positions.0.volatilty"),
        ({"value": 1, "market_value": 1}, "positions.0"),
    ],
)
def test_a_bad_position_is_refused_by_name(fields: dict[str, Any], where: str) -> None:
    assert where in [field for field, _ in refused(positions=[{**KO, **fields}], cash=0)]


def test_the_older_form_of_positions() -> None:
    it = portfolio(
        positions={"ko": {"quantity": 10, "price": 50}, "PG": {"quantity": 1, "price": 5, "value": 5}}
    )
    assert [(position.symbol, position.market_value) for position in it.positions] == [("KO", 500), ("PG", 5)]


def test_the_total_follows_from_the_parts() -> None:
    it = portfolio(positions=[KO, {**KO, "symbol": "PG", "quantity": -2}], cash=1000)
    assert it.total_value == 500 - 100 + 1000


@pytest.mark.parametrize(
    ("total", "good"), [(1500, True), (1485.1, True), (1514, True), (1480, False), (0, False)]
)
def test_a_given_total_must_agree_within_one_percent(total: float, good: bool) -> None:
    if good:
        assert portfolio(positions=[KO], cash=1000, total_value=total).total_value == total
    else:
        ((field, message),) = refused(positions=[KO], cash=1000, total_value=total)
        assert field == ""
        assert "differs by more than 1 %" in message


def test_without_positions_a_given_total_is_believed() -> None:
    assert portfolio(total_value=45_000, peak_value=50_000).total_value == 45_000


@pytest.mark.parametrize("text", ["2024-06-18", "2024-06-18T23:30:00Z", "2024-06-19T01:30:00+02:00"])
def test_a_time_stamp_is_read_as_its_day(text: str) -> None:
    assert portfolio(as_of=text).as_of == date(2024, 6, 18)


def test_a_portfolio_survives_the_wire() -> None:
    it = portfolio(positions=[{**KO, "iv": 0.3, "expiry": "2024-06-21"}], cash=1, account_type="gen")
    assert Portfolio.model_validate_json(it.model_dump_json()) == it


def bar(day: int, **fields: Any) -> dict[str, Any]:
    return {"date": f"2024-01-{day:02}", "close": 10, "volume": 5, **fields}


def test_bars_ascend() -> None:
    bars = TypeAdapter(Bars)
    assert len(bars.validate_python([bar(1), bar(2), bar(5)])) == 3
    for wrong in ([bar(2), bar(1)], [bar(1), bar(1)]):
        with pytest.raises(ValidationError, match="dates must ascend"):
            bars.validate_python(wrong)


@pytest.mark.parametrize("fields", [{"close": 0}, {"volume": -1}, {"high": 1, "low": 2}, {"adj": 1}])
def test_a_bar_that_cannot_be(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Bar.model_validate(bar(1, **fields))
