"""Follow an AllUseSystem while it starts: print what changed, and say why if it does not get ready."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tools.cluster.steps import Step, duration

RESOURCE = "allusesystems.alluse.io"
_LOOK_AGAIN_SECONDS = 0.5
#: How long all components must have worked, some with something missing, before that counts as the end of a
#: start: such a state can be what the machine is like, a disk that is nearly full, and last for ever.
_WORKING_SECONDS = 20.0
#: Longer messages are cut in the running display; the table and `kubectl describe` have them whole.
_MESSAGE_WIDTH = 90

Object = Mapping[str, Any]


def is_true(status: Object, condition: str) -> bool:
    """Whether a condition of a status holds."""
    return any(c["type"] == condition and c["status"] == "True" for c in status.get("conditions", ()))


def lacking(status: Object) -> list[str] | None:
    """What is missing to components of a system that works all the same; None: it does not work (yet)."""
    components = status.get("components", ())
    if not is_true(status, "Available") or not components:
        return None
    if any(c.get("state") not in ("Healthy", "Degraded") for c in components):
        return None
    return [f"{c['name']}: {c.get('message', '')}" for c in components if c["state"] == "Degraded"]


def _cut(text: str) -> str:
    return text if len(text) <= _MESSAGE_WIDTH else f"{text[: _MESSAGE_WIDTH - 3]}..."


def changes(before: Mapping[str, str], status: Object) -> tuple[dict[str, str], list[str]]:
    """The components' states now, and a line for each that is not what it was before."""
    states = {c["name"]: c.get("state", "?") for c in status.get("components", ())}
    messages = {c["name"]: c.get("message", "") for c in status.get("components", ())}
    width = max((len(name) for name in states), default=0)
    lines = []
    for name, state in states.items():
        if before.get(name) != state:
            lines.append(f"{name:<{width}}  {state:<10}  {_cut(messages[name])}".rstrip())
    return states, lines


def table(status: Object) -> str:
    """The components as a person wants to see them, in the order of the resource's status."""
    rows = [("COMPONENT", "GROUP", "STATE", "STARTED AFTER", "MESSAGE")]
    for component in status.get("components", ()):
        after = ", ".join(
            d.get("name", "") if isinstance(d, Mapping) else str(d) for d in component.get("dependsOn", ())
        )
        rows.append(
            (
                str(component["name"]),
                str(component.get("group", "")),
                str(component.get("state", "")),
                after,
                str(component.get("message", "")),
            )
        )
    # A column that says nothing for anybody is left out.
    kept = [n for n in range(len(rows[0])) if n == 0 or any(row[n] for row in rows[1:])]
    widths = [max(len(row[n]) for row in rows) for n in kept]
    lines = ("  ".join(row[n].ljust(w) for n, w in zip(kept, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


def _get(kubectl: Sequence[str], namespace: str, name: str) -> Object | None:
    done = subprocess.run(
        [*kubectl, "--request-timeout=10s", "-n", namespace, "get", RESOURCE, name, "-o", "json"],
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        return None
    found: Object = json.loads(done.stdout)
    return found


def until_ready(
    step: Step, kubectl: Sequence[str], namespace: str, name: str, seconds: float, say: Callable[[str], None]
) -> Object:
    """The status of the resource once it is ready for its current generation; prints changes on the way.

    A system whose components all work, some with something missing, has started, too: it is said what is.
    """
    started = time.monotonic()
    working_since: float | None = None
    states: dict[str, str] = {}
    while True:
        found = _get(kubectl, namespace, name) or {}
        status: Object = found.get("status", {})
        states, lines = changes(states, status)
        passed = time.monotonic() - started
        for line in lines:
            say(f"    {passed:6.1f} s  {line}")
        current = status.get("observedGeneration") == found.get("metadata", {}).get("generation")
        if found and current and is_true(status, "Ready"):
            return status
        missing = lacking(status) if found and current else None
        working_since = None if missing is None else working_since or passed
        if missing and working_since is not None and passed - working_since > _WORKING_SECONDS:
            step.note(f"all components work, {len(missing)} of them with something missing")
            for line in missing:
                say(f"    {_cut(line)}")
            return status
        if passed > seconds:
            _dump(step, kubectl, namespace)
            why = status.get("cause") or status.get("summary") or "the operator reports no status"
            raise step.fail(f"{namespace}/{name} was not ready within {duration(seconds)}: {why}")
        time.sleep(_LOOK_AGAIN_SECONDS)


def _dump(step: Step, kubectl: Sequence[str], namespace: str) -> None:
    """Write what explains a failed start into the step's log."""
    for arguments in (
        ["describe", RESOURCE, "-n", namespace],
        ["get", "events", "-n", namespace, "--sort-by=.lastTimestamp"],
        ["get", "pods", "-n", namespace, "-o", "wide"],
        ["describe", "pods", "-n", namespace],
        ["logs", "-n", "alluse-system", "-l", "app.kubernetes.io/name=allusesystem-operator", "--tail=200"],
        ["get", "nodes", "-o", "wide"],
        ["describe", "nodes"],
        ["get", "pods", "-n", namespace, "-o", "wide"],
    ):
        step.run([*kubectl, *arguments], check=False, timeout=60)
