"""entity-extractor: what a message names."""

from datetime import UTC, date, datetime

from alluse.domain.entities import extract
from alluse.runtime.errors import SelfTestError
from alluse.runtime.service import Call, Endpoint, Service
from alluse.schemas.entities import ExtractAnswer, ExtractRequest
from alluse.services.parameters import PROTOCOL_CHECK, Parameters, open_parameters

BUDGET = 5.0
_MONDAY = date(2024, 6, 17)

#: A sentence and the flat fields that it must give; read on a Monday.
GOLDEN: tuple[tuple[str, dict[str, object]], ...] = (
    (
        "I'm moderately aggressive with a $50,000 account",
        {"amount": 50_000.0, "risk_level": "moderately_aggressive"},
    ),
    ("put 1.5m to work, not my 401k", {"amount": 1_500_000.0, "option_type": None}),
    ("two hundred thousand dollars", {"amount": 200_000.0}),
    ("My portfolio is down 10%", {"percentages": [-0.10]}),
    ("30-40 delta on tsla, .35 delta on Apple", {"delta_ranges": [(0.3, 0.4), (0.35, 0.35)]}),
    (
        "sell 3 SPY puts next Thursday",
        {"contracts": 3, "dates": [date(2024, 6, 20)], "stock_symbols": ["SPY"]},
    ),
    ("my Gen and the revenue account", {"account_types": ["GEN_ACC", "REV_ACC"]}),
    ("a choppy week, 7 dte calls", {"week_type": "Chop", "dte": 7, "option_type": "call"}),
)


async def extract_entities(call: Call[Parameters], request: ExtractRequest) -> ExtractAnswer:
    today = (request.now or datetime.now(UTC)).date()
    return extract(
        request.text,
        today,
        day_first=request.locale == "en-GB",
        more_symbols=call.state.protocol.sectors.keys(),
    )


def golden() -> None:
    """Known sentences give known values."""
    for text, wanted in GOLDEN:
        answer = extract(text, _MONDAY)
        for field, want in wanted.items():
            got = getattr(answer, field)
            if got != want:
                raise SelfTestError(f"{text!r}: {field} is {got!r}, want {want!r}")


SERVICE: Service[Parameters] = Service(
    name="entity-extractor",
    open=open_parameters,
    selftest=golden,
    checks=(PROTOCOL_CHECK,),
    endpoints=(
        Endpoint(
            "POST",
            "/v1/extract",
            extract_entities,
            ExtractRequest,
            ExtractAnswer,
            "Amounts, symbols, dates and the like in a message",
            budget=BUDGET,
            errors=(422,),
        ),
    ),
)
