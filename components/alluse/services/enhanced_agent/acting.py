"""What is said for each kind of answer: a table of acts, and what is said when one cannot be computed."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from alluse.domain import replies, replies_asides
from alluse.domain.asides import term_of
from alluse.runtime.errors import UnavailableError
from alluse.runtime.peers import PeerError, PeerRefusedError
from alluse.schemas.agent import ResponseType as Kind
from alluse.services.enhanced_agent import advising, booking, guarding, trading
from alluse.services.enhanced_agent.turn import MEMORY, Said, Turn

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
    Kind.CONFIRM_AMOUNT: booking.confirm_amount,
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
    Kind.DATA_SOURCES: trading.sources,
    Kind.POSITION_LIMIT: booking.position_limit,
    Kind.YOUR_DATA: _text(lambda turn: replies_asides.your_data(turn.request.user_id)),
}

#: What could not be computed, by the answer that was wanted.
_THINGS: Final[Mapping[Kind, str]] = {
    Kind.MARKET: "the market outlook",
    Kind.WEEK_FROM_DATA: "the week's class",
    Kind.DATA_SOURCES: "the age of the prices",
    Kind.TRADES: "a recommendation",
    Kind.ACCOUNT_SETUP_REQUIRED: "a recommendation",
    Kind.DELTA: "a delta",
    Kind.SIZES: "a position size",
    Kind.RISK: "the risk of your accounts",
    Kind.ADJUSTMENTS: "the ranges of an adjustment",
}


async def act(turn: Turn) -> Said:
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
