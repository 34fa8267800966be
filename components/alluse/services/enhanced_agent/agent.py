"""A turn from the message to the stored answer, and the agent as a component."""

import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from alluse.domain import replies, replies_asides
from alluse.domain.asides import term_of
from alluse.domain.decisions import NOTHING_READ, Decision, Perception, decide
from alluse.runtime import trace
from alluse.runtime.context import Context
from alluse.runtime.errors import NotAllowedError, UnavailableError
from alluse.runtime.events import Event, uuid7
from alluse.runtime.peers import PeerError, PeerRefusedError
from alluse.runtime.service import Call, Check, Endpoint, Service, Task
from alluse.schemas.agent import (
    AgentInfo,
    ChatAnswer,
    ChatRequest,
    DecisionView,
    ResetAnswer,
    TradingGate,
    UserStatus,
)
from alluse.schemas.agent import ResponseType as Kind
from alluse.schemas.intent import DetectContext, Intent
from alluse.schemas.memory import (
    MAX_CONTENT,
    ContextAnswer,
    DecisionRecord,
    Expertise,
    Performance,
    PerformanceQuery,
    TurnAnswer,
    TurnRequest,
    UserPath,
)
from alluse.schemas.protocol import Protocol
from alluse.services.enhanced_agent import advising, booking, guarding, trading
from alluse.services.enhanced_agent.gating import Gatekeeper, check_gate
from alluse.services.enhanced_agent.perceiving import perceive
from alluse.services.enhanced_agent.turn import MEMORY, Said, State, Turn
from alluse.services.golden import expect
from alluse.services.parameters import PROTOCOL_CHECK, Parameters

#: For understanding and computing; what is not known then is named as missing, and the turn is stored.
ANSWER_S: Final = 6.0
BUDGET: Final = "components.agent_core.response_timeout"

Act = Callable[[Turn], Awaitable[Said]]


def _text(write: Callable[[Turn], str]) -> Act:
    async def act(turn: Turn) -> Said:
        return Said(write(turn))

    return act


ACTS: Final[Mapping[Kind, Act]] = {
    Kind.WELCOME: _text(lambda turn: replies.welcome(turn.known.has_accounts)),
    Kind.PROTOCOL: _text(lambda turn: replies.protocol_text(turn.protocol)),
    Kind.ACCOUNTS: _text(lambda turn: replies.accounts_text(turn.protocol)),
    Kind.FORKING: _text(lambda turn: replies.forking_text(turn.protocol)),
    Kind.ASK_AMOUNT: booking.ask_amount,
    Kind.AMOUNT_TOO_SMALL: booking.amount_too_small,
    Kind.OPEN_ACCOUNTS: booking.open_accounts,
    Kind.ACCOUNTS_EXIST: booking.accounts_exist,
    Kind.WEEK_STATED: booking.week,
    Kind.WEEK_FROM_DATA: trading.market,
    Kind.MARKET: trading.market,
    Kind.TRADES: trading.trades,
    Kind.ACCOUNT_SETUP_REQUIRED: trading.trades,
    Kind.DELTA: trading.delta,
    Kind.SIZES: trading.trades,
    Kind.ASK_CAPITAL: _text(lambda turn: replies.ask_capital()),
    Kind.RISK: guarding.risk,
    Kind.RISK_UNKNOWN: _text(lambda turn: replies.risk_unknown()),
    Kind.DRAWDOWN: guarding.drawdown,
    Kind.ASK_DRAWDOWN: _text(lambda turn: replies.ask_drawdown()),
    Kind.ADJUSTMENTS: trading.market,
    Kind.ACCOUNT_ADVICE: advising.advise,
    Kind.PERFORMANCE: booking.performance,
    Kind.NOTHING_TO_REPORT: _text(lambda turn: replies.nothing_to_report()),
    Kind.FORK: booking.fork,
    Kind.FORK_NOT_READY: booking.fork_not_ready,
    Kind.REINVEST: booking.reinvest,
    Kind.SETUP_FIRST: _text(lambda turn: replies.setup_first()),
    Kind.HELP: _text(lambda turn: replies.help_text()),
    Kind.STATUS: booking.status,
    Kind.SUGGESTIONS: _text(lambda turn: replies.suggestions(turn.parameters.get("nearest", ()))),
    Kind.NOT_UNDERSTOOD_NOW: _text(lambda turn: replies.not_understood_now()),
    Kind.NOT_READ_NOW: _text(lambda turn: replies.not_read_now()),
    Kind.GATE_CLOSED: guarding.gate_closed,
    Kind.COURTESY: _text(lambda turn: replies_asides.courtesy()),
    Kind.TERM: _text(lambda turn: replies_asides.term(term_of(turn.request.message) or "delta")),
    Kind.NO_PROMISE: _text(lambda turn: replies_asides.no_promise(turn.protocol)),
    Kind.NO_ORDERS: _text(lambda turn: replies_asides.no_orders()),
    Kind.NOT_BOOKED_HERE: _text(
        lambda turn: replies_asides.not_booked_here(turn.known.accounts, turn.known.total_balance)
    ),
    Kind.YOUR_DATA: _text(lambda turn: replies_asides.your_data(turn.request.user_id)),
}

