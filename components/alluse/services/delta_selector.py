"""delta-selector: which delta and strike an option to be sold should have."""

from collections.abc import Sequence
from math import nan

from alluse.domain.delta import select, select_batch
from alluse.domain.options import greeks, strike_from_delta
from alluse.runtime.context import Context
from alluse.runtime.service import Call, Endpoint, Service
from alluse.schemas.common import AccountType, Condition, OptionType
from alluse.schemas.delta import SelectAnswer, SelectBatchAnswer, SelectBatchRequest, SelectRequest
from alluse.schemas.protocol import Protocol
from alluse.services.golden import expect
from alluse.services.parameters import PROTOCOL_CHECK, Parameters, open_parameters

BUDGET = 30.0
DELTA_BUCKETS = tuple(hundredths / 100 for hundredths in range(15, 71, 5))


async def select_one(call: Call[Parameters], request: SelectRequest) -> SelectAnswer:
    answer = select(request, call.state.protocol)
    await _tell(call.context, [answer])
    return answer


async def select_several(call: Call[Parameters], batch: SelectBatchRequest) -> SelectBatchAnswer:
    answer = await call.context.compute(select_batch, batch.requests, call.state.protocol)
    await _tell(call.context, answer.results)
    return answer


async def _tell(context: Context[Parameters], answers: Sequence[SelectAnswer]) -> None:
    deltas = context.metrics.histogram(
        "alluse_delta_selected", "Absolute deltas that were selected", buckets=DELTA_BUCKETS
    )
    for answer in answers:
        deltas.observe(answer.selected_delta)
    told = [
        (
            {
                "account_type": answer.account_type,
                "symbol": answer.symbol,
                "result": answer.selected_delta,
                "blocked_by": None,
            },
            answer.symbol,
        )
        for answer in answers
    ]
    await context.events.emit_all("delta.selected", told)


def golden() -> None:
    """Known strikes, the exact round trip from delta to strike and back, and a rule that defends."""
    for spot, sigma, days, delta, strike in (
        (100.0, 0.30, 7, 0.45, 99.6034),
        (400.0, 0.18, 7, 0.25, 393.604),
        (400.0, 0.18, 1, 0.25, 397.506),
    ):
        terms = (days / 365, 0.02, sigma)
        found = strike_from_delta(OptionType.PUT, spot, delta, *terms)
        expect(f"strike of delta {delta}", found, strike)
        back = abs(greeks(OptionType.PUT, spot, found, *terms).delta)
        expect("delta of that strike", back, delta, tolerance=1e-9)
    request = SelectRequest(
        account_type=AccountType.REV_ACC, market_condition=Condition.RED, volatility=0.45, spot=100.0
    )
    answer = select(request, Protocol())
    expect("selected delta", answer.selected_delta, 0.25)
    expect("strike", answer.strike or nan, 96.1070)


SERVICE: Service[Parameters] = Service(
    name="delta-selector",
    open=open_parameters,
    selftest=golden,
    checks=(PROTOCOL_CHECK,),
    endpoints=(
        Endpoint(
            "POST",
            "/v1/select",
            select_one,
            SelectRequest,
            SelectAnswer,
            "Select delta and strike",
            budget=BUDGET,
            errors=(422,),
        ),
        Endpoint(
            "POST",
            "/v1/select/batch",
            select_several,
            SelectBatchRequest,
            SelectBatchAnswer,
            "Select for several positions and describe the whole",
            errors=(422,),
        ),
    ),
)
