"""The four workflows as steps: what is asked of which component, and what the answer must show.

onboarding     five turns of a new user with the agent, within 5 s
trading        analysis, risk, size, delta and the agent's word about one symbol, within 3 s
risk           a fall of a tenth: assessment, check, proposal, report, the agent's word, within 2 s
optimisation   metrics, a warmed cache, an optimisation, health, within 1 s
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from alluse.client.calls import System
from alluse.client.chat import AGENT, CHAT
from alluse.client.errors import ClientError

Answer = dict[str, Any]
Facts = list[tuple[str, str]]

#: A day and a symbol of the shipped market data whose figures are known.
SYMBOL: Final = "AAPL"
AS_OF: Final = "2024-06-18"
CACHED_CALLS: Final = 10
_WEEKS: Final = ("Green", "Red", "Chop")
_RISKS: Final = ("Low", "Medium", "High", "Critical")


class RequirementError(Exception):
    """An answer does not show what the step requires; says what it shows instead."""


@dataclass(slots=True)
class Run:
    """What the steps of one run know from each other."""

    system: System
    user_id: str
    session_id: str = field(default_factory=lambda: f"run-{uuid4().hex[:12]}")
    portfolio_id: str = field(default_factory=lambda: f"run-{uuid4().hex[:12]}")
    #: Told before: the condition and volatility, and so on, by step.
    known: dict[str, Any] = field(default_factory=dict)

    def chat(self, message: str) -> Answer:
        body = {"user_id": self.user_id, "session_id": self.session_id, "message": message}
        return self.system.post(AGENT, CHAT, body)


@dataclass(frozen=True, slots=True)
class Step:
    """`do` returns what is worth showing, or raises RequirementError or ClientError."""

    title: str
    do: Callable[[Run], Facts]


@dataclass(frozen=True, slots=True)
class Workflow:
    """`components` are those that are talked to, `limit_s` the time for all steps together."""

    name: str
    title: str
    limit_s: float
    components: Sequence[str]
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step went; `problem` is empty when it met its requirement."""

    number: int
    title: str
    seconds: float
    facts: Facts
    problem: str = ""
    remedy: str = ""

    @property
    def passed(self) -> bool:
        return not self.problem


def run_steps(workflow: Workflow, run: Run) -> Iterator[Outcome]:
    """Each step in turn; a failed one does not keep the next from being tried."""
    for number, step in enumerate(workflow.steps, 1):
        facts: Facts = []
        problem = remedy = ""
        started = time.perf_counter()
        try:
            facts = step.do(run)
        except RequirementError as error:
            problem = str(error)
        except ClientError as error:
            problem, remedy = str(error), error.remedy
        except KeyError as error:
            problem = f"the answer of an earlier step is missing ({error.args[0]})"
        yield Outcome(number, step.title, time.perf_counter() - started, facts, problem, remedy)


# -- requirements ------------------------------------------------------------------------------------


def require(condition: bool, problem: str) -> None:
    if not condition:
        raise RequirementError(problem)


def field_of(answer: Answer, name: str) -> Any:
    require(answer.get(name) is not None, f"the answer has no {name}")
    return answer[name]


