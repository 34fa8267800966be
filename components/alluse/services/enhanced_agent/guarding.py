"""Acts about risk and drawdown: what the two watchers say about an account, and help in a fall."""

import asyncio

from alluse.domain import replies, replies_reports
from alluse.domain.decisions_trades import MAX_SLOTS, Guard, Slot
from alluse.runtime.peers import PeerError, PeerRefusedError
from alluse.schemas.common import Portfolio, RiskLevel
from alluse.schemas.drawdown import ActivateAnswer, ActivateRequest, CheckRequest, PortfolioState
from alluse.schemas.ledger import AccountView
from alluse.schemas.risk import Assessment, AssessRequest, WatchedPortfolio, WatchRequest
from alluse.services.enhanced_agent.turn import Said, Turn

RISK = "portfolio-risk-monitor"
PROTECTION = "drawdown-protection"
#: The monitor keeps what it is told; telling it again now and then repairs what it may have lost.
WATCH_AGAIN_S = 300.0


async def guard_of(turn: Turn, slot: Slot) -> Guard:
    """Whether an account may enter anything new. Raises PeerError when its risk cannot be assessed.

    One whose protection does not answer may not: its limit could be anything.
    """
    account, portfolio = slot.account, slot.portfolio
    if account is None or portfolio is None:
        return Guard()
    assessed, protection, _ = await asyncio.gather(
        assess(turn, portfolio), _protection(turn, portfolio), watch(turn, account)
    )
    if protection is None:
        return Guard(0.0, "drawdown-protection does not answer, so what it allows is not known")
    factor, stopped = protection
    limit = turn.protocol.account(slot.account_type).drawdown_limit
    if assessed.overall_risk_level is RiskLevel.CRITICAL:
        return Guard(factor, f"its risk is {assessed.overall_risk_level.value}")
    if stopped:
        return Guard(factor, "drawdown protection stops new entries")
    if account.drawdown >= limit:
        fall, most = replies.percent(account.drawdown), replies.percent(limit)
        return Guard(factor, f"it is {fall} below its peak, its limit is {most}")
    return Guard(factor)


async def assess(turn: Turn, portfolio: Portfolio) -> Assessment:
    return await turn.context.peers.post(
        RISK, "/v1/assess", AssessRequest.model_validate(portfolio.model_dump()), Assessment, safe=True
    )


async def watch(turn: Turn, account: AccountView) -> None:
    """Have an account watched as it stands now, so that a fall is seen between two conversations.

    What was reported a few minutes ago and has not changed is not reported again.
    """
    reported = turn.context.cache("watched", WATCH_AGAIN_S)
    standing = (account.balance, account.peak, account.net_flows)
    if reported.get(account.account_id) == standing:
        return
    try:
        await turn.context.peers.put(
            RISK,
            f"/v1/portfolios/{account.account_id}",
            WatchRequest(
                portfolio_id=account.account_id,
                account_type=account.type,
                cash=account.balance,
                peak_value=account.peak if account.peak > 0 else None,
                net_flows=account.net_flows,
            ),
            WatchedPortfolio,
        )
    except PeerError as error:
        turn.degraded.add(error.component)
    else:
        reported.put(account.account_id, standing)


async def _protection(turn: Turn, portfolio: Portfolio) -> tuple[float, bool] | None:
    """Exposure factor and stop of an account; None with the gap named when nobody answers."""
    try:
        try:
            known = await turn.context.peers.get(
                PROTECTION, f"/v1/portfolios/{portfolio.portfolio_id}", PortfolioState, query={"history": 0}
            )
        except PeerRefusedError:
            # Not seen there yet: ask what its fall would call for.
            found = await propose(turn, portfolio)
            return found.exposure_factor, found.stop_new_entries
        return known.exposure_factor, known.stop_new_entries
    except PeerError as error:
        turn.context.state.gate.note(error)
        turn.degraded.add(PROTECTION)
        return None


async def propose(turn: Turn, portfolio: Portfolio, drawdown: float | None = None) -> ActivateAnswer:
    """What protection would do; it changes nothing there."""
    return await turn.context.peers.post(
        PROTECTION,
        "/v1/activate",
        ActivateRequest(
            portfolio=CheckRequest.model_validate(portfolio.model_dump()), drawdown=drawdown, dry_run=True
        ),
        ActivateAnswer,
        safe=True,
    )


async def gate_closed(turn: Turn) -> Said:
    """Says that nothing new is recommended, because of whom, and since when."""
    gate = turn.gate
    turn.degraded.update(each.component for each in gate.blockers)
    return Said(
        replies.gate_closed(gate.blockers), {"trading_gate": gate.model_dump(mode="json")}, computed=False
    )


async def risk(turn: Turn) -> Said:
    accounts = [each for each in turn.known.accounts if each.balance > 0][:MAX_SLOTS]
    portfolios = [slot.portfolio for slot in (Slot(a.type, (), a.balance, account=a) for a in accounts)]
    found, _ = await asyncio.gather(
        asyncio.gather(*(assess(turn, each) for each in portfolios if each is not None)),
        asyncio.gather(*(watch(turn, each) for each in accounts)),
    )
    text = replies_reports.risk_text(list(zip(accounts, found, strict=True)), [])
    levels = {each.portfolio_id: each.overall_risk_level.value for each in found}
    return Said(text, {"assessments": [each.model_dump(mode="json") for each in found]}, {"risk": levels})


async def drawdown(turn: Turn) -> Said:
    """A named fall on the user's total, or the falls that the ledger knows."""
    fall = turn.parameters.get("drawdown")
    accounts = [each for each in turn.known.accounts if each.balance > 0][:MAX_SLOTS]
    if fall is not None:
        total = turn.known.total_balance if turn.known.has_accounts else 0.0
        # A fall in percent needs no amount; without accounts any value gives the same level.
        portfolio = Portfolio(portfolio_id="what-if", cash=total or 100.0)
        asked = [("Your portfolio", portfolio, float(fall))]
    else:
        asked = [
            (each.type.display, known, each.drawdown)
            for each in accounts
            if (known := Slot(each.type, (), each.balance, account=each).portfolio) is not None
        ]
    try:
        found = await asyncio.gather(
            *(propose(turn, portfolio, each or None) for _, portfolio, each in asked)
        )
    except PeerError as error:
        turn.context.state.gate.note(error)
        turn.degraded.add(error.component)
        return Said(replies.cannot_compute("the protection level", error.component), computed=False)
    lines = [
        replies_reports.protection_text(answer, whose)
        for (whose, _, _), answer in zip(asked, found, strict=True)
    ]
    lost, held = turn.parameters.get("lost"), turn.parameters.get("total")
    notes = [] if lost is None or held is None else [replies_reports.loss_note(lost, held)]
    peak, now = turn.parameters.get("peak"), turn.parameters.get("now")
    if fall is not None and peak is not None and now is not None:
        notes.append(
            f"From {replies.usd(peak)} to {replies.usd(now)} is a fall of {replies.percent(float(fall))}."
        )
    text = replies_reports.drawdown_text(lines, fall is not None, notes)
    levels = [answer.protection_level.value for answer in found]
    return Said(text, {"protection": [each.model_dump(mode="json") for each in found]}, {"levels": levels})
