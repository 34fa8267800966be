"""A plan as JSON: whole, to be compared with another, and in outline, for people.

Two plans are the same when their descriptions are. Whole objects are named by reference and content hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.core.actions import (
    Action,
    Apply,
    Delete,
    KeepRevision,
    Recover,
    RemoveFinalizer,
    ScaleDown,
    SetFinalizer,
)
from alluse_operator.core.objects import Object, ref_of
from alluse_operator.core.plan import ComponentPlan, Plan

#: Fields that hold whole Kubernetes objects.
_OBJECTS = frozenset({"obj", "rollback"})
#: Of a plan, what it was made of and not what was decided.
_GIVEN = frozenset({"system", "identity"})


def describe(plan: Plan) -> dict[str, Any]:
    """All that was decided."""
    return {
        field.name: _plain(getattr(plan, field.name)) for field in fields(plan) if field.name not in _GIVEN
    }


def digest(description: Mapping[str, Any]) -> str:
    """A short hash that is equal for equal decisions."""
    text = json.dumps(description, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def outline(plan: Plan, now: datetime) -> dict[str, Any]:
    """What would be done now, and what waits for what until when."""
    later = [row for component in plan.components.values() for row in _later(component)]
    later.sort(key=lambda row: (row["at"] is None, row["at"] or "", row["component"]))
    return {
        "system": f"{plan.identity.namespace}/{plan.identity.name}",
        "at": now.isoformat(),
        "mode": plan.mode.value,
        "requeueAt": plan.requeue_at.isoformat() if plan.requeue_at is not None else None,
        "actions": [_action(action) for action in plan.actions],
        "later": later,
    }


def _action(action: Action) -> dict[str, Any]:
    kind, component, target, reason, message = type(action).__name__, "", "", "", ""
    match action:
        case Apply():
            component, target, reason = action.component, str(action.ref), action.reason.value
            message = f"differs in {', '.join(action.drifted[:8])}" if action.drifted else ""
        case Delete() | ScaleDown():
            component, target = action.component, str(action.ref)
        case KeepRevision():
            component, target = action.component, str(action.workload)
            message = f"kept as {ref_of(action.obj)}"
        case Recover():
            component, target = action.component, str(action.workload)
            attempt = action.attempt
            kind = attempt.action.value if attempt is not None else "Record"
            reason = attempt.reason if attempt is not None else ""
            message = f"evicts {', '.join(f'Pod/{pod.name}' for pod in action.evict)}" if action.evict else ""
        case SetFinalizer() | RemoveFinalizer():
            target = "the AllUseSystem"
    return {"type": kind, "component": component, "target": target, "reason": reason, "message": message}


def _later(component: ComponentPlan) -> list[dict[str, Any]]:
    recovery, assessment = component.recovery, component.assessment
    rows = [
        _row(component, "Create", wait.deadline, ComponentReason.WAITING_FOR_DEPENDENCIES, _wait_words(wait))
        for wait in component.waits
    ]
    if recovery.reason or recovery.next_action_at is not None:
        action = recovery.next.value if recovery.next is not None else ""
        rows.append(_row(component, action, recovery.next_action_at, recovery.reason, assessment.message))
    elif assessment.recheck_at is not None:
        rows.append(_row(component, "", assessment.recheck_at, assessment.reason, assessment.message))
    return rows


def _wait_words(wait: Any) -> str:
    return f"waits for {wait.name} to be {wait.condition.value}, which is {wait.why}"


def _row(
    component: ComponentPlan, action: str, at: datetime | None, reason: str, message: str
) -> dict[str, Any]:
    return {
        "component": component.name,
        "action": action,
        "at": at.isoformat() if at is not None else None,
        "reason": str(reason),
        "message": message,
    }


def _plain(value: Any, name: str = "") -> Any:
    """JSON values: a dataclass becomes its fields with its type's name, a set a sorted list."""
    if name in _OBJECTS and isinstance(value, Mapping):
        return _named(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if is_dataclass(value) and not isinstance(value, type):
        plain = {field.name: _plain(getattr(value, field.name), field.name) for field in fields(value)}
        return {"type": type(value).__name__, **plain}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(map(_plain, value))
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _named(obj: Object) -> dict[str, str]:
    text = json.dumps(obj, sort_keys=True, separators=(",", ":"), default=str)
    return {"ref": str(ref_of(obj)), "content": hashlib.sha256(text.encode()).hexdigest()[:16]}