#: What could not be computed, by the answer that was wanted.
_THINGS: Final[Mapping[Kind, str]] = {
    Kind.MARKET: "the market outlook",
    Kind.WEEK_FROM_DATA: "the week's class",
    Kind.TRADES: "a recommendation",
    Kind.ACCOUNT_SETUP_REQUIRED: "a recommendation",
    Kind.DELTA: "a delta",
    Kind.SIZES: "a position size",
    Kind.RISK: "the risk of your accounts",
    Kind.ADJUSTMENTS: "the ranges of an adjustment",
}


#: Longer than those who are asked wait for those whom they ask: the one who is really missing is named.
SILENT_S: Final = 2.25


async def open_state(context: Context[State]) -> State:
    context.peers.silence.limit_s = SILENT_S
    gate = Gatekeeper(context)
    await gate.look()
    return State(Parameters(context.config), f"agent-{secrets.token_hex(6)}", datetime.now(UTC), gate)


async def chat(call: Call[State], request: ChatRequest) -> ChatAnswer:
    """One turn. Raises UnavailableError without memory."""
    _own(call, request.user_id)
    context, started = call.context, time.perf_counter()
    turn_id = _turn_id(request.user_id, call.idempotency_key)
    degraded: set[str] = set()
    timings: dict[str, float] = {}
    intent = Intent.UNKNOWN
    try:
        with trace.within(ANSWER_S):
            perception = await perceive(context, request, degraded)
            intent = perception.intent
            gate = context.state.gate.standing()
            decision = decide(perception, context.state.parameters.protocol, gate.open)
            timings["perceive"] = _ms(started)
            turn = Turn(context, turn_id, request, perception, decision, gate, degraded)
            acting = time.perf_counter()
            said = await _act(turn)
            timings["act"] = _ms(acting)
        storing = time.perf_counter()
        text, explained = said.text, list[str]()
        if said.computed:
            known = perception.context
            text, explained = replies.explain_terms(text, known.expertise, known.explained)
        saved = await _store(turn, said, text, explained)
        timings["store"] = _ms(storing)
    except Exception:
        failed = {"turn_id": turn_id, "intent": intent, "timings_ms": timings, "degraded": sorted(degraded)}
        await context.events.emit("agent.turn_failed", failed)
        raise
    if not saved:
        text = replies.fit([text, replies.not_saved()])
    timings["total"] = _ms(started)
    context.state.interactions += 1
    context.metrics.histogram("alluse_agent_turn_seconds", "Time of a turn", ("intent",)).observe(
        timings["total"] / 1000, intent=intent
    )
    await context.events.emit(
        "agent.turn_completed",
        {"turn_id": turn_id, "intent": intent, "timings_ms": timings, "degraded": sorted(degraded)},
    )
    return ChatAnswer(
        reply=text,
        intent=intent,
        entities=_entities(perception),
        decision=DecisionView(
            action=decision.action,
            response_type=decision.response_type,
            parameters=dict(decision.parameters),
            rationale=decision.rationale,
            confidence=perception.confidence,
        ),
        data=said.data,
        degraded=sorted(degraded),
        timings_ms=timings,
        turn_id=turn_id,
        saved=saved,
    )


