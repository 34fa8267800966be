"""The system itself on the cluster: one empty spec, sixteen components."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tools import testenv

import missing_parts
from alluse.client.calls import System
from alluse.client.forwarding import Given
from alluse.client.workflows import WORKFLOWS
from alluse.contract import COMPONENTS
from alluse_operator.cli import safety
from applications import pod, send_signal
from forwards import ways
from installation import fresh_namespace
from kube import CommandError, Kube, condition, moment
from ledger_writes import Ledger

SYSTEM = "all-use"


@pytest.fixture(scope="module")
def started(kube: Kube, operator: str) -> Iterator[str]:
    """The namespace of a running ALL-USE system, made from `spec: {}`."""
    for namespace in fresh_namespace(kube):
        manifest = {
            "apiVersion": "alluse.io/v1alpha1",
            "kind": "AllUseSystem",
            "metadata": {"name": SYSTEM, "namespace": namespace},
            "spec": {},
        }
        kube.apply(manifest)
        kube.kubectl(
            "wait",
            "--for=condition=Ready",
            f"allusesystem/{SYSTEM}",
            "-n",
            namespace,
            "--timeout=180s",
            timeout=200,
        )
        # Ready does not ask for the optional one, and whoever is Degraded misses a part that came up after it.
        wait_whole(kube, namespace)
        yield namespace


def wait_whole(kube: Kube, namespace: str) -> None:
    kube.wait(
        "all sixteen are well", lambda: kube.status(SYSTEM, namespace).get("ready") == "16/16", 120, namespace
    )


def get(kube: Kube, namespace: str, component: str, path: str) -> dict:
    """A GET to a component, through the API server's proxy to its Service."""
    return json.loads(
        kube.kubectl(
            "get", "--raw", f"/api/v1/namespaces/{namespace}/services/{SYSTEM}-{component}:http/proxy{path}"
        )
    )


def test_all_sixteen_run_in_dependency_order(kube: Kube, started: str) -> None:
    def all_healthy() -> bool:
        """One that misses a part for a moment says so, and it passes."""
        status = kube.status(SYSTEM, started)
        states = {row["name"]: row["state"] for row in status["components"]}
        return status["ready"] == "16/16" and states == dict.fromkeys(COMPONENTS, "Healthy")

    kube.wait("all sixteen are Healthy", all_healthy, 120, started)
    workloads = {
        w["metadata"]["labels"]["alluse.io/component"]: w
        for w in kube.items("deployments,statefulsets", started)
    }
    for name, facts in COMPONENTS.items():
        created = moment(workloads[name]["metadata"]["creationTimestamp"])
        for dependency in facts.hard:
            assert created >= moment(
                condition(pod(kube, SYSTEM, dependency, started), "Ready")["lastTransitionTime"]
            ), (name, dependency)


def test_nothing_restarted_during_the_start(kube: Kube, started: str) -> None:
    counts = {
        p["metadata"]["name"]: p["status"]["containerStatuses"][0]["restartCount"]
        for p in kube.items("pods", started)
    }
    assert set(counts.values()) == {0}, counts


def test_claims_are_bound_for_what_keeps_state(kube: Kube, started: str) -> None:
    claims = kube.items("persistentvolumeclaims", started)
    assert {c["status"]["phase"] for c in claims} == {"Bound"}
    assert len(claims) == sum(facts.stateful for facts in COMPONENTS.values())


def test_kubectl_top_shows_the_pods(kube: Kube, started: str) -> None:
    def rows() -> list[str] | None:
        try:
            lines = kube.kubectl("top", "pods", "-n", started, "--no-headers").splitlines()
        except CommandError:  # "metrics not available yet"
            return None
        return lines if len(lines) == len(COMPONENTS) else None

    kube.wait("figures of all pods", rows, 120, started)


@pytest.mark.parametrize("name", list(COMPONENTS))
def test_each_component_says_who_it_is_and_that_it_is_well(kube: Kube, started: str, name: str) -> None:
    info, health = get(kube, started, name, "/info"), get(kube, started, name, "/health")
    assert (info["name"], info["order"], info["group"]) == (
        name,
        COMPONENTS[name].order,
        COMPONENTS[name].group,
    )
    assert health["component"] == name
    assert health["status"] in ("healthy", "degraded")


def test_the_health_monitor_sees_all_sixteen(kube: Kube, started: str) -> None:
    def swept() -> bool:
        seen = get(kube, started, "health-monitor", "/v1/health")
        well = seen["overall_status"] in ("healthy", "degraded")
        return well and set(COMPONENTS) <= set(seen["components"]) | {"health-monitor"}

    kube.wait("a sweep over all sixteen", swept, 120, started)


def test_the_printed_columns_tell_the_story(kube: Kube, started: str) -> None:
    def printed() -> list[str]:
        header, row = kube.kubectl("get", "allusesystems", "-n", started).splitlines()
        return [header] if row.split()[:4] == [SYSTEM, "16/16", "Running", "development"] else []

    [header] = kube.wait("a row that says that all is well", printed, 120, started)
    assert header.split() == ["NAME", "READY", "STATUS", "ENV", "VERSION", "CAUSE", "AGE"] or header.split()[
        :5
    ] == ["NAME", "READY", "STATUS", "ENV", "VERSION"]


