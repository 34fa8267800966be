"""What positions tie up: the exchange's rule for new puts, its bound for held ones, cover and cash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.domain import capital
from alluse.domain.errors import InvalidInputError
from alluse.domain.options import price
from alluse.schemas.common import OptionType, Portfolio, Position
from alluse.schemas.sizing import Basis

PUT, CALL = OptionType.PUT, OptionType.CALL
MARGIN, SECURED = Basis.MARGIN, Basis.CASH_SECURED


def position(
    kind: str, quantity: float, price_: float = 2.0, symbol: str = "AAPL", strike: float | None = 100.0
) -> Position:
    fields = {"symbol": symbol, "kind": kind, "quantity": quantity, "price": price_}
    return Position.model_validate(fields if kind == "stock" else {**fields, "strike": strike})


@pytest.mark.parametrize(
    ("kind", "basis", "spot", "strike", "premium", "tied_up"),
    [
        (PUT, MARGIN, 100.0, 100.0, 2.0, 22.0),
        (PUT, MARGIN, 100.0, 95.0, 1.0, 16.0),
        (PUT, MARGIN, 100.0, 80.0, 0.1, 8.1),
        (PUT, MARGIN, 100.0, 110.0, 11.0, 31.0),
        (PUT, SECURED, 100.0, 95.0, 1.0, 95.0),
        (CALL, SECURED, 100.0, 105.0, 1.0, 100.0),
        (CALL, MARGIN, 100.0, 105.0, 1.0, 50.0),
    ],
)
def test_capital_of_a_new_option(
    kind: OptionType, basis: Basis, spot: float, strike: float, premium: float, tied_up: float
) -> None:
    assert capital.capital_per_share(kind, basis, spot, strike, premium) == pytest.approx(tied_up)


@given(st.floats(1, 500), st.floats(0.5, 2.0), st.floats(0.05, 2.0), st.integers(1, 400))
def test_a_held_put_is_never_valued_below_the_rule(
    spot: float, ratio: float, sigma: float, days: int
) -> None:
    strike = spot * ratio
    premium = price(PUT, spot, strike, days / 365, 0.0, sigma)
    held = capital.held_capital(position("put", -1, premium, strike=strike), MARGIN) / 100
    assert held >= capital.capital_per_share(PUT, MARGIN, spot, strike, premium) - 1e-9 * spot


def test_held_capital_by_kind() -> None:
    assert capital.held_capital(position("stock", 10, 50.0), MARGIN) == 500
    assert capital.held_capital(position("stock", -10, 50.0), MARGIN) == 500
    assert capital.held_capital(position("put", 2, 3.0), MARGIN) == 600
    assert capital.held_capital(position("put", -2, 3.0), MARGIN) == pytest.approx(2 * 100 * (20 + 3))
    assert capital.held_capital(position("put", -2, 3.0), SECURED) == 20_000
    assert capital.held_capital(position("call", -1, 5.0), MARGIN) == pytest.approx(100 * (0.2 * 105 + 5))
    assert capital.held_notional(position("put", -2)) == 20_000
    assert capital.held_notional(position("stock", 10, 50.0)) == 500


def test_a_short_option_without_its_strike_cannot_be_valued() -> None:
    with pytest.raises(InvalidInputError, match="strike"):
        capital.held_capital(position("put", -1, strike=None), MARGIN)


def test_shares_cover_calls_of_the_same_symbol() -> None:
    held = [position("stock", 250, 100.0), position("call", -3), position("call", -1, symbol="MSFT")]
    left = capital.uncovered(held)
    assert [(entry.symbol, entry.kind, entry.quantity) for entry in left] == [
        ("AAPL", "stock", 250), ("AAPL", "call", -1), ("MSFT", "call", -1),
    ]  # fmt: skip
    assert capital.uncovered([*held[:1], position("call", -2)]) == held[:1]


def test_free_cash_is_what_short_options_do_not_hold_back() -> None:
    held = [position("put", -1, 2.0), position("stock", 10, 100.0)]
    portfolio = Portfolio.model_validate({"portfolio_id": "p", "positions": held, "cash": 10_000})
    assert capital.free_cash(portfolio, held, MARGIN) == pytest.approx(10_000 - 2_200)
    empty = Portfolio(portfolio_id="p", total_value=5_000)
    assert capital.free_cash(empty, [], MARGIN) == 5_000
