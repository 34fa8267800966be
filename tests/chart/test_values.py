"""Values: the schema and the defaults say the same, and what is wrong is refused with its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tools.generate import manifests

from rendering import Chart, HelmError, of_kind, only

VALUES = yaml.safe_load((manifests.CHART / "values.yaml").read_text())
SCHEMA = json.loads((manifests.CHART / "values.schema.json").read_text())

#: Maps whose keys are the user's own.
FREE = {"#/definitions/stringMap"}


def keys_of_values(values: dict[str, Any], path: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield f"{path}{key}"
        if isinstance(value, dict):
            yield from keys_of_values(value, f"{path}{key}.")


def keys_of_schema(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Every key that the schema knows; not into kinds of objects that are Kubernetes' own."""
    for key, child in schema.get("properties", {}).items():
        yield f"{path}{key}"
        if "$ref" in child and child["$ref"] not in FREE:
            child = SCHEMA["definitions"][child["$ref"].rpartition("/")[2]]
        yield from keys_of_schema(child, f"{path}{key}.")


#: Known to the schema, without a default: Helm's own, Kubernetes' own, and one that nobody sets.
WITHOUT_DEFAULT = {
    "global",
    "affinity.nodeAffinity",
    "affinity.podAffinity",
    "affinity.podAntiAffinity",
    "resources.requests.ephemeral-storage",
    "resources.limits.ephemeral-storage",
}


def test_the_schema_knows_exactly_the_values_that_there_are() -> None:
    assert set(keys_of_values(VALUES)) == set(keys_of_schema(SCHEMA)) - WITHOUT_DEFAULT


def objects_in(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for child in schema.values():
            yield from objects_in(child)


def test_every_object_of_the_schema_is_closed_or_free_on_purpose() -> None:
    open_objects = [s for s in objects_in(SCHEMA) if "additionalProperties" not in s]
    free = {"global", "nodeAffinity", "podAffinity", "podAntiAffinity"}
    assert len(open_objects) == len(free)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replica": 2}, "additional properties 'replica' not allowed"),
        ({"image": {"tagg": "1"}}, "at '/image': additional properties 'tagg' not allowed"),
        ({"image": {"tag": 1.10}}, "at '/image/tag': got number, want string"),
        ({"image": {"repository": "Alluse/Operator"}}, "at '/image/repository'"),
        ({"image": {"repository": "alluse/operator:1.0"}}, "at '/image/repository'"),
        ({"image": {"pullPolicy": "Sometimes"}}, "'Always', 'IfNotPresent', 'Never'"),
        ({"replicas": 0}, "at '/replicas': minimum: got 0, want 1"),
        ({"replicas": "two"}, "at '/replicas': got string, want integer"),
        ({"watchNamespaces": "shop"}, "at '/watchNamespaces': got string, want array"),
        ({"watchNamespaces": ["Shop"]}, "at '/watchNamespaces/0': 'Shop' does not match pattern"),
        ({"watchNamespaces": ["a", "a"]}, "at '/watchNamespaces': items at 0 and 1 are equal"),
        ({"logLevel": "loud"}, "'debug', 'info', 'warning', 'error'"),
        ({"resources": {"limits": {"memory": "much"}}}, "at '/resources/limits/memory'"),
        ({"resources": {"limits": {"gpu": 1}}}, "additional properties 'gpu' not allowed"),
        ({"podAnnotations": {"a": 1}}, "at '/podAnnotations/a': got number, want string"),
        ({"uninstall": {"timeoutSeconds": 5}}, "minimum: got 5, want 10"),
        ({"metrics": {"serviceMonitor": {"interval": "often"}}}, "at '/metrics/serviceMonitor/interval'"),
        (
            {"leaderElection": {"renewDeadlineSeconds": 15}},
            "renewDeadlineSeconds (15) must be less than leaderElection.leaseDurationSeconds (15)",
        ),
        (
            {"leaderElection": {"retryPeriodSeconds": 10}},
            "retryPeriodSeconds (10) must be less than leaderElection.renewDeadlineSeconds (10)",
        ),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_is_refused(chart: Chart, values: dict[str, Any], said: str) -> None:
    with pytest.raises(HelmError) as refused:
        chart.render(values)
    assert said in str(refused.value)


def test_one_replica_needs_neither_budget_nor_spread(chart: Chart) -> None:
    objects = chart.render({"replicas": 1})
    assert of_kind(objects, "PodDisruptionBudget") == []
    assert "topologySpreadConstraints" not in only(objects, "Deployment")["spec"]["template"]["spec"]


def test_a_service_monitor_is_made_only_where_the_cluster_knows_the_kind(chart: Chart) -> None:
    wanted = {"metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}}}
    known = "--api-versions=monitoring.coreos.com/v1/ServiceMonitor"
    assert of_kind(chart.render(wanted), "ServiceMonitor") == []
    assert of_kind(chart.render({}, known), "ServiceMonitor") == []
    monitor = only(chart.render(wanted, known), "ServiceMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    selector = monitor["spec"]["selector"]["matchLabels"]
    assert selector == only(chart.render(), "Service")["spec"]["selector"]


def test_what_can_be_left_out(chart: Chart) -> None:
    objects = chart.render({"crds": {"install": False}, "networkPolicy": {"enabled": False}})
    assert not {"CustomResourceDefinition", "NetworkPolicy"} & {obj["kind"] for obj in objects}


def test_names_follow_the_release(chart: Chart) -> None:
    objects = chart.render(release="mine")
    assert only(objects, "Deployment")["metadata"]["name"] == "mine-allusesystem-operator"
    assert only(objects, "Lease")["metadata"]["name"] == "mine-allusesystem-operator"
    assert only(objects, "ClusterRole")["metadata"]["name"] == "alluse-system:mine-allusesystem-operator"
