"""`drill COMPONENT --fault …`: break a component on purpose, and measure who notices and when it is back.

A drill refuses where it could hurt: outside of a test environment, while the system is not Ready, while
anything is under recovery, or where the loss of one component would go past the system's budget.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from alluse.client.errors import ClientError, ConnectError, UsageError
from alluse.contract import ENV_FAULTS, FAULTS_ENABLED, PORT
from alluse_operator.api.names import COMPONENT_LABEL, SYSTEM_LABEL
from alluse_operator.cli.faults import Cure, Fault
from alluse_operator.cli.picture import Picture
from alluse_operator.cli.safety import ready_pod
from alluse_operator.cli.timeline import Timeline, pods_of
from alluse_operator.cli.transport import Change, Cluster, Port
from alluse_operator.cli.words import plain
from alluse_operator.core.objects import Object, labels, mapping_at, metadata

PATH: Final = "/admin/fault"
#: Both watches must have told what there is before anything is broken.
_FIRST_WORD_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Drill:
    """One finished drill. Times are seconds after the fault."""

    component: str
    fault: Fault
    line: Timeline
    ended_by_us: float | None
    """When the drill itself ended the fault; None: it did not."""
    waited: float

    @property
    def noticed_after(self) -> float | None:
        return self.line.noticed.seconds if self.line.noticed is not None else None

    @property
    def recovered_after(self) -> float | None:
        return self.line.recovered

    @property
    def passed(self) -> bool:
        """Noticed, back again, nothing else touched, and no restart where none may be."""
        restarted = self.fault.cure is Cure.END and bool(self.line.actions)
        return (
            self.recovered_after is not None
            and not self.line.acted_on_others
            and not self.line.others_lost
            and not restarted
        )

    def to_json(self) -> dict[str, Any]:
        """The result for programs."""
        noticed = self.line.noticed
        return {
            "component": self.component,
            "fault": self.fault.name,
            "passed": self.passed,
            "noticedAfterSeconds": _rounded(self.noticed_after),
            "noticedAs": {"state": noticed.state, "reason": noticed.reason, "message": noticed.message}
            if noticed is not None
            else None,
            "unreadyAfterSeconds": _rounded(self.line.unready),
            "readyAgainAfterSeconds": _rounded(self.line.ready),
            "recoveredAfterSeconds": _rounded(self.recovered_after),
            "faultEndedAfterSeconds": _rounded(self.ended_by_us),
            "actions": list(self.line.actions),
            "causes": self.line.causes,
            "states": [
                {"afterSeconds": _rounded(seen.seconds), "state": seen.state, "reason": seen.reason}
                for seen in self.line.sightings
            ],
            "actedOnOthers": self.line.acted_on_others,
            "othersDisturbed": self.line.others_lost,
        }


class Breaker(Protocol):
    """How a component is broken, and how that is ended before its time."""

    def start(self) -> None:
        """Break it. Raises ClientError."""

    def end(self) -> None:
        """End the fault where it still can be; silent where it cannot."""


@dataclass(slots=True)
class Asked:
    """The component breaks itself: it is asked through a forwarded port of its pod."""

    cluster: Cluster
    system: str
    component: str
    fault: Fault
    seconds: int
    port: Port

    def start(self) -> None:
        status, answer = self.port.ask("POST", PATH, {**self.fault.request, "seconds": self.seconds})
        if not 200 <= status < 300:
            raise _refused(self.component, status, answer)

    def end(self) -> None:
        """Asked of the pod that it has now: the one that was broken may be gone."""
        pods = self.cluster.items("pods", f"--selector={SYSTEM_LABEL}={self.system}")
        if (pod := ready_pod(pods, self.system, self.component)) is None:
            return
        with suppress(ClientError), self.cluster.port(str(metadata(pod)["name"]), PORT) as port:
            port.ask("POST", PATH, {"fault": "clear"}, timeout_s=2.0)


def run(
    cluster: Cluster, picture: Picture, pod: Object, fault: Fault, seconds: int, timeout_s: float,
    say: Callable[[str], None],
) -> Drill:  # fmt: skip
    """Let the component break itself and follow it. Raises ClientError.

    `picture` and `pod` are those that `refusal` had nothing against.
    """
    name = labels(pod)[COMPONENT_LABEL]
    with cluster.port(str(metadata(pod)["name"]), PORT) as port:
        breaker = Asked(cluster, picture.name, name, fault, seconds, port)
        say(f"{fault.name}: {fault.about}; asked of pod {metadata(pod)['name']}")
        return follow(cluster, picture, name, fault, breaker, timeout_s, say)


def follow(
    cluster: Cluster, picture: Picture, name: str, fault: Fault, breaker: Breaker, timeout_s: float,
    say: Callable[[str], None],
) -> Drill:  # fmt: skip
    """Break the component and follow it until it is back for good, or `timeout_s` have passed.

    Raises ClientError.
    """
    changes: queue.SimpleQueue[Change] = queue.SimpleQueue()
    pods = f"--selector={SYSTEM_LABEL}={picture.name}"
    with (
        cluster.watch("allusesystems.alluse.io", picture.name, told=changes.put),
        cluster.watch("pods", pods, told=changes.put),
    ):
        _first_words(changes)
        before = pods_of(cluster.items("pods", pods))
        # Counted from before it is broken: nothing that comes of it can be earlier.
        line = Timeline(name, time.monotonic(), _raw_rows(picture.resource), before)
        breaker.start()
        ended = None
        try:
            while (now := time.monotonic() - line.began) < timeout_s and not _over(line, fault, now):
                told = len(line.sightings)
                with suppress(queue.Empty):
                    line.feed(changes.get(timeout=0.2))
                for seen in line.sightings[told:]:
                    say(_sighting_words(seen.seconds, seen.state, seen.reason, seen.action))
                if fault.cure is Cure.END and line.noticed is not None and ended is None:
                    breaker.end()
                    ended = time.monotonic() - line.began
                    say(f"{ended:6.1f} s  the drill ends the fault")
        finally:
            if line.recovered is None:
                breaker.end()
    return Drill(name, fault, line, ended, now)


def _over(line: Timeline, fault: Fault, now: float) -> bool:
    """Whether the component is back for good."""
    return line.recovered is not None and now - line.recovered >= fault.steady


def report(drill: Drill) -> list[str]:
    """The result for people."""
    line = drill.line
    noticed = line.noticed
    lines = [f"{drill.component}, {drill.fault.name}: {'passed' if drill.passed else 'FAILED'}"]
    if noticed is None:
        lines.append(f"  not noticed within {drill.waited:.0f} s")
    else:
        lines.append(f"  noticed after    {noticed.seconds:5.1f} s  as {noticed.state} ({noticed.reason})")
    if line.unready is not None:
        lines.append(f"  pod not ready    {line.unready:5.1f} s")
    if line.ready is not None:
        lines.append(f"  pod ready again  {line.ready:5.1f} s")
    if drill.ended_by_us is not None:
        lines.append(f"  fault ended      {drill.ended_by_us:5.1f} s  by the drill")
    if drill.recovered_after is not None:
        lines.append(f"  recovered after  {drill.recovered_after:5.1f} s")
    else:
        lines.append(f"  not recovered within {drill.waited:.0f} s; the fault was ended where it could be")
    done = [f"{action.get('type')} ({action.get('reason')})" for action in line.actions]
    lines.append(f"  done about it    {', '.join(done) or 'nothing'}")
    if line.causes:
        lines.append(f"  cause            {line.causes[0]}")
    touched = {**line.others_lost, **line.acted_on_others}
    others = "; ".join(f"{name}: {what}" for name, what in touched.items())
    lines.append(f"  others           {others or 'none was touched'}")
    return [plain(line) for line in lines]


def _first_words(changes: queue.SimpleQueue[Change]) -> None:
    """Wait until both watches have told something."""
    kinds: set[str] = set()
    deadline = time.monotonic() + _FIRST_WORD_S
    while len(kinds) < 2:
        try:
            kinds.add(str(changes.get(timeout=max(0.0, deadline - time.monotonic())).obj.get("kind")))
        except queue.Empty:
            raise ConnectError(
                f"kubectl told nothing of the system or its pods within {_FIRST_WORD_S:.0f} s",
                "May you watch allusesystems and pods? kubectl auth can-i watch pods",
            ) from None


def _raw_rows(resource: Object) -> dict[str, Mapping[str, Any]]:
    return {str(row.get("name")): row for row in mapping_at(resource, "status").get("components") or ()}


def _refused(name: str, status: int, answer: Object) -> ClientError:
    detail = answer.get("detail") or answer.get("title") or "no reason given"
    if status == 404:
        return UsageError(
            f"{name} cannot be broken: it has no {PATH}",
            f"It has it in the environment test, or with {ENV_FAULTS}={FAULTS_ENABLED}.",
        )
    return ConnectError(f"{name} answers {status} to {PATH}: {detail}", "Try another fault.")


def _sighting_words(seconds: float, state: str, reason: str, action: str) -> str:
    said = f"{state} ({reason})" if reason and reason != state else state
    return f"{seconds:6.1f} s  {said}{f', after {action}' if action else ''}"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
