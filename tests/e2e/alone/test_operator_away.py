"""The operator dies or is away: the systems run on, and the next one goes on where it was."""

from __future__ import annotations

import json

from applications import component, pod, remove, system
from kube import Kube, condition


def test_an_operator_killed_in_mid_start_goes_on_where_it_was(
    kube: Kube, namespace: str, operator: str
) -> None:
    kube.apply(
        system(
            "killed",
            namespace,
            component("web", "api"),
            component("api", "store"),
            component("store", closed=True),
        )
    )
    kube.wait("store runs", lambda: kube.items("pods", namespace, "alluse.io/component=store"), 60, namespace)

    kube.kubectl(
        "delete",
        "pods",
        "-n",
        operator,
        "-l",
        "app.kubernetes.io/name=allusesystem-operator",
        "--grace-period=0",
        "--force",
        "--wait=false",
    )
    kube.wait(
        "store answers",
        lambda: pod(kube, "killed", "store", namespace)["status"]["phase"] == "Running",
        60,
        namespace,
    )
    remove(kube, pod(kube, "killed", "store", namespace), "/tmp/closed")

    kube.wait(
        "ready under the next operator",
        lambda: kube.status("killed", namespace).get("ready") == "3/3",
        120,
        namespace,
    )
    for name in ("web", "api", "store"):
        assert len(kube.items("pods", namespace, f"alluse.io/component={name}")) == 1


def test_the_system_runs_on_untouched_while_the_operator_is_away(
    kube: Kube, namespace: str, operator: str
) -> None:
    kube.apply(system("alone", namespace, component("web", "api"), component("api")))
    kube.wait("ready", lambda: kube.status("alone", namespace).get("ready") == "2/2", 120, namespace)
    before = {p["metadata"]["uid"] for p in kube.items("pods", namespace)}
    kube.kubectl("scale", "deployment", "-n", operator, "allusesystem-operator", "--replicas=0")
    try:
        kube.wait(
            "no operator",
            lambda: not kube.items("pods", operator, "app.kubernetes.io/name=allusesystem-operator"),
            60,
            namespace,
        )
        after = kube.items("pods", namespace)
        assert {p["metadata"]["uid"] for p in after} == before
        assert [condition(p, "Ready")["status"] for p in after] == ["True", "True"]
    finally:
        kube.kubectl("scale", "deployment", "-n", operator, "allusesystem-operator", "--replicas=2")
    kube.kubectl("rollout", "status", "deployment/allusesystem-operator", "-n", operator, "--timeout=60s")
    patch = json.dumps(
        {"spec": {"components": [component("web", "api"), component("api"), component("extra")]}}
    )
    kube.kubectl("patch", "allusesystem", "alone", "-n", namespace, "--type=merge", "-p", patch)
    kube.wait(
        "the next operator works",
        lambda: kube.status("alone", namespace).get("ready") == "3/3",
        120,
        namespace,
    )
    assert before <= {p["metadata"]["uid"] for p in kube.items("pods", namespace)}
