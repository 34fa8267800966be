"""Every way to fail, on the system itself: noticed, the cause named, the cause alone acted on, back again.

Which component is broken is drawn by a seed; a failing draw is repeated by the same seed.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tools import testenv

import drills
from alluse.contract import COMPONENTS
from alluse_operator.cli.drill import Drill
from applications import component, process_of, system
from drills import SYSTEM, Ground
from kube import Kube

SEED = 20_260_105

REQUESTED = ("wrong-answer", "hang", "slow", "flap", "out-of-memory", "not-live")
_DRAWN = random.Random(SEED).sample(sorted(set(COMPONENTS) - {"config-manager"}), len(REQUESTED) + 3)


@pytest.fixture(scope="module")
def started(kube: Kube, cluster: testenv.Cluster, operator: str) -> Iterator[Ground]:
    with drills.running(cluster, kube) as ground:
        yield ground


@pytest.fixture
def ground(started: Ground) -> Ground:
    """A system that is well, to be broken."""
    started.wait_quiet()
    return started


def noticed_and_back(ground: Ground, done: Drill) -> None:
    story = json.dumps(done.to_json(), indent=2)
    assert done.noticed_after is not None, f"not noticed\n{story}\n{ground.kube.describe(ground.namespace)}"
    assert done.recovered_after is not None, f"not back\n{story}\n{ground.kube.describe(ground.namespace)}"
    assert not done.line.acted_on_others, f"an action on a symptom\n{story}"
    assert not done.line.others_lost, f"a healthy component was disturbed\n{story}"
    causes = done.line.causes
    assert any(cause.startswith(f"{done.component} ") for cause in causes), f"the cause is not named\n{story}"
    # Who misses the broken one may say so before three checks of it have failed: as Degraded, no worse.
    others = [cause for cause in causes if not cause.startswith(f"{done.component} ")]
    assert all(cause.split()[1] == "Degraded" for cause in others), f"another cause was named\n{story}"


@pytest.mark.parametrize(("name", "signal"), [(_DRAWN[-1], "KILL"), (_DRAWN[-2], "STOP")])
def test_a_signal_from_outside(ground: Ground, name: str, signal: str) -> None:
    done = ground.break_by_signal(name, signal)
    noticed_and_back(ground, done)
    assert [action["type"] for action in done.line.actions] == [
        {"KILL": "ContainerRestart", "STOP": "RestartPod"}[signal]
    ]


@pytest.mark.parametrize(("name", "fault"), list(zip(_DRAWN, REQUESTED, strict=False)))
def test_a_component_that_breaks_itself(ground: Ground, name: str, fault: str) -> None:
    done = ground.break_by_request(name, fault)
    noticed_and_back(ground, done)
    assert done.passed, done.to_json()


def test_the_kubelets_back_off_is_never_reset(ground: Ground) -> None:
    """An exit loop: the pod stays the same, and the operator does nothing but say so."""
    name = _DRAWN[-3]
    before = ground.pod(name)
    done = ground.break_by_request(name, "exit", seconds=6)
    noticed_and_back(ground, done)
    after = ground.pod(name)
    assert after["metadata"]["uid"] == before["metadata"]["uid"], "the pod was replaced"
    assert after["status"]["containerStatuses"][0]["restartCount"] >= 2
    assert {action["type"] for action in done.line.actions} == {"ContainerRestart"}


def test_an_image_that_does_not_exist_is_named_and_undone(ground: Ground) -> None:
    name, image = "intent-detector", "alluse/nothing:here"
    change = {"spec": {"components": [{"name": name, "image": image}]}}
    patch = ("patch", "allusesystem", SYSTEM, "-n", ground.namespace, "--type=merge", "-p")
    ground.kube.kubectl(*patch, json.dumps(change))
    row = ground.kube.wait(
        "the bad image is named",
        lambda: (found := ground.kube.component(SYSTEM, name, ground.namespace)) and image in found.get("message", "") and found,
        60, ground.namespace,
    )  # fmt: skip
    assert row["state"] == "Degraded", "the pod of the old revision serves on"
    assert ground.kube.status(SYSTEM, ground.namespace)["cause"].startswith(f"{name} ")
    ground.kube.kubectl(*patch, json.dumps({"spec": {"components": None}}))
    ground.kube.kubectl(
        "rollout", "status", f"deployment/{SYSTEM}-{name}", "-n", ground.namespace, "--timeout=60s"
    )


def test_the_command_tells_the_same_story(ground: Ground) -> None:
    """`kubectl allusesystem`, as a person runs it."""
    where = ["--kubectl", str(ground.kube.kubectl_path), "--kubeconfig", str(ground.kube.kubeconfig)]
    where += ["--namespace", ground.namespace]

    def ask(*arguments: str) -> str:
        command = [sys.executable, "-m", "alluse_operator.cli", *arguments, *where]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def all_is_well() -> bool:
        said = ask("why", "enhanced-agent")
        return (
            f"{ground.namespace}/{SYSTEM}: Running, 16/16 ready" in ask("status")
            and "part by part" in said
            and "NO " not in said
            and "nothing: everything is as it should be" in ask("plan")
        )

    ground.kube.wait("status, why and plan to say that all is well", all_is_well, 120, ground.namespace)
    ground.when_a_drill_may_begin("delta-selector")
    assert "begins with a clean record" in ask("retry", "enhanced-agent")
    told = json.loads(ask("drill", "delta-selector", "--fault", "crash", "--json"))
    assert told["passed"]


def test_a_quota_that_refuses_the_pod_is_named(kube: Kube, namespace: str) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "nothing", "namespace": namespace},
        "spec": {"hard": {"pods": "0"}},
    }
    kube.apply(quota)
    kube.apply(system("full", namespace, component("web")))
    row = kube.wait(
        "the quota is named",
        lambda: (found := kube.component("full", "web", namespace)).get("reason") == "PodRefused" and found,
        60, namespace,
    )  # fmt: skip
    assert "exceeded quota: nothing" in row["message"]
    status = kube.status("full", namespace)
    assert "exceeded quota: nothing" in status["cause"]
    assert any("exceeded quota" in c["message"] for c in status["conditions"]), status["conditions"]


def test_all_sixteen_at_once_come_back_without_a_storm(ground: Ground, cluster: testenv.Cluster) -> None:
    pods = [ground.pod(name) for name in COMPONENTS]
    uids = {pod["metadata"]["uid"] for pod in pods}
    processes = [process_of(cluster, pod) for pod in pods]
    before = ground.attempts()
    with ground.kube.watch("allusesystems", ground.namespace) as told:
        cluster.node_exec(pods[0]["spec"]["nodeName"], "kill", "-KILL", *processes)
        ground.kube.wait(
            "the loss is seen",
            lambda: ground.kube.status(SYSTEM, ground.namespace)["ready"] != "16/16",
            60,
            ground.namespace,
        )
        ground.wait_well()
        ground.kube.wait(
            "a status that named the infrastructure",
            lambda: any(
                "Infrastructure" in obj.get("status", {}).get("cause", "") for _, obj, _ in list(told.events)
            ),
            60,
            ground.namespace,
        )
    assert ground.attempts() == before, "the operator acted while most of the system was down"
    assert {ground.pod(name)["metadata"]["uid"] for name in COMPONENTS} == uids, "a pod was replaced"
