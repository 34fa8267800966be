"""The chart's life: test, upgrade with a system running, uninstall that leaves nothing."""

from __future__ import annotations

from applications import component, system
from installation import RELEASE, Release
from kube import Kube


def test_the_chart_tests_itself(kube: Kube, operator: str) -> None:
    kube.helm("test", RELEASE, "-n", operator, "--timeout=90s")


def test_an_upgrade_of_the_operator_restarts_no_component(
    kube: Kube, namespace: str, release: Release
) -> None:
    release.install()
    kube.apply(system("steady", namespace, component("web", "api"), component("api")))
    kube.wait("ready", lambda: kube.status("steady", namespace).get("ready") == "2/2", 120, namespace)
    before = {p["metadata"]["uid"] for p in kube.items("pods", namespace)}
    revision = kube.status("steady", namespace)["observedGeneration"]

    release.install("--set=logLevel=debug")

    kube.apply(system("steady", namespace, component("web", "api"), component("api"), component("new")))
    kube.wait(
        "the new operator works",
        lambda: kube.status("steady", namespace).get("ready") == "3/3",
        120,
        namespace,
    )
    assert kube.status("steady", namespace)["observedGeneration"] > revision
    assert before <= {p["metadata"]["uid"] for p in kube.items("pods", namespace)}


def test_uninstalling_with_systems_running_leaves_nothing_and_does_not_hang(
    kube: Kube, namespace: str, operator: str, release: Release
) -> None:
    kube.apply(system("last", namespace, component("web", "api"), component("api")))
    kube.wait("ready", lambda: kube.status("last", namespace).get("ready") == "2/2", 120, namespace)

    release.uninstall("--wait", "--timeout=120s")

    assert kube.items("allusesystems", namespace) == []
    kube.wait("no pod is left", lambda: not kube.items("pods", namespace), 60, namespace)
    assert (
        kube.kubectl(
            "get",
            "clusterroles,clusterrolebindings",
            "-l",
            "app.kubernetes.io/name=allusesystem-operator",
            "-o",
            "name",
        )
        == ""
    )
    assert (
        kube.kubectl(
            "get",
            "deployments,services,leases",
            "-n",
            operator,
            "-l",
            "app.kubernetes.io/name=allusesystem-operator",
            "-o",
            "name",
        )
        == ""
    )

    release.install()
    kube.apply(system("again", namespace, component("web")))
    kube.wait(
        "installed again", lambda: kube.status("again", namespace).get("ready") == "1/1", 120, namespace
    )
