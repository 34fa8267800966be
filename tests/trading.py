"""Builders and strategies for the trading components: analyses of known days, bars, requests."""

from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from alluse.data import market_data
from alluse.domain.market import analyze
from alluse.schemas.common import AccountType, Bar, Condition, OptionType, Portfolio, RiskAppetite
from alluse.schemas.market import MarketAnalysis
from alluse.schemas.protocol import Protocol
from alluse.schemas.sizing import Basis, SizeRequest

PROTOCOL = Protocol()
GREEN_DAY = date(2024, 6, 18)
CHOP_DAY = date(2024, 12, 30)
RED_DAY = date(2022, 6, 16)


def analysis_of(symbol: str = "AAPL", day: date | None = GREEN_DAY) -> MarketAnalysis:
    """The analysis of shipped bars, with the implied volatility that follows from the forecast."""
    history, source = market_data().history(symbol, day)
    return analyze(symbol, history, source, PROTOCOL)


def bars_of(closes: list[float], start: date = date(2024, 1, 1), **fields: list[float]) -> list[Bar]:
    """Bars on successive days."""
    return [
        Bar(
            date=start + timedelta(days=place),
            close=close,
            **{name: values[place] for name, values in fields.items()},
        )
        for place, close in enumerate(closes)
    ]


def size_request(**changes: Any) -> SizeRequest:
    """A Gen-Acc of 50,000 USD on a green AAPL week; `changes` replace fields."""
    fields: dict[str, Any] = {
        "account_type": AccountType.GEN_ACC,
        "account_balance": 50_000.0,
        "symbol": "AAPL",
        "market_analysis": analysis_of(),
    }
    return SizeRequest.model_validate({**fields, **changes})


prices = st.floats(0.01, 1e6)
volatilities = st.floats(0.01, 5.0)
kinds = st.sampled_from(OptionType)
accounts = st.sampled_from(AccountType)
conditions = st.sampled_from(Condition)


@st.composite
def positions(draw: st.DrawFn) -> dict[str, Any]:
    """A stock, or an option with its strike, long or short."""
    kind = draw(st.sampled_from(["stock", "put", "call"]))
    price = draw(st.floats(0.01, 500.0))
    position: dict[str, Any] = {
        "symbol": draw(st.sampled_from(["AAPL", "MSFT", "KO", "ZZZ"])),
        "kind": kind,
        "quantity": draw(st.integers(-20, 20)),
        "price": price,
    }
    if kind != "stock":
        position["strike"] = draw(st.floats(1.0, 500.0))
    return position


@st.composite
def portfolios(draw: st.DrawFn) -> Portfolio:
    return Portfolio.model_validate(
        {
            "portfolio_id": "p",
            "positions": draw(st.lists(positions(), max_size=5)),
            "cash": draw(st.floats(-10_000.0, 200_000.0)),
            "peak_value": draw(st.none() | st.floats(1.0, 500_000.0)),
        }
    )


@st.composite
def size_requests(draw: st.DrawFn) -> SizeRequest:
    """Any request with a price and volatilities; the condition may be unknown."""
    return SizeRequest.model_validate(
        {
            "account_type": draw(accounts),
            "account_balance": draw(st.floats(100.0, 1e7)),
            "symbol": draw(st.none() | st.sampled_from(["AAPL", "KO", "ZZZ"])),
            "market_condition": draw(st.none() | conditions),
            "volatility": draw(st.floats(0.05, 2.0)),
            "forecast_volatility": draw(st.floats(0.05, 2.0)),
            "current_price": draw(st.floats(1.0, 2_000.0)),
            "option": {"type": draw(kinds), "dte": draw(st.integers(1, 60))},
            "portfolio": draw(st.none() | portfolios()),
            "correlations": draw(st.none() | st.just({"MSFT": 0.8, "KO": 0.1})),
            "risk_preferences": {
                "risk_level": draw(st.sampled_from(RiskAppetite)),
                "max_position_size": draw(st.none() | st.floats(1.0, 1e6)),
            },
            "exposure_factor": draw(st.floats(0.0, 1.0)),
            "basis": draw(st.sampled_from(Basis)),
        }
    )
