"""`plan` and `journal`: what the operator would do in this moment and later, and what it has decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from alluse_operator.cli.words import ahead, clock, plain, span
from alluse_operator.core.objects import Object
from alluse_operator.core.times import parse_time

#: A step that waits for dependencies: its time is a deadline, not an appointment.
_CREATE: Final = "Create"


def forecast(answer: Object, now: datetime) -> list[str]:
    """The lines of `plan` for the operator's answer."""
    at = parse_time(answer.get("at"))
    head = f"{answer.get('system', '?')}: what the operator would do now"
    lines = [f"{head} (asked {clock(at)})" if at is not None else head]
    if answer.get("mode") not in (None, "Run"):
        lines.append(f"mode {answer['mode']}: {_mode_words(str(answer['mode']))}")
    if cause := answer.get("cause"):
        lines.append(f"cause: {cause}")
    actions = list(answer.get("actions") or ())
    later = sorted(
        answer.get("later") or (), key=lambda step: (step.get("at") or "~", step.get("component", ""))
    )
    lines += [f"  {_action(action)}" for action in actions] or [f"  nothing: {_why_nothing(answer, later)}"]
    if later:
        lines.append("and later:")
        lines += [f"  {_step(step, now)}" for step in later]
    requeue = parse_time(answer.get("requeueAt"))
    lines.append(
        f"it looks again {ahead(requeue, now)}, or at the next change"
        if requeue is not None
        else "it looks again at the next change"
    )
    return [plain(line) for line in lines]


def decisions(answer: Object, now: datetime) -> list[str]:
    """The lines of `journal`: one a decision, newest first."""
    lines = []
    for record in answer.get("records") or ():
        at = parse_time(record.get("time"))
        when = f"{clock(at)} ({span(now - at)} ago)" if at is not None else "?"
        lines.append(f"{record.get('id', '?')}  {when}  {'; '.join(map(str, record.get('why') or ()))}")
    return [plain(line) for line in lines] or [
        "no decision about it is kept: nothing was out of the ordinary"
    ]


def _why_nothing(answer: Object, later: Sequence[object]) -> str:
    if later:
        return "what comes next is not due yet"
    if answer.get("mode") not in (None, "Run") or answer.get("cause"):
        return "there is nothing that it could do about it"
    return "everything is as it should be"


def _mode_words(mode: str) -> str:
    return {
        "Invalid": "the spec cannot be carried out, nothing is touched",
        "Untrusted": "what it knows is too old, nothing is touched",
        "Teardown": "the system is being deleted",
        "Gone": "the system is being deleted, nothing is left to do",
    }.get(mode, "see the reference")


def _action(action: Mapping[str, Any]) -> str:
    target = f" {action['target']}" if action.get("target") else ""
    component = f" of {action['component']}" if action.get("component") else ""
    return f"{action.get('type', '?')}{target}{component}{_because(action)}"


def _step(step: Mapping[str, Any], now: datetime) -> str:
    at = parse_time(step.get("at"))
    if step.get("action") == _CREATE:
        when = f"as soon as that holds; its deadline is {ahead(at, now)}" if at else "as soon as that holds"
    else:
        when = ahead(at, now) if at is not None else "when what it waits for has come"
    return f"{step.get('component', '?')}: {step.get('action') or 'look again'} {when}{_because(step)}"


def _because(said: Mapping[str, Any]) -> str:
    reason, message = said.get("reason") or "", said.get("message") or ""
    if reason and message:
        return f" ({reason}: {message})"
    return f" ({reason or message})" if reason or message else ""
