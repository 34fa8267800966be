"""The chart's other ways: rights in some namespaces only, and an uninstall without a living operator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from applications import component, system
from installation import RELEASE, Release, fresh_namespace
from kube import Kube


@pytest.fixture
def other(kube: Kube, operator: str) -> Iterator[str]:
    """A namespace that is not served."""
    yield from fresh_namespace(kube)


def test_with_namespaces_only_these_are_served_and_nothing_is_cluster_wide(
    kube: Kube, namespace: str, other: str, release: Release
) -> None:
    release.install(f"--set=watchNamespaces={{{namespace}}}")
    ours = "app.kubernetes.io/name=allusesystem-operator"
    cluster_wide = kube.kubectl("get", "clusterroles,clusterrolebindings", "-l", ours, "-o", "name")
    assert cluster_wide == ""
    kube.apply(system("unserved", other, component("web")))
    kube.apply(system("served", namespace, component("web", "api"), component("api")))
    kube.wait("ready", lambda: kube.status("served", namespace).get("ready") == "2/2", 120, namespace)
    assert kube.status("unserved", other) == {}
    assert kube.items("pods", other) == []
    kube.kubectl("delete", "allusesystem", "served", "-n", namespace, "--timeout=60s")
    release.install()
    kube.wait("served now", lambda: kube.status("unserved", other).get("ready") == "1/1", 120, other)


def test_an_operator_that_is_dead_does_not_hold_the_uninstall(
    kube: Kube, namespace: str, operator: str, release: Release
) -> None:
    release.install("--set=uninstall.timeoutSeconds=10")
    kube.apply(system("orphan", namespace, component("web", "api"), component("api")))
    kube.wait("ready", lambda: kube.status("orphan", namespace).get("ready") == "2/2", 120, namespace)
    kube.kubectl("scale", "-n", operator, f"deployment/{RELEASE}", "--replicas=0")
    selector = "app.kubernetes.io/name=allusesystem-operator"
    kube.wait("the operator is gone", lambda: not kube.items("pods", operator, selector), 60, operator)

    release.uninstall("--timeout=90s")

    assert kube.items("allusesystems", namespace) == []
    kube.wait("no pod is left", lambda: not kube.items("pods", namespace), 60, namespace)
