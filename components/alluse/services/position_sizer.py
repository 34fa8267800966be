"""position-sizer: how much capital an account may put into a short put or covered call."""

from collections.abc import Sequence
from math import nan

from alluse.domain.errors import DomainError, InvalidInputError
from alluse.domain.sizing import size
from alluse.runtime.context import Context
from alluse.runtime.service import Call, Endpoint, Service
from alluse.schemas.common import AccountType, Condition
from alluse.schemas.protocol import Protocol
from alluse.schemas.sizing import Blocked, SizeAnswer, SizeBatchAnswer, SizeBatchRequest, SizeRequest
from alluse.services.golden import expect
from alluse.services.parameters import PROTOCOL_CHECK, Parameters, open_parameters

BUDGET = 30.0


async def size_one(call: Call[Parameters], request: SizeRequest) -> SizeAnswer:
    answer = size(request, call.state.protocol)
    await _tell(call.context, [answer])
    return answer


async def size_batch(call: Call[Parameters], batch: SizeBatchRequest) -> SizeBatchAnswer:
    protocol = call.state.protocol
    answers = await call.context.compute(_size_all, batch, protocol)
    await _tell(call.context, answers)
    return SizeBatchAnswer(results=answers)


def _size_all(batch: SizeBatchRequest, protocol: Protocol) -> list[SizeAnswer]:
    answers = []
    for place, request in enumerate(batch.requests):
        try:
            answers.append(size(request, protocol))
        except DomainError as error:
            raise InvalidInputError(f"requests.{place}.{error.field}", error.message) from error
    return answers


async def _tell(context: Context[Parameters], answers: Sequence[SizeAnswer]) -> None:
    blocked = context.metrics.counter(
        "alluse_sizing_blocked_total", "Sizings that allow no contract", ("reason",)
    )
    for answer in answers:
        if answer.blocked_by is not None:
            blocked.inc(reason=answer.blocked_by)
    told = [
        (
            {
                "account_type": answer.account_type,
                "symbol": answer.symbol,
                "result": answer.contracts,
                "blocked_by": answer.blocked_by,
            },
            answer.symbol,
        )
        for answer in answers
    ]
    await context.events.emit_all("sizing.computed", told)


def golden() -> None:
    """Known answers: a Gen-Acc of 50,000 USD, and no trade where the premium does not pay for the risk."""
    protocol = Protocol()

    def sized(price: float, implied: float, forecast: float) -> SizeAnswer:
        request = SizeRequest(
            account_type=AccountType.GEN_ACC,
            account_balance=50_000,
            current_price=price,
            volatility=implied,
            forecast_volatility=forecast,
            market_condition=Condition.GREEN,
        )
        return size(request, protocol)

    answer = sized(100, 0.30, 0.27)
    expect("strike", answer.option.strike if answer.option else nan, 99.6034)
    expect("premium", answer.option.premium if answer.option else nan, 1.44538)
    expect("capital", answer.option.capital_per_share if answer.option else nan, 21.0488)
    expect("growth-optimal fraction", answer.kelly.f_star if answer.kelly else nan, 0.6039)
    expect("blocked", sized(100, 0.25, 0.30).blocked_by, Blocked.NO_EDGE)


SERVICE: Service[Parameters] = Service(
    name="position-sizer",
    open=open_parameters,
    selftest=golden,
    checks=(PROTOCOL_CHECK,),
    endpoints=(
        Endpoint(
            "POST",
            "/v1/size",
            size_one,
            SizeRequest,
            SizeAnswer,
            "How much one position may take",
            budget=BUDGET,
            errors=(422,),
        ),
        Endpoint(
            "POST",
            "/v1/size/batch",
            size_batch,
            SizeBatchRequest,
            SizeBatchAnswer,
            "Size several positions, each for itself",
            errors=(422,),
        ),
    ),
)