async def _act(turn: Turn) -> Said:
    """Compute the answer; a component that is missing is named and nothing is said in its place."""
    kind = turn.decision.response_type
    try:
        return await ACTS[kind](turn)
    except PeerError as error:
        if error.component == MEMORY and error.retryable:
            raise UnavailableError(f"the memory is missing, so nothing can be answered: {error}") from None
        turn.context.state.gate.note(error)
        turn.context.log.warning("act failed", response_type=kind, error=str(error))
        turn.degraded.add(error.component)
        refused = isinstance(error, PeerRefusedError)
        thing = _THINGS.get(kind, "the answer")
        return Said(replies.cannot_compute(thing, error.component, refused), computed=False)


async def _store(turn: Turn, said: Said, text: str, explained: list[str]) -> bool:
    """Write the turn into memory, once whatever happens in between; False when that failed."""
    perception, decision = turn.perception, turn.decision
    record = DecisionRecord(
        action=decision.action,
        response_type=decision.response_type,
        parameters={**decision.parameters, **said.record},
        rationale=decision.rationale,
        confidence=perception.confidence,
    )
    body = TurnRequest(
        turn_id=turn.turn_id,
        session_id=turn.request.session_id,
        message=turn.request.message,
        reply=text[:MAX_CONTENT],
        intent=perception.intent,
        entities=_entities(perception),
        confidence=perception.confidence,
        decision=record,
        week=said.week,
        preferences=said.preferences,
        explained=explained,
    )
    path = booking.user_path(turn, "/turns")
    try:
        await turn.context.peers.post(MEMORY, path, body, TurnAnswer, idempotency_key=turn.turn_id)
    except PeerError as error:
        if isinstance(error, PeerRefusedError) and error.status == 409:
            # The same turn is stored: this is its repetition, and it was answered anew.
            return True
        turn.context.log.warning("turn not saved", error=str(error))
        turn.degraded.add(MEMORY)
        return False
    known = turn.known
    turn.context.state.hints.put(
        turn.request.user_id,
        DetectContext(
            has_accounts=known.has_accounts or decision.response_type is Kind.OPEN_ACCOUNTS,
            week_classified=known.week_classification is not None or said.week is not None,
            last_intent=perception.intent,
        ),
    )
    return True


def _entities(perception: Perception) -> dict[str, Any]:
    return perception.entities.model_dump(mode="json", exclude_defaults=True)


def _turn_id(user_id: str, key: str) -> str:
    """New for each turn; the same for a turn that is repeated under its key."""
    if not key:
        return f"turn-{uuid7()}"
    return f"turn-{hashlib.sha256(f'{user_id} {key}'.encode()).hexdigest()[:32]}"


def _ms(since: float) -> float:
    return round((time.perf_counter() - since) * 1000, 2)


def _own(call: Call[State], user_id: str) -> str:
    if call.user_id and call.user_id != user_id:
        raise NotAllowedError("X-User-Id names another user; a user's data are nobody else's")
    return user_id


async def user_status(call: Call[State], request: UserPath) -> UserStatus:
    user_id = _own(call, request.user_id)
    known = await call.context.peers.get(MEMORY, f"/v1/users/{user_id}/context", ContextAnswer)
    return UserStatus(
        user_id=user_id,
        has_accounts=known.has_accounts,
        accounts=known.accounts,
        week_classified=known.week_classification is not None,
        total_balance=known.total_balance,
        last_decision=known.last_decision,
        decision_count=known.decision_count,
        total_interactions=known.message_count,
    )


async def user_performance(call: Call[State], request: PerformanceQuery) -> Performance:
    user_id = _own(call, request.user_id)
    return await call.context.peers.get(
        MEMORY, f"/v1/users/{user_id}/performance", Performance, query={"days": request.days}
    )


async def reset_session(call: Call[State]) -> ResetAnswer:
    """Forget what the last turn left; the ledger and the conversation are memory's."""
    user_id = _own(call, call.params.user_id)
    call.state.hints.drop(user_id)
    return ResetAnswer(user_id=user_id)


