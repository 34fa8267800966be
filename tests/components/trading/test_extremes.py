"""Values at the ends of what the wire types allow: an answer with finite numbers, or a field is named."""

from math import isfinite
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alluse.domain.delta import select
from alluse.domain.errors import InvalidInputError
from alluse.domain.sizing import size
from alluse.schemas.delta import SelectRequest
from alluse.schemas.sizing import SizeRequest
from trading import PROTOCOL

amounts = st.sampled_from([5e-324, 1e-300, 1e-12, 0.01, 1.0, 100.0, 1e6, 1e12]) | st.floats(5e-324, 1e12)
any_volatility = st.sampled_from([0.01, 5.0]) | st.floats(0.01, 5.0)

option_terms = st.fixed_dictionaries(
    {"type": st.sampled_from(["put", "call"]), "dte": st.integers(1, 730)},
    optional={"premium": amounts, "strike": amounts},
)
held = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from(["KO", "AAPL"]),
        "kind": st.sampled_from(["stock", "put", "call"]),
        "quantity": st.floats(-1e9, 1e9),
        "price": st.floats(0.0, 10.0),
        "strike": amounts,
    }
)
portfolios = st.fixed_dictionaries(
    {"portfolio_id": st.just("p"), "cash": st.floats(-1e12, 1e12), "positions": st.lists(held, max_size=3)}
)


def all_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(all_finite(part) for part in value.values())
    if isinstance(value, list):
        return all(all_finite(part) for part in value)
    return not isinstance(value, float) or isfinite(value)


@given(
    st.fixed_dictionaries(
        {
            "account_type": st.sampled_from(["GEN_ACC", "REV_ACC", "COM_ACC"]),
            "account_balance": amounts,
            "symbol": st.just("AAPL"),
            "current_price": amounts,
            "volatility": any_volatility,
            "forecast_volatility": any_volatility,
            "option": option_terms,
            "r": st.floats(0.0, 0.5),
            "exposure_factor": st.floats(0.0, 1.0),
            "basis": st.sampled_from(["margin", "cash_secured"]),
        },
        optional={
            "market_condition": st.sampled_from(["Green", "Red", "Chop"]),
            "risk_preferences": st.fixed_dictionaries({"max_position_size": amounts}),
            "portfolio": portfolios,
        },
    )
)
def test_any_sizing_is_answered_or_refused(body: dict[str, Any]) -> None:
    request = SizeRequest.model_validate(body)
    try:
        found = size(request, PROTOCOL)
    except InvalidInputError as error:
        found = None
        named = error.field
    assert named if found is None else all_finite(found.model_dump())


@given(
    st.fixed_dictionaries(
        {
            "account_type": st.sampled_from(["GEN_ACC", "REV_ACC", "COM_ACC"]),
            "option_type": st.sampled_from(["put", "call"]),
            "volatility": any_volatility,
            "forecast_volatility": any_volatility,
            "spot": amounts,
            "dte": st.integers(1, 730),
            "r": st.floats(0.0, 0.5),
            "q": st.floats(0.0, 0.5),
        },
        optional={
            "chain": st.lists(
                st.fixed_dictionaries(
                    {"strike": amounts, "bid": st.just(0.0), "ask": amounts}, optional={"iv": any_volatility}
                ),
                min_size=1,
                max_size=4,
            )
        },
    )
)
def test_any_selection_is_answered_or_refused(body: dict[str, Any]) -> None:
    request = SelectRequest.model_validate(body)
    try:
        found = select(request, PROTOCOL)
    except InvalidInputError as error:
        found = None
        named = error.field
    assert named if found is None else all_finite(found.model_dump())
