"""What a workflow is made of: steps that ask the system and tell what is worth showing, and the requirements
that its answers meet."""

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
