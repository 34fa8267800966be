"""Analysis, risk, size, delta and the agent's word about one symbol, within 3 s."""

from typing import Final

from alluse.client.chat import AGENT
from alluse.client.workflows.risk import assessed
from alluse.client.workflows.steps import (
    AS_OF,
    SYMBOL,
    Answer,
    Facts,
    Run,
    Step,
    Workflow,
    field_of,
    number_of,
    require,
    words,
)

_WEEKS: Final = ("Green", "Red", "Chop")


def _analyze(run: Run) -> Facts:
    answer = run.system.post("market-analyzer", "/v1/analyze", {"symbol": SYMBOL, "as_of": AS_OF})
    condition = field_of(answer, "market_condition")
    require(condition in _WEEKS, f"market_condition is {condition!r}, not one of {', '.join(_WEEKS)}")
    confidence, volatility = number_of(answer, "confidence"), number_of(answer, "volatility")
    run.known["analysis"] = answer
    return [("week", f"{condition}, confidence {confidence:.2f}"), ("volatility", f"{volatility:.4f} a year")]


def _assess_five(run: Run) -> Facts:
    holdings = (
        ("AAPL", 50, 214),
        ("MSFT", 20, 446),
        ("GOOGL", 30, 175),
        ("AMZN", 25, 183),
        ("META", 10, 499),
    )
    positions = [
        {"symbol": symbol, "quantity": quantity, "price": price, "volatility": 0.35}
        for symbol, quantity, price in holdings
    ]
    portfolio = {"portfolio_id": run.portfolio_id, "positions": positions, "cash": 5_000}
    return assessed(run.system.post("portfolio-risk-monitor", "/v1/assess", portfolio))


def _size(run: Run) -> Facts:
    return _sized(run, run.known["analysis"], {})


def _sized(run: Run, analysis: Answer, more: Answer) -> Facts:
    body = {
        "account_balance": 50_000,
        "account_type": "GEN_ACC",
        "symbol": SYMBOL,
        "market_analysis": analysis,
        **more,
    }
    answer = run.system.post("position-sizer", "/v1/size", body)
    size = number_of(answer, "position_size")
    require(size > 0, f"position_size is {size}; blocked by: {answer.get('blocked_by')}")
    contracts = number_of(answer, "contracts")
    return [("size", f"{size:,.0f} USD, {contracts:.0f} contracts"), *_maximum_loss(answer)]


def _maximum_loss(answer: Answer) -> Facts:
    loss = answer.get("max_loss")
    return [("maximum loss", f"{loss:,.0f} USD")] if isinstance(loss, int | float) else []


def _select(run: Run) -> Facts:
    body = {"account_type": "GEN_ACC", "symbol": SYMBOL, "market_analysis": run.known["analysis"]}
    answer = run.system.post("delta-selector", "/v1/select", body)
    delta = number_of(answer, "selected_delta")
    require(0.1 <= delta <= 0.8, f"selected_delta {delta} is not between 0.1 and 0.8")
    run.known["delta"] = delta
    strike = answer.get("strike")
    return [
        ("delta", f"{delta:.2f}"),
        *([("strike", f"{strike:,.2f} USD")] if isinstance(strike, int | float) else []),
    ]


def _size_again(run: Run) -> Facts:
    return _sized(run, run.known["analysis"], {"option": {"target_delta": run.known["delta"]}})


def _ask(run: Run) -> Facts:
    answer = run.chat("What should I trade on SPY with a $50,000 account?")
    words(answer, ("spy", "trade", "option", "delta", "position"))
    return [("reply", str(answer["reply"]))]


TRADING: Final = Workflow(
    "trading",
    f"A decision about {SYMBOL} as of {AS_OF}",
    3.0,
    ("market-analyzer", "portfolio-risk-monitor", "position-sizer", "delta-selector", AGENT),
    (
        Step("analyse the symbol", _analyze),
        Step("assess a portfolio of five stocks", _assess_five),
        Step("size the position", _size),
        Step("select the delta", _select),
        Step("size again with this delta", _size_again),
        Step("ask the agent", _ask),
    ),
)
