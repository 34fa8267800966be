"""One turn on its way: what was perceived and decided, what is missing, what will be said and stored."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from alluse.domain.decisions import Decision, Perception
from alluse.runtime.context import Context
from alluse.schemas.agent import ChatRequest, TradingGate
from alluse.schemas.intent import DetectContext
from alluse.schemas.market import MarketAnalysis
from alluse.schemas.memory import ContextAnswer
from alluse.schemas.protocol import Protocol
from alluse.schemas.users import PreferencesPatch, WeekRequest
from alluse.services.enhanced_agent.gating import Gatekeeper
from alluse.services.enhanced_agent.together import Together
from alluse.services.parameters import Parameters

MEMORY: Final = "memory-manager"
MAX_HINTS: Final = 1_000


class Hints:
    """What the last turn of each user left for the next one's understanding. Only a help: every turn reads
    the memory again, and a lost hint changes no figure."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, DetectContext] = OrderedDict()

    def get(self, user_id: str) -> DetectContext:
        return self._known.get(user_id, DetectContext())

    def put(self, user_id: str, hint: DetectContext) -> None:
        self._known[user_id] = hint
        self._known.move_to_end(user_id)
        if len(self._known) > MAX_HINTS:
            self._known.popitem(last=False)

    def drop(self, user_id: str) -> None:
        self._known.pop(user_id, None)


@dataclass(slots=True)
class State:
    """Parameters, hints, and what the agent says of itself."""

    parameters: Parameters
    agent_id: str
    started: datetime
    gate: Gatekeeper
    hints: Hints = field(default_factory=Hints)
    #: Analyses that are being asked for, by symbol.
    analyses: Together[MarketAnalysis | None] = field(default_factory=Together)
    interactions: int = 0


@dataclass(slots=True)
class Turn:
    """What the acts work with. They add to `degraded` what was missing."""

    context: Context[State]
    turn_id: str
    request: ChatRequest
    perception: Perception
    decision: Decision
    #: The trading gate as it was when the decision was made.
    gate: TradingGate
    degraded: set[str]

    @property
    def known(self) -> ContextAnswer:
        return self.perception.context

    @property
    def protocol(self) -> Protocol:
        return self.context.state.parameters.protocol

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.decision.parameters


@dataclass(slots=True)
class Said:
    """The answer: its text, the figures behind it, what the decision record keeps, what the user stated."""

    text: str
    data: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    week: WeekRequest | None = None
    preferences: PreferencesPatch | None = None
    #: False when something was missing: then nothing is explained either.
    computed: bool = True