def number_of(answer: Answer, name: str) -> float:
    value = field_of(answer, name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    require(is_number, f"{name} is no number but {value!r}")
    return float(value)


def words(answer: Answer, *groups: Sequence[str]) -> None:
    """Of each group at least one word is in the reply, whatever its case."""
    reply = str(answer.get("reply", ""))
    for group in groups:
        found = any(word.lower() in reply.lower() for word in group)
        require(found, f"the reply says none of {', '.join(group)}: {reply[:200]!r}")


def saying(message: str, intent: str, *groups: Sequence[str]) -> Step:
    """A turn with the agent that must be understood as the intent and use certain words."""

    def do(run: Run) -> Facts:
        answer = run.chat(message)
        words(answer, *groups)
        require(
            answer.get("intent") == intent, f"it was understood as {answer.get('intent')!r}, not as {intent}"
        )
        facts = [("reply", str(answer["reply"]))]
        if degraded := answer.get("degraded"):
            facts.append(("without", ", ".join(map(str, degraded))))
        return facts

    return Step(f"“{message}”", do)


# -- onboarding --------------------------------------------------------------------------------------


def _three_accounts(run: Run) -> Facts:
    status = run.system.get(AGENT, f"/v1/users/{run.user_id}/status")
    accounts = field_of(status, "accounts")
    require(len(accounts) == 3, f"there are {len(accounts)} accounts, not three")
    total = sum(number_of(account, "balance") for account in accounts)
    require(abs(total - 50_000) < 0.005, f"the accounts hold {total:,.2f} USD, not 50,000.00")
    return [(str(account.get("type")), f"{account['balance']:,.2f} USD") for account in accounts]


ONBOARDING: Final = Workflow(
    "onboarding",
    "A new user opens accounts",
    5.0,
    (AGENT,),
    (
        saying("Hello, I'm new to ALL-USE and want to get started", "greeting", ("welcome",), ("account",)),
        saying(
            "I want to set up my trading accounts",
            "setup_accounts",
            ("account",),
            ("gen-acc", "rev-acc", "com-acc"),
        ),
        saying(
            "I'm moderately aggressive and I have a $50,000 account", "provide_profile", ("risk",), ("50",)
        ),
        Step("three accounts hold 50,000.00 USD together", _three_accounts),
        saying(
            "What should I trade this week?",
            "recommend_trades",
            ("recommend", "suggest", "trade", "option"),
        ),
        saying(
            "How can I track my performance?",
            "check_performance",
            ("performance", "track", "monitor", "report"),
        ),
    ),
)


# -- trading -----------------------------------------------------------------------------------------


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
    return _assessed(run.system.post("portfolio-risk-monitor", "/v1/assess", portfolio))


def _assessed(answer: Answer) -> Facts:
    level, score = field_of(answer, "overall_risk_level"), number_of(answer, "risk_score")
    require(level in _RISKS, f"overall_risk_level is {level!r}")
    require(0 <= score <= 1, f"risk_score {score} is not between 0 and 1")
    return [
        ("risk", f"{level}, score {score:.2f}"),
        ("data", str(answer.get("data_quality", "not stated"))),
    ]


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
        Step("ask the agent", lambda run: _ask(run)),
    ),
)


def _ask(run: Run) -> Facts:
    answer = run.chat("What should I trade on SPY with a $50,000 account?")
    words(answer, ("spy", "trade", "option", "delta", "position"))
    return [("reply", str(answer["reply"]))]


# -- risk --------------------------------------------------------------------------------------------


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
    return _assessed(run.system.post("portfolio-risk-monitor", "/v1/assess", book))


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


# -- optimisation ------------------------------------------------------------------------------------


def _metrics(run: Run) -> Facts:
    answer = run.system.get("performance-optimizer", "/v1/metrics")
    cache, memory = field_of(answer, "cache_stats"), field_of(answer, "memory_stats")
    run.known["hits"] = number_of(cache, "hits")
    return [
        ("caches", f"{run.known['hits']:.0f} hits, {number_of(cache, 'size'):.0f} entries"),
        ("memory", f"{number_of(memory, 'rss_mb'):.0f} MB"),
    ]


def _warm(run: Run) -> Facts:
    for _ in range(CACHED_CALLS):
        run.system.post("market-analyzer", "/v1/analyze", {"symbol": SYMBOL, "as_of": AS_OF})
    return [("calls", str(CACHED_CALLS))]


def _optimize(run: Run) -> Facts:
    answer = run.system.post("performance-optimizer", "/v1/optimize", {"dry_run": False})
    applied = answer.get("optimizations_applied")
    require(isinstance(applied, list), "the answer has no optimizations_applied")
    assert isinstance(applied, list)
    if not applied:
        return [("applied", "nothing to change")]
    return [
        (str(each.get("component")), f"{each.get('action')} {each.get('from')} to {each.get('to')}")
        for each in applied
    ]


def _hits_rose(run: Run) -> Facts:
    before = run.known["hits"]
    facts = _metrics(run)
    rise = run.known["hits"] - before
    require(rise >= CACHED_CALLS - 1, f"hits rose by {rise:.0f}, not by {CACHED_CALLS - 1}")
    return [("hits", f"{rise:.0f} more"), *facts]


def _healthy(run: Run) -> Facts:
    answer = run.system.get("health-monitor", "/v1/health")
    status = field_of(answer, "overall_status")
    require(status in ("healthy", "degraded"), f"the system is {status}")
    return [("system", str(status))]


OPTIMISATION: Final = Workflow(
    "optimisation",
    "The system looks at its own performance",
    1.0,
    ("performance-optimizer", "market-analyzer", "health-monitor"),
    (
        Step("read the metrics", _metrics),
        Step(f"{CACHED_CALLS} equal analyses", _warm),
        Step("optimise", _optimize),
        Step("read the metrics again", _hits_rose),
        Step("ask for the system's health", _healthy),
    ),
)

WORKFLOWS: Final = {workflow.name: workflow for workflow in (ONBOARDING, TRADING, RISK, OPTIMISATION)}
