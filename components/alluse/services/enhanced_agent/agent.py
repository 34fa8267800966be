"""The agent as a component: what it is asked, what it hears, and its self-test."""

import secrets
from datetime import UTC, datetime
from typing import Final

from alluse.domain import replies
from alluse.domain.decisions import NOTHING_READ, Decision, Perception, decide
from alluse.runtime.context import Context
from alluse.runtime.events import Event
from alluse.runtime.service import Call, Check, Endpoint, Service, Task
from alluse.schemas.agent import AgentInfo, ChatAnswer, ChatRequest, ResetAnswer, TradingGate, UserStatus
from alluse.schemas.agent import ResponseType as Kind
from alluse.schemas.intent import Intent
from alluse.schemas.ledger import Performance, PerformanceQuery
from alluse.schemas.memory import ContextAnswer
from alluse.schemas.protocol import Protocol
from alluse.schemas.users import Expertise, UserPath
from alluse.services.enhanced_agent.acting import ACTS
from alluse.services.enhanced_agent.conversing import chat, own
from alluse.services.enhanced_agent.gating import Gatekeeper, check_gate
from alluse.services.enhanced_agent.turn import MEMORY, State
from alluse.services.golden import expect
from alluse.services.parameters import PROTOCOL_CHECK, Parameters

BUDGET: Final = "components.agent_core.response_timeout"
#: Longer than those who are asked wait for those whom they ask: the one who is really missing is named.
SILENT_S: Final = 2.0


async def open_state(context: Context[State]) -> State:
    context.peers.silence.limit_s = SILENT_S
    gate = Gatekeeper(context)
    await gate.look()
    return State(Parameters(context.config), f"agent-{secrets.token_hex(6)}", datetime.now(UTC), gate)


async def user_status(call: Call[State], request: UserPath) -> UserStatus:
    user_id = own(call, request.user_id)
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
    user_id = own(call, request.user_id)
    return await call.context.peers.get(
        MEMORY, f"/v1/users/{user_id}/performance", Performance, query={"days": request.days}
    )


async def reset_session(call: Call[State]) -> ResetAnswer:
    """Forget what the last turn left; the ledger and the conversation are memory's."""
    user_id = own(call, call.params.user_id)
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
