"""Answering: each request of a message in its order, within the time of the turn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alluse.domain import replies
from alluse.domain.decisions import Perception, decide
from alluse.domain.requests import requests_of, says_the_same
from alluse.runtime.context import Context
from alluse.runtime.peers import PeerError
from alluse.schemas.agent import ChatRequest
from alluse.schemas.agent import ResponseType as Kind
from alluse.schemas.memory import ContextAnswer
from alluse.services.enhanced_agent import booking
from alluse.services.enhanced_agent.acting import act
from alluse.services.enhanced_agent.turn import MEMORY, Said, State, Turn

#: After these the ledger is another one, and what comes behind them is decided on that.
_BOOKED = frozenset({Kind.OPEN_ACCOUNTS, Kind.FORK, Kind.REINVEST})


@dataclass(frozen=True, slots=True)
class Answered:
    """A request and what is said to it."""

    turn: Turn
    said: Said


async def answer(
    context: Context[State], request: ChatRequest, turn_id: str, perception: Perception, degraded: set[str]
) -> list[Answered]:
    """The answers, one at least; a request that means what another one means is answered once."""
    gate = context.state.gate.standing()
    answered: list[Answered] = []
    known = perception.context
    for asked in requests_of(perception):
        seen = replace(asked, context=known)
        decision = decide(seen, context.state.parameters.protocol, gate.open)
        if any(says_the_same(each.turn.decision, decision) for each in answered):
            continue
        turn = Turn(context, turn_id, request, seen, decision, gate, degraded)
        answered.append(Answered(turn, await act(turn)))
        if decision.response_type in _BOOKED and perception.parts:
            path = booking.user_path(turn, "/context")
            try:
                known = await context.peers.get(MEMORY, path, ContextAnswer)
            except PeerError:
                degraded.add(MEMORY)
                answered[-1].said.text += f"\n\n{replies.rest_unanswered(MEMORY)}"
                break
    return answered


def text_of(answered: Sequence[Answered]) -> str:
    """The texts one below the other; that nothing is advice is said once, at the end."""
    *before, last = (each.said.text for each in answered)
    ended = [text.removesuffix(replies.SIMULATION).rstrip() for text in before]
    if ended and any(each.said.text.endswith(replies.SIMULATION) for each in answered):
        last = f"{last.removesuffix(replies.SIMULATION).rstrip()} {replies.SIMULATION}"
    return "\n\n".join([*ended, last])
