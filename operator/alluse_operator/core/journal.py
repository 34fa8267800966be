"""The journal of decisions: which are worth keeping, what is kept of each, and how many.

A record holds all that the planner was given and what it made of it, so that the decision can be made again
(`alluse_operator.replay`). Secrets are not in it: components refer to them, and the operator never reads
them.
"""

from __future__ import annotations

import json
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from alluse_operator.api.status import ComponentState
from alluse_operator.core import observation, outline
from alluse_operator.core.actions import Delete, KeepRevision, Recover
from alluse_operator.core.desired import Defaults
from alluse_operator.core.observation import Observation
from alluse_operator.core.plan import Mode, Plan

#: Version of the records' shape.
FORMAT = 1
#: What a journal holds at most: records, and bytes of them as they are kept (compressed).
MOST_RECORDS = 256
MOST_BYTES = 4 * 1024 * 1024

_TROUBLED = frozenset(
    {
        ComponentState.BLOCKED,
        ComponentState.DEGRADED,
        ComponentState.FAILED,
        ComponentState.RECOVERING,
        ComponentState.STOPPED,
        ComponentState.UNHEALTHY,
        ComponentState.UNKNOWN,
    }
)

#: What was wrong: component -> state, reason, causes, and what recovery says.
Troubles = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Before:
    """What the pass before had decided, as far as the next one is compared with it."""

    mode: Mode = Mode.RUN
    troubles: Troubles = field(default_factory=dict)


def troubles(plan: Plan) -> Troubles:
    """What is wrong in a plan, without what changes by itself with the time."""
    return {
        name: (
            component.assessment.state.value,
            component.assessment.reason,
            ",".join(component.causes),
            component.recovery.reason,
        )
        for name, component in plan.components.items()
        if component.assessment.state in _TROUBLED
    }


def reasons(plan: Plan, before: Before) -> list[str]:
    """Why a decision is worth keeping; empty: it is not. Starting, and putting drift right, is routine."""
    found = []
    if plan.mode is not before.mode:
        found.append(f"mode {before.mode} -> {plan.mode}")
    now = troubles(plan)
    found += [
        f"{name}: {_words(before.troubles.get(name))} -> {_words(now.get(name))}"
        for name in sorted({*now, *before.troubles})
        if now.get(name) != before.troubles.get(name)
    ]
    for action in plan.actions:
        match action:
            case Recover():
                kind = action.attempt.action.value if action.attempt is not None else "record"
                found.append(f"{kind} of {action.component}" + (" goes on" if action.resume else ""))
            case KeepRevision() | Delete():
                found.append(f"{type(action).__name__} of {action.component}")
    return found


def _words(trouble: tuple[str, ...] | None) -> str:
    return " ".join(filter(None, trouble)) if trouble is not None else "well"


def make_record(
    number: int,
    why: list[str],
    given: Observation,
    defaults: Defaults,
    plan: Plan,
    now: datetime,
    version: str,
) -> dict[str, Any]:
    """One record; `version` is the operator's own."""
    described = outline.describe(plan)
    return {
        "format": FORMAT,
        "id": str(number),
        "time": now.isoformat(),
        "system": f"{plan.identity.namespace}/{plan.identity.name}",
        "version": version,
        "why": why,
        "digest": outline.digest(described),
        "outline": outline.outline(plan, now),
        "defaults": {
            "componentImage": defaults.component_image,
            "version": defaults.version,
            "operatorNamespace": defaults.operator_namespace,
        },
        "inputs": observation.encode(given),
        "plan": described,
    }


def summary(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without what is large."""
    return {name: record[name] for name in ("id", "time", "system", "why", "digest")}


@dataclass(frozen=True, slots=True)
class _Kept:
    summary: Mapping[str, Any]
    packed: bytes
    size: int


class Ring:
    """The latest records; the oldest make room."""

    def __init__(self, most_records: int = MOST_RECORDS, most_bytes: int = MOST_BYTES) -> None:
        self._most_records = most_records
        self._most_bytes = most_bytes
        self._kept: deque[_Kept] = deque()
        self.size = 0
        """Bytes that are held."""

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, record: Mapping[str, Any]) -> bool:
        """False: it alone is larger than all that is held at most, and was left out."""
        packed = zlib.compress(json.dumps(record, separators=(",", ":")).encode(), 1)
        short = summary(record)
        size = len(packed) + len(json.dumps(short))
        if size > self._most_bytes:
            return False
        self._kept.append(_Kept(short, packed, size))
        self.size += size
        while len(self._kept) > self._most_records or self.size > self._most_bytes:
            self.size -= self._kept.popleft().size
        return True

    def summaries(self, system: str = "") -> Iterator[Mapping[str, Any]]:
        """Newest first; of one system (`namespace/name`) or of all."""
        for kept in reversed(self._kept):
            if system in ("", kept.summary["system"]):
                yield kept.summary

    def get(self, number: str) -> Any:
        """A whole record by its id, or None."""
        for kept in self._kept:
            if kept.summary["id"] == number:
                return json.loads(zlib.decompress(kept.packed))
        return None
