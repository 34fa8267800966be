"""Breaking the components of a running ALL-USE system, and following what becomes of it.

The following is that of `kubectl allusesystem drill`; besides what a component does to itself on request,
it is broken by signals from its node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tools import testenv

from alluse.client.forwarding import Place
from alluse.contract import COMPONENTS
from alluse_operator.cli import drill, safety
from alluse_operator.cli.drill import Drill
from alluse_operator.cli.faults import FAULTS, Cure, Fault
from alluse_operator.cli.picture import Picture, read
from alluse_operator.cli.transport import Cluster
from alluse_operator.core import history
from applications import process_of
from installation import fresh_namespace
from kube import Kube, Object, condition

SYSTEM = "all-use"
READY_SECONDS = 300
#: How long a system must have been well to be quiet: who has just come back may still be missed by another.
QUIET = timedelta(seconds=3)
#: Faults by a signal from outside, which no code of the component can soften.
SIGNALS = {
    "KILL": Fault("kill -9", "its process is killed", {}, 0, Cure.RESTART),
    "STOP": Fault("SIGSTOP", "its process is stopped", {}, 0, Cure.RESTART),
}


@dataclass(slots=True)
class Signalled:
    """A signal to the first process of the component's container."""

    cluster: testenv.Cluster
    pod: Object
    signal: str
    process: str = field(init=False)

    def __post_init__(self) -> None:
        self.process = process_of(self.cluster, self.pod)

    def start(self) -> None:
        self.cluster.node_exec(self.pod["spec"]["nodeName"], "kill", f"-{self.signal}", self.process)

    def end(self) -> None:
        """A killed process is gone, and a stopped one is for others to find."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A running ALL-USE system in the environment test."""

    cluster: testenv.Cluster
    kube: Kube
    namespace: str

    @property
    def place(self) -> Place:
        return Place("", str(self.kube.kubeconfig), self.namespace, SYSTEM, str(self.kube.kubectl_path))

    def picture(self) -> Picture:
        system = self.kube.get("allusesystem", SYSTEM, self.namespace)
        assert system is not None
        return read(system, datetime.now(UTC))

    def pod(self, name: str) -> Object:
        pods = self.kube.items("pods", self.namespace)
        found = safety.ready_pod(pods, SYSTEM, name)
        assert found is not None, f"{name} has no ready pod\n{self.kube.describe(self.namespace)}"
        return dict(found)

    def wait_quiet(self, seconds: float = 180) -> None:
        """Until the system is Ready and everything has been Healthy for some seconds."""
        self._wait_states({"Healthy"}, seconds, QUIET)

    def wait_well(self, seconds: float = 180) -> None:
        """Until the system is Ready and everything works, if with something missing yet."""
        self._wait_states({"Healthy", "Degraded"}, seconds, timedelta())

    def _wait_states(self, states: set[str], seconds: float, lasting: timedelta) -> None:
        def reached() -> bool:
            shown, now = self.picture(), datetime.now(UTC)
            there = [row for row in shown.rows.values() if row.state in states]
            last = all(row.since is not None and now - row.since >= lasting for row in there)
            return shown.holds("Ready") and len(there) == len(COMPONENTS) and last

        self.kube.wait(f"a system that is {' or '.join(sorted(states))}", reached, seconds, self.namespace)

    def when_a_drill_may_begin(self, name: str) -> tuple[Picture, Object]:
        """Somebody may still miss a part that an earlier drill broke."""
        seen: list[tuple[Picture, Object]] = []

        def allowed() -> bool:
            seen.append((self.picture(), self.pod(name)))
            return safety.refusal(seen[-1][0], name, seen[-1][1]) is None

        self.kube.wait("that a drill may begin", allowed, 60, self.namespace)
        return seen[-1]

    def break_by_request(self, name: str, fault: str, *, seconds: int = 0, timeout: float = 120) -> Drill:
        """Let the component break itself, and follow it until it is back."""
        chosen = FAULTS[fault]
        shown, pod = self.when_a_drill_may_begin(name)
        return drill.run(Cluster(self.place), shown, pod, chosen, seconds or chosen.seconds, timeout, _silent)

    def break_by_signal(self, name: str, signal: str, *, timeout: float = 120) -> Drill:
        """Send a signal to the component, and follow it until it is back."""
        breaker = Signalled(self.cluster, self.pod(name), signal)
        return drill.follow(
            Cluster(self.place), self.picture(), name, SIGNALS[signal], breaker, timeout, _silent
        )

    def attempts(self) -> dict[str, tuple[history.Attempt, ...]]:
        """Component -> recovery attempts that the operator has recorded on its workload."""
        workloads = self.kube.items("deployments,statefulsets", self.namespace)
        return {
            workload["metadata"]["labels"]["alluse.io/component"]: found
            for workload in workloads
            if (
                found := history.parse(
                    workload["metadata"].get("annotations", {}).get("alluse.io/recovery", "")
                )
            )
        }


def _silent(_: str) -> None:
    """Nobody reads along."""


def manifest(namespace: str, **spec: Any) -> Object:
    """ALL-USE in the environment in which components may be broken."""
    return {
        "apiVersion": "alluse.io/v1alpha1",
        "kind": "AllUseSystem",
        "metadata": {"name": SYSTEM, "namespace": namespace},
        "spec": {"environment": "test", **spec},
    }


@contextmanager
def running(
    cluster: testenv.Cluster, kube: Kube, told: Callable[[Ground], None] = lambda _: None, **spec: Any
) -> Iterator[Ground]:
    """ALL-USE, started in a namespace of its own. `told` is called when the namespace is there."""
    for namespace in fresh_namespace(kube):
        ground = Ground(cluster, kube, namespace)
        told(ground)
        kube.apply(manifest(namespace, **spec))
        kube.kubectl(
            "wait", "--for=condition=Ready", f"allusesystem/{SYSTEM}", "-n", namespace,
            f"--timeout={READY_SECONDS}s", timeout=READY_SECONDS + 20,
        )  # fmt: skip
        ground.wait_quiet()
        yield ground


def ready_components(pods: list[Object]) -> set[str]:
    """Components with a pod that is ready and stays."""
    return {
        pod["metadata"]["labels"].get("alluse.io/component", "")
        for pod in pods
        if condition(pod, "Ready").get("status") == "True" and not pod["metadata"].get("deletionTimestamp")
    }
