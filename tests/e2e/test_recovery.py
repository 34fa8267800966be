"""What fails comes back: crash, hang, nonsense, drift, and what is broken by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tools import testenv

from applications import component, pod, send_signal, system, touch
from installation import fresh_namespace
from kube import Kube, condition

SYSTEM = "heal"


@pytest.fixture(scope="module")
def running(kube: Kube, operator: str) -> Iterator[str]:
    """A system of two that runs; each test leaves it running."""
    for namespace in fresh_namespace(kube):
        kube.apply(system(SYSTEM, namespace, component("web", "api"), component("api")))
        wait_ready(kube, namespace)
        yield namespace


def wait_ready(kube: Kube, namespace: str, seconds: float = 120) -> None:
    kube.wait("2/2 ready", lambda: kube.status(SYSTEM, namespace).get("ready") == "2/2", seconds, namespace)


def restarts(pod: dict) -> int:
    return int(pod["status"]["containerStatuses"][0]["restartCount"])


def test_a_killed_component_comes_back_and_the_restart_is_seen(
    kube: Kube, cluster: testenv.Cluster, running: str
) -> None:
    before = pod(kube, SYSTEM, "api", running)
    web = pod(kube, SYSTEM, "web", running)["metadata"]["uid"]

    send_signal(cluster, before, "KILL")

    kube.wait(
        "the kubelet's restart",
        lambda: restarts(pod(kube, SYSTEM, "api", running)) > restarts(before),
        60,
        running,
    )
    wait_ready(kube, running)
    assert pod(kube, SYSTEM, "web", running)["metadata"]["uid"] == web, "a dependant was disturbed"
    kube.wait_event("ComponentUnhealthy", running)


def test_a_hanging_component_is_noticed_and_replaced(
    kube: Kube, cluster: testenv.Cluster, running: str
) -> None:
    before = pod(kube, SYSTEM, "api", running)

    send_signal(cluster, before, "STOP")

    kube.wait(
        "the watcher sees it",
        lambda: kube.component(SYSTEM, "api", running).get("state") in ("Unhealthy", "Recovering"),
        60,
        running,
    )
    kube.wait(
        "a new pod, or a new process in it",
        lambda: [p for p in kube.items("pods", running, "alluse.io/component=api") if is_new(p, before)],
        60,
        running,
    )
    wait_ready(kube, running)


def is_new(found: dict, before: dict) -> bool:
    """Whether it is another pod, or has another process: the kubelet and the operator both look after a hang."""
    same = found["metadata"]["uid"] == before["metadata"]["uid"]
    return not same or restarts(found) > restarts(before)


def test_one_that_answers_but_fails_its_deep_check_is_restarted_with_a_record(
    kube: Kube, running: str, operator: str
) -> None:
    before = pod(kube, SYSTEM, "api", running)
    touch(kube, before, "/tmp/sick")

    kube.wait(
        "the watcher sees it",
        lambda: kube.component(SYSTEM, "api", running).get("state") in ("Unhealthy", "Recovering"),
        60,
        running,
    )
    kube.wait("a new pod", lambda: pod_uids(kube, "api", running) - {before["metadata"]["uid"]}, 60, running)
    wait_ready(kube, running)
    row = kube.component(SYSTEM, "api", running)
    assert row["attempts"] >= 1
    assert row["lastAction"]["type"] == "RestartPod"
    assert row["lastAction"]["reason"]
    kube.wait_event("RecoveryAction", running)
    labels = ('action="RestartPod"', 'component="api"', f'namespace="{running}"')
    kube.wait(
        "the metric counts it",
        lambda: metric_of_leader(kube, operator, "allusesystem_recoveries_total", *labels) >= 1,
        60,
        running,
    )


def metric_of_leader(kube: Kube, operator: str, name: str, *labels: str) -> float:
    """The largest value that any replica of the operator reports for a metric with these labels."""
    values = [0.0]
    for found in kube.items("pods", operator, "app.kubernetes.io/name=allusesystem-operator"):
        path = f"/api/v1/namespaces/{operator}/pods/{found['metadata']['name']}:8080/proxy/metrics"
        for line in kube.kubectl("get", "--raw", path).splitlines():
            if line.startswith(name) and all(label in line for label in labels):
                values.append(float(line.rsplit(" ", 1)[1]))
    return max(values)


def pod_uids(kube: Kube, component: str, namespace: str) -> set[str]:
    """Of the pods that stay: one that was told to go may still be there."""
    pods = kube.items("pods", namespace, f"alluse.io/component={component}")
    return {pod["metadata"]["uid"] for pod in pods if not pod["metadata"].get("deletionTimestamp")}


def test_a_component_that_stays_sick_is_not_restarted_without_end(kube: Kube, namespace: str) -> None:
    sick = component("sick")
    sick["command"][2] = "open('/tmp/sick', 'w').close()\n" + sick["command"][2]
    sick["health"] = {**sick["health"], "periodSeconds": 2, "unhealthyAfter": 1}
    recovery = {
        "backoff": {"initialSeconds": 1, "maxSeconds": 1},
        "intensity": {"maxActions": 2, "windowSeconds": 600},
    }
    kube.apply(system("budget", namespace, sick, recovery=recovery))

    row = kube.wait(
        "the budget is used up and says so",
        lambda: (found := kube.component("budget", "sick", namespace)).get("reason") == "RecoveryBudgetExhausted" and found,
        120, namespace,
    )  # fmt: skip
    assert row["attempts"] == 2
    assert row["nextActionTime"]
    exhausted = pod_uids(kube, "sick", namespace)
    assert condition(kube.status("budget", namespace)["conditions"], "Degraded")["status"] == "True"
    kube.wait_event("RecoveryExhausted", namespace)
    assert pod_uids(kube, "sick", namespace) == exhausted


@pytest.mark.parametrize("kind", ["deployment", "service", "networkpolicy", "serviceaccount"])
def test_a_deleted_child_comes_back(kube: Kube, running: str, kind: str) -> None:
    name = f"{SYSTEM}-api"
    before = kube.get(kind, name, running)
    assert before is not None
    kube.kubectl("delete", kind, name, "-n", running, "--wait=false")

    kube.wait(
        f"a new {kind}",
        lambda: (found := kube.get(kind, name, running)) and found["metadata"]["uid"] != before["metadata"]["uid"],
        60, running,
    )  # fmt: skip
    wait_ready(kube, running)


def test_an_edited_child_is_put_right_and_what_others_added_stays(kube: Kube, running: str) -> None:
    kube.kubectl("annotate", "deployment", f"{SYSTEM}-web", "-n", running, "example.org/owner=someone")
    kube.kubectl(
        "patch", "deployment", f"{SYSTEM}-web", "-n", running, "--type=merge", "-p", '{"spec":{"replicas":3}}'
    )

    put_right = kube.wait(
        "one replica again",
        lambda: (found := kube.get("deployment", f"{SYSTEM}-web", running)) and found["spec"]["replicas"] == 1 and found,
        60, running,
    )  # fmt: skip
    assert put_right["metadata"]["annotations"]["example.org/owner"] == "someone"
    wait_ready(kube, running)


def test_one_system_does_not_disturb_another(kube: Kube, running: str, namespace: str) -> None:
    before = {name: pod_uids(kube, name, running) for name in ("web", "api")}
    kube.apply(system("bad", namespace, component("web", image="alluse/nothing:here")))
    kube.apply(system("good", namespace, component("web")))

    kube.wait(
        "good is ready beside bad",
        lambda: kube.status("good", namespace).get("ready") == "1/1",
        120,
        namespace,
    )
    named = kube.wait(
        "the bad image is named",
        lambda: (row := kube.component("bad", "web", namespace)).get("message") and "alluse/nothing:here" in row["message"] and row,
        120, namespace,
    )  # fmt: skip
    assert named["state"] != "Healthy"
    wait_ready(kube, running)
    assert {name: pod_uids(kube, name, running) for name in before} == before