async def describe(call: Call[State]) -> AgentInfo:
    state = call.state
    return AgentInfo(agent_id=state.agent_id, session_start=state.started, interactions=state.interactions)


async def trading_gate(call: Call[State]) -> TradingGate:
    return call.state.gate.standing()


async def look_at_guards(context: Context[State]) -> None:
    await context.state.gate.look()


async def forget_hint(context: Context[State], event: Event) -> None:
    """A ledger changed: what was known of its user may be old."""
    if isinstance(user_id := event.data.get("user_id"), str):
        context.state.hints.drop(user_id)


async def note_health(context: Context[State], event: Event) -> None:
    context.log.info("health", of=event.data.get("component"), to=event.data.get("to"))


async def note_alert(context: Context[State], event: Event) -> None:
    context.log.info("alert", kind=event.name, alert=str(event.data.get("alert", ""))[:500])


def golden() -> None:
    """Without accounts a greeting is asked for an amount, and a trade is not sized."""
    protocol = Protocol()
    nobody = ContextAnswer(
        user_id="golden",
        has_accounts=False,
        accounts=[],
        total_balance=0.0,
        week_classification=None,
        expertise=Expertise.BEGINNER,
        risk_appetite=None,
        max_position_size=None,
        recent_topics=[],
        pending=[],
        last_intent=None,
        message_count=0,
        decision_count=0,
        last_decision=None,
        explained=[],
    )

    def decided(intent: Intent) -> Decision:
        return decide(Perception(intent, 1.0, NOTHING_READ, nobody), protocol)

    expect("greeting", decided(Intent.GREETING).response_type, Kind.WELCOME)
    expect("welcome", "amount" in replies.welcome(has_accounts=False), True)
    expect("trade", decided(Intent.RECOMMEND_TRADES).response_type, Kind.ACCOUNT_SETUP_REQUIRED)
    closed = decide(Perception(Intent.RECOMMEND_TRADES, 1.0, NOTHING_READ, nobody), protocol, gate_open=False)
    expect("closed gate", closed.response_type, Kind.GATE_CLOSED)
    expect("acts", set(ACTS), set(Kind))


_LEDGER = ("accounts_created", "forked", "merged", "reinvested", "fork_ready", "booked", "erased")

SERVICE: Service[State] = Service(
    name="enhanced-agent",
    open=open_state,
    selftest=golden,
    checks=(PROTOCOL_CHECK, Check("trading-gate", check_gate, critical=False)),
    tasks=(Task("trading-gate", look_at_guards, lambda context: context.state.gate.next_look_s()),),
    needs_hard="start",
    consumers={
        **{f"memory.{name}": forget_hint for name in _LEDGER},
        "health.changed": note_health,
        "alert.fired": note_alert,
        "alert.acknowledged": note_alert,
        "alert.resolved": note_alert,
    },
    endpoints=(
        Endpoint(
            "POST",
            "/v1/chat",
            chat,
            ChatRequest,
            ChatAnswer,
            "One turn of a conversation",
            budget=BUDGET,
            changes_state=True,
            errors=(403, 422),
        ),
        Endpoint(
            "GET",
            "/v1/users/{user_id}/status",
            user_status,
            UserPath,
            UserStatus,
            "Where a user stands",
            errors=(403, 422),
        ),
        Endpoint(
            "GET",
            "/v1/trading-gate",
            trading_gate,
            answer=TradingGate,
            summary="Whether new trades may be recommended now, and who stands against it",
        ),
        Endpoint(
            "GET",
            "/v1/users/{user_id}/performance",
            user_performance,
            PerformanceQuery,
            Performance,
            "Time-weighted returns of a user's accounts",
            errors=(403, 422),
        ),
        Endpoint(
            "POST",
            "/v1/users/{user_id}/reset",
            reset_session,
            None,
            ResetAnswer,
            "Begin the session anew",
            params=UserPath,
            errors=(403, 422),
        ),
        Endpoint("GET", "/v1/agent", describe, answer=AgentInfo, summary="The agent itself"),
    ),
)
