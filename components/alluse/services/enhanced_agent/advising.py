"""Advice on the accounts: the protocol's rules, and beside them what the data say about spreading."""

from alluse.domain import replies
from alluse.domain.decisions import protocol_symbols
from alluse.runtime.peers import PeerError
from alluse.schemas.portfolio import Objective, OptimizeAnswer, OptimizeRequest
from alluse.services.enhanced_agent.turn import Said, Turn

OPTIMIZER = "portfolio-optimizer"


async def advise(turn: Turn) -> Said:
    text = replies.account_advice(turn.protocol, turn.known.accounts)
    symbols = protocol_symbols(turn.protocol)
    try:
        found = await turn.context.peers.post(
            OPTIMIZER,
            "/v1/optimize",
            OptimizeRequest(symbols=symbols, objective=Objective.RISK_PARITY),
            OptimizeAnswer,
            safe=True,
        )
    except PeerError as error:
        turn.degraded.add(error.component)
        note = "How the data would spread risk is not known now: portfolio-optimizer does not answer."
        return Said(replies.fit([text, note, replies.SIMULATION]))
    note = replies.spreading(found.weights, found.as_of, found.synthetic)
    return Said(
        replies.fit([text, note, replies.SIMULATION]), {"optimisation": found.model_dump(mode="json")}
    )