def client(kube: Kube, namespace: str, *arguments: str, ends_well: bool = True) -> str:
    """The terminal client, as a person runs it; what it printed."""
    where = ["--kubectl", str(kube.kubectl_path), "--kubeconfig", str(kube.kubeconfig)]
    where += ["--namespace", namespace, "--system", SYSTEM]
    command = [sys.executable, "-m", "alluse.client", arguments[0], *where, *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 or not ends_well, done.stdout + done.stderr
    return done.stdout


def test_the_four_workflows_run_between_the_pods(kube: Kube, started: str) -> None:
    """Each step; that all of them take no longer than allowed, too, is measured on a machine that does nothing else."""
    kube.wait(
        "a system that is well by its own account",
        lambda: (
            get(kube, started, "health-monitor", "/v1/health")["overall_status"] in ("healthy", "degraded")
        ),
        120,
        started,
    )
    said = client(kube, started, "run", "all", ends_well=False)
    met = re.findall(r"(\d+) of (\d+) steps met their requirement", said)
    assert len(met) == 4, said
    assert all(passed == steps for passed, steps in met), said
    assert "FAILED" not in said


def test_a_conversation_goes_on_when_the_agents_pod_is_replaced(kube: Kube, started: str) -> None:
    client(kube, started, "chat", "--user", "survivor", "I'm moderate and I have an $80,000 account")
    before = pod(kube, SYSTEM, "enhanced-agent", started)
    kube.kubectl("delete", "pod", before["metadata"]["name"], "-n", started, "--wait=true")
    wait_for_a_pod(kube, started, "enhanced-agent")

    assert "80,000.00 USD" in client(kube, started, "chat", "--user", "survivor", "How am I doing?")


TALKED_TO = sorted({name for workflow in WORKFLOWS.values() for name in workflow.components})


@contextmanager
def held_down(kube: Kube, namespace: str, name: str) -> Iterator[None]:
    """The system without a component: the operator only watches it, and it has no pods."""
    manage(kube, namespace, [{"name": name, "management": "ObserveOnly"}])
    kube.kubectl("scale", f"deployment/{SYSTEM}-{name}", "-n", namespace, "--replicas=0")
    selector = f"alluse.io/component={name}"
    kube.kubectl("wait", "--for=delete", "pod", "-l", selector, "-n", namespace, "--timeout=30s")
    yield
    manage(kube, namespace, [])
    wait_for_a_pod(kube, namespace, name)


def wait_for_a_pod(kube: Kube, namespace: str, name: str) -> None:
    """Until a component whose pod is gone has one that is ready. Its Deployment may not know yet that it is gone."""
    kube.wait(
        f"{name} is back",
        lambda: safety.ready_pod(kube.items("pods", namespace), SYSTEM, name),
        90,
        namespace,
    )


def manage(kube: Kube, namespace: str, components: list[dict]) -> None:
    """Change the spec's components, and wait until the operator has read it."""
    patch = json.dumps({"spec": {"components": components}})
    kube.kubectl("patch", "allusesystem", SYSTEM, "-n", namespace, "--type=merge", "-p", patch)
    kube.wait(
        "the change is read",
        lambda: (
            (found := kube.get("allusesystem", SYSTEM, namespace))
            and found["status"]["observedGeneration"] == found["metadata"]["generation"]
        ),
        60,
        namespace,
    )


def test_ten_users_at_once_are_answered_and_see_only_their_own(kube: Kube, started: str) -> None:
    with ways(kube, SYSTEM, started, "enhanced-agent") as addresses:
        answered = missing_parts.ten_users(addresses["enhanced-agent"], "ten")
        assert not any(turn.body["degraded"] for turn in answered)
        missing_parts.own_figures_alone(addresses["enhanced-agent"], "own")


def test_without_a_soft_dependency_everything_passes_and_says_so(kube: Kube, started: str) -> None:
    with (
        ways(kube, SYSTEM, started, *TALKED_TO) as addresses,
        held_down(kube, started, "portfolio-optimizer"),
    ):
        system = System(Given(addresses))
        missing_parts.named_and_passed(system, addresses["enhanced-agent"], "portfolio-optimizer", "soft")


def test_without_a_hard_dependency_nothing_is_made_up(kube: Kube, started: str) -> None:
    with ways(kube, SYSTEM, started, *TALKED_TO) as addresses, held_down(kube, started, "market-analyzer"):
        missing_parts.nothing_invented(System(Given(addresses)), addresses["enhanced-agent"], "hard")


def test_a_memory_killed_while_it_writes_loses_nothing_that_it_answered(
    kube: Kube, cluster: testenv.Cluster, started: str
) -> None:
    victim = pod(kube, SYSTEM, "memory-manager", started)
    with ways(kube, SYSTEM, started, "memory-manager") as addresses:
        ledger = Ledger(addresses["memory-manager"][1])
        ledger.open()
        answered = ledger.write_until_killed(lambda: send_signal(cluster, victim, "KILL"), life=0)

    def restarted() -> bool:
        status = pod(kube, SYSTEM, "memory-manager", started)["status"]["containerStatuses"][0]
        return bool(status["restartCount"] and status["ready"])

    kube.wait("memory-manager is back", restarted, 120, started)
    with ways(kube, SYSTEM, started, "memory-manager") as addresses:
        ledger.port = addresses["memory-manager"][1]
        ledger.holds(answered)
