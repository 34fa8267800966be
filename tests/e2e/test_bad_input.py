"""What a person gets for a resource that cannot work: an error at `kubectl apply`, nothing half done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from applications import component, system
from installation import fresh_namespace
from kube import CommandError, Kube

WEB = component("web")
BAD = {
    "a cycle": (
        system("bad", "", component("a", "b"), component("b", "c"), component("c", "a")),
        ["a", "b", "c", "cycle"],
    ),
    "an edge to itself": (system("bad", "", component("a", "a")), ["dependsOn", "itself"]),
    "an unknown reference": (system("bad", "", component("a", "ghost")), ["ghost"]),
    "a duplicate name": (system("bad", "", WEB, WEB), ["web"]),
    "a value out of range": (system("bad", "", component("web", replicas=-1)), ["replicas"]),
    "an unknown field": (system("bad", "", component("web", replicaz=1)), ["replicaz"]),
    "an undeclared environment": (system("bad", "", WEB, environment="moon"), ["environment", "moon"]),
}


@pytest.fixture(scope="module")
def untouched(kube: Kube, operator: str) -> Iterator[str]:
    """A namespace in which nothing is ever stored."""
    yield from fresh_namespace(kube)


@pytest.mark.parametrize("case", BAD)
def test_a_bad_resource_is_refused_with_the_field_named(kube: Kube, untouched: str, case: str) -> None:
    manifest, words = BAD[case]
    manifest["metadata"]["namespace"] = untouched

    with pytest.raises(CommandError) as refused:
        kube.apply(manifest, "--validate=strict")

    for word in words:
        assert word in str(refused.value)
    assert kube.items("allusesystems", untouched) == []


def test_kubectl_explain_reads_like_documentation(kube: Kube, operator: str) -> None:
    text = kube.kubectl("explain", "allusesystem.spec.components")
    for word in ("dependsOn", "health", "replicas", "startDeadlineSeconds"):
        assert word in text
    assert "<no description>" not in text.split("FIELDS:", 1)[1]
