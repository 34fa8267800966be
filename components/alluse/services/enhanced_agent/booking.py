"""Acts on memory: opening accounts, weeks, performance, forks, reinvestment, status."""

import asyncio
from typing import Any
from urllib.parse import quote

from alluse.domain import replies, replies_asides, replies_reports
from alluse.runtime.peers import PeerError, PeerRefusedError
from alluse.schemas.common import AccountType, Condition, RiskAppetite
from alluse.schemas.health import SystemHealth
from alluse.schemas.ledger import (
    AccountsAnswer,
    AccountsRequest,
    BookingAnswer,
    ForkOutlookAnswer,
    ForkRequest,
    Performance,
    ReinvestRequest,
)
from alluse.schemas.users import PreferencesPatch, WeekRequest
from alluse.services.enhanced_agent.guarding import watch
from alluse.services.enhanced_agent.turn import MEMORY, Said, Turn


def user_path(turn: Turn, rest: str) -> str:
    return f"/v1/users/{quote(turn.request.user_id)}{rest}"


def stated(turn: Turn) -> tuple[PreferencesPatch | None, str | None]:
    """What the message says about risk, to be stored with the turn."""
    appetite = turn.parameters.get("risk_level")
    if not appetite:
        return None, None
    return PreferencesPatch(risk_appetite=RiskAppetite(appetite)), RiskAppetite(appetite).value


async def open_accounts(turn: Turn) -> Said:
    preferences, appetite = stated(turn)
    peers, path = turn.context.peers, user_path(turn, "/accounts")
    try:
        found = await peers.put(
            MEMORY, path, AccountsRequest(initial_investment=turn.parameters["amount"]), AccountsAnswer
        )
        text = replies.accounts_opened(found.accounts, found.total_balance, appetite)
    except PeerRefusedError as error:
        if error.status != 409:
            raise
        # They were opened a moment ago: by a turn whose answer got lost, or by another session.
        found = await peers.get(MEMORY, path, AccountsAnswer)
        text = replies.accounts_exist(found.accounts, found.total_balance, appetite)
    await asyncio.gather(*(watch(turn, account) for account in found.accounts))
    return Said(text, _accounts(found), {"total": found.total_balance}, preferences=preferences)


async def accounts_exist(turn: Turn) -> Said:
    preferences, appetite = stated(turn)
    known = turn.known
    found = AccountsAnswer(user_id=known.user_id, accounts=known.accounts, total_balance=known.total_balance)
    text = replies.accounts_exist(known.accounts, known.total_balance, appetite)
    return Said(text, _accounts(found), preferences=preferences)


def _accounts(found: AccountsAnswer) -> dict[str, Any]:
    return found.model_dump(mode="json")


async def ask_amount(turn: Turn) -> Said:
    preferences, appetite = stated(turn)
    return Said(replies.ask_amount(turn.protocol, appetite), preferences=preferences)


async def amount_too_small(turn: Turn) -> Said:
    preferences, _ = stated(turn)
    return Said(replies.amount_too_small(turn.parameters["amount"]), preferences=preferences)


async def confirm_amount(turn: Turn) -> Said:
    preferences, _ = stated(turn)
    return Said(replies_asides.confirm_amount(turn.parameters["amounts"]), preferences=preferences)


async def position_limit(turn: Turn) -> Said:
    limit, lifted = turn.parameters.get("limit"), bool(turn.parameters.get("lifted"))
    noted = PreferencesPatch(max_position_size=limit) if lifted or limit is not None else None
    return Said(replies_asides.position_limit(limit, lifted), preferences=noted)


async def week(turn: Turn) -> Said:
    condition = Condition(turn.parameters["week"])
    return Said(replies.week_stated(condition.value), {"week": condition}, week=WeekRequest(value=condition))


async def performance(turn: Turn) -> Said:
    found = await turn.context.peers.get(
        MEMORY, user_path(turn, "/performance"), Performance, query={"days": 365}
    )
    return Said(replies_reports.performance_text(found), {"performance": found.model_dump(mode="json")})


async def fork(turn: Turn) -> Said:
    request = ForkRequest(account_id=turn.parameters["account_id"])
    try:
        found = await turn.context.peers.post(
            MEMORY,
            user_path(turn, "/fork"),
            request,
            BookingAnswer,
            idempotency_key=f"{turn.turn_id}-fork",
        )
    except PeerRefusedError as error:
        if error.status != 409:
            raise
        return Said(replies_reports.refused_text("A split", _why(error)))
    return Said(replies_reports.fork_text(found), found.model_dump(mode="json"), {"forked": True})


async def fork_not_ready(turn: Turn) -> Said:
    found = await turn.context.peers.get(MEMORY, user_path(turn, "/fork-outlook"), ForkOutlookAnswer)
    nearest = min(found.outlook, key=lambda each: each.missing, default=None)
    target = turn.protocol.account(AccountType.GEN_ACC).weekly_return_target
    text = replies.fork_not_ready(
        turn.parameters["surplus"],
        turn.parameters["missing"],
        turn.protocol.fork.surplus_trigger,
        nearest.weeks_at_target if nearest else None,
        target,
    )
    return Said(text, found.model_dump(mode="json"))


async def reinvest(turn: Turn) -> Said:
    try:
        found = await turn.context.peers.post(
            MEMORY,
            user_path(turn, "/reinvest"),
            ReinvestRequest(),
            BookingAnswer,
            idempotency_key=f"{turn.turn_id}-reinvest",
        )
    except PeerRefusedError as error:
        if error.status != 409:
            raise
        return Said(replies_reports.refused_text("Reinvestment", _why(error)))
    return Said(replies_reports.reinvest_text(found), found.model_dump(mode="json"), {"reinvested": True})


def _why(error: PeerRefusedError) -> str:
    """The ledger's own sentence, without the name of its rule."""
    detail = error.problem.detail if error.problem else "the rules do not allow it"
    return detail.rpartition(" (")[0] or detail


async def status(turn: Turn) -> Said:
    known = turn.known
    text = replies.status_text(
        known.accounts,
        known.total_balance,
        known.week_classification.value.value if known.week_classification else None,
        known.week_classification.as_of if known.week_classification else None,
        known.decision_count,
    )
    data: dict[str, Any] = {
        "accounts": [each.model_dump(mode="json") for each in known.accounts],
        "total_balance": known.total_balance,
    }
    try:
        health = await turn.context.peers.get("health-monitor", "/v1/health", SystemHealth)
    except PeerError:
        turn.degraded.add("health-monitor")
        return Said(f"{text} The system's health is not known now: health-monitor does not answer.", data)
    failing = sorted(name for name, each in health.components.items() if each.status.failing)
    told = f"{text} {replies.system_text(health.overall_status.value, failing)}"
    return Said(told, {**data, "system": health.overall_status, "failing": failing})
