"""A portfolio falls by a tenth: assessment, check, proposal, report, the agent's word, within 2 s."""

from typing import Final

from alluse.client.chat import AGENT
from alluse.client.workflows.steps import (
    Answer,
    Facts,
    Run,
    Step,
    Workflow,
    field_of,
    number_of,
    require,
    saying,
)

_RISKS: Final = ("Low", "Medium", "High", "Critical")


def assessed(answer: Answer) -> Facts:
    level, score = field_of(answer, "overall_risk_level"), number_of(answer, "risk_score")
    require(level in _RISKS, f"overall_risk_level is {level!r}")
    require(0 <= score <= 1, f"risk_score {score} is not between 0 and 1")
    return [
        ("risk", f"{level}, score {score:.2f}"),
        ("data", str(answer.get("data_quality", "not stated"))),
    ]


def _book(run: Run, value: float, share: float = 1.0) -> Answer:
    """100 shares of AAPL and 50 of MSFT, or that share of them, and cash up to the value.

    Their volatilities let the risk be estimated while no market data can be had.
    """
    positions = [
        {"symbol": "AAPL", "quantity": 100 * share, "price": 150, "volatility": 0.3},
        {"symbol": "MSFT", "quantity": 50 * share, "price": 300, "volatility": 0.3},
    ]
    held = sum(each["quantity"] * each["price"] for each in positions)  # type: ignore[operator]
    return {"portfolio_id": run.portfolio_id, "positions": positions, "cash": value - held}


def _assess_fallen(run: Run) -> Facts:
    book = {**_book(run, 45_000), "peak_value": 50_000}
    return assessed(run.system.post("portfolio-risk-monitor", "/v1/assess", book))


def _check_fallen(run: Run) -> Facts:
    book = {**_book(run, 45_000), "peak_value": 50_000}
    answer = run.system.post("drawdown-protection", "/v1/check", book)
    fall = number_of(answer, "current_drawdown")
    require(abs(fall - 0.10) < 1e-9, f"current_drawdown is {fall}, not 0.10")
    level = field_of(answer, "protection_level")
    require(level == "Moderate", f"protection_level is {level}, not Moderate")
    return [("fall", f"{fall:.0%}"), ("protection", str(level))]


def _activate(run: Run) -> Facts:
    body = {"portfolio": {**_book(run, 45_000), "peak_value": 50_000}, "drawdown": 0.10, "dry_run": False}
    answer = run.system.post("drawdown-protection", "/v1/activate", body)
    field_of(answer, "protection_level")
    adjustments = field_of(answer, "adjustments_made")
    require(bool(adjustments), f"nothing is proposed: {answer.get('reason_not_activated')}")
    factor = number_of(answer, "exposure_factor")
    require(abs(factor - 0.6) < 1e-9, f"exposure_factor is {factor}, not 0.60")
    return [(str(each["symbol"]), f"from {each['from']:g} to {each['to']:g}") for each in adjustments]


def _report_reduced(run: Run) -> Facts:
    path = f"/v1/portfolios/{run.portfolio_id}"
    run.system.put("drawdown-protection", path, _book(run, 45_000, 0.6))
    again = run.system.post("drawdown-protection", "/v1/activate", {"portfolio": _book(run, 45_000, 0.6)})
    reason = again.get("reason_not_activated")
    require(bool(reason), "a second proposal within the cooldown is not refused")
    return [("a second proposal", f"refused, {reason}")]


def _escalate(run: Run) -> Facts:
    answer = run.system.post("drawdown-protection", "/v1/check", _book(run, 42_000, 0.6))
    level = field_of(answer, "protection_level")
    require(level == "Aggressive", f"after a fall of 16 % protection_level is {level}, not Aggressive")
    return [("protection at 42,000 USD", str(level))]


def _recover(run: Run) -> Facts:
    answer = run.system.post("drawdown-protection", "/v1/check", _book(run, 49_200, 0.6))
    level = field_of(answer, "protection_level")
    require(level == "None", f"with nine tenths recovered protection_level is {level}, not None")
    return [("protection at 49,200 USD", "ended")]


RISK: Final = Workflow(
    "risk",
    "A portfolio falls by a tenth",
    2.0,
    ("portfolio-risk-monitor", "drawdown-protection", AGENT),
    (
        Step("assess its risk", _assess_fallen),
        Step("check how far it fell", _check_fallen),
        Step("ask for reductions", _activate),
        Step("report them as carried out", _report_reduced),
        saying(
            "My portfolio is down 10%, what should I do?",
            "drawdown_help",
            ("risk", "drawdown", "protection", "reduce", "adjust"),
        ),
        Step("it falls further", _escalate),
        Step("it recovers", _recover),
    ),
)
