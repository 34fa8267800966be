"""Values: the schema and the defaults say the same, and what is wrong is refused with its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tools.generate import manifests, monitoring

from alluse_operator.cluster.alerting.configuration import parse
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


WEBHOOK = {
    "type": "webhook",
    "url": "https://hooks.example.com/alluse",
    "hmacSecret": {"name": "on-call", "key": "hmac"},
}

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
        ({"alerts": {"sinks": {"log": WEBHOOK}}}, "invalid propertyName 'log'"),
        ({"alerts": {"sinks": {"On_Call": WEBHOOK}}}, "invalid propertyName 'On_Call'"),
        ({"alerts": {"sinks": {"a": {**WEBHOOK, "hmac": "x"}}}}, "additional properties 'hmac' not allowed"),
        ({"alerts": {"sinks": {"a": {**WEBHOOK, "type": "mail"}}}}, "'webhook', 'alertmanager', 'apprise'"),
        ({"alerts": {"sinks": {"a": {**WEBHOOK, "url": "http://u:p@x"}}}}, "at '/alerts/sinks/a/url'"),
        (
            {"alerts": {"sinks": {"a": {"type": "webhook", "url": "https://x"}}}},
            "missing property 'hmacSecret'",
        ),
        ({"alerts": {"sinks": {"a": {"type": "alertmanager"}}}}, "at '/alerts/sinks/a'"),
        (
            {"alerts": {"sinks": {"a": {"type": "apprise", "url": "https://x"}}}},
            "missing property 'urlSecret'",
        ),
        ({"alerts": {"sinks": {"a": {**WEBHOOK, "hmacSecret": {"name": "s"}}}}}, "missing property 'key'"),
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


MONITORED = (
    "--api-versions=monitoring.coreos.com/v1/ServiceMonitor",
    "--api-versions=monitoring.coreos.com/v1/PrometheusRule",
)
#: Another value than the default for each that there is.
ANOTHER: dict[str, Any] = {
    "image.repository": "example/operator",
    "image.tag": "9",
    "image.pullPolicy": "Always",
    "image.pullSecrets": ["login"],
    "componentImage.repository": "example/components",
    "componentImage.tag": "9",
    "replicas": 3,
    "watchNamespaces": ["shop"],
    "logLevel": "debug",
    "leaderElection.leaseDurationSeconds": 20,
    "leaderElection.renewDeadlineSeconds": 9,
    "leaderElection.retryPeriodSeconds": 3,
    "resources.requests.cpu": "150m",
    "resources.requests.memory": "200Mi",
    "resources.limits.cpu": "2",
    "resources.limits.memory": "1Gi",
    "alerts.sinks": {"on-call": WEBHOOK},
    "serviceAccount.annotations": {"a": "b"},
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"a": "b"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "metrics.service.port": 9090,
    "metrics.service.annotations": {"a": "b"},
    "metrics.serviceMonitor.enabled": True,
    "metrics.serviceMonitor.interval": "15s",
    "metrics.serviceMonitor.labels": {"a": "b"},
    "metrics.prometheusRule.enabled": True,
    "metrics.prometheusRule.labels": {"a": "b"},
    "networkPolicy.enabled": False,
    "crds.install": False,
    "uninstall.timeoutSeconds": 60,
}


def nested(path: str, value: Any) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def test_every_value_has_another() -> None:
    every = set(keys_of_values(VALUES))
    assert {key for key in every if not any(other.startswith(f"{key}.") for other in every)} == set(ANOTHER)


@pytest.mark.parametrize("path", ANOTHER)
def test_every_value_does_something(chart: Chart, path: str) -> None:
    parent, _, last = path.rpartition(".")
    # What is said of a monitor or a rule has an effect where there is one.
    needs = {"enabled": True} if last in ("interval", "labels") else {}
    before = nested(parent, needs) if needs else {}
    after = nested(parent, {**needs, last: ANOTHER[path]}) if parent else {last: ANOTHER[path]}
    assert chart.render(after, *MONITORED) != chart.render(before, *MONITORED)


def test_every_group_of_values_begins_with_a_comment() -> None:
    text = (manifests.CHART / "values.yaml").read_text()
    assert [group for group in text.split("\n\n") if not group.startswith("#")] == []


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


def test_the_alerting_rules_are_installed_only_where_the_cluster_knows_the_kind(chart: Chart) -> None:
    wanted = {"metrics": {"prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}}}}
    known = "--api-versions=monitoring.coreos.com/v1/PrometheusRule"
    assert of_kind(chart.render(wanted), "PrometheusRule") == []
    assert of_kind(chart.render({}, known), "PrometheusRule") == []
    rule = only(chart.render(wanted, known), "PrometheusRule")
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    assert rule["spec"] == monitoring.rule_groups()


def test_the_notes_name_the_kind_that_the_cluster_does_not_know(chart: Chart) -> None:
    assert "NOTE" not in chart.notes({})
    for value, kind in (("serviceMonitor", "ServiceMonitor"), ("prometheusRule", "PrometheusRule")):
        said = chart.notes({"metrics": {value: {"enabled": True}}})
        assert f"metrics.{value}.enabled is set, but this cluster does not know the kind {kind}" in said


def test_sinks_become_a_file_of_addresses_and_files_of_secrets(chart: Chart) -> None:
    sinks = {
        "on-call": {**WEBHOOK, "tokenSecret": {"name": "on-call", "key": "bearer"}},
        "manager": {"type": "alertmanager", "url": "http://alertmanager.monitoring:9093"},
        "people": {"type": "apprise", "urlSecret": {"name": "people", "key": "channel.url"}},
    }
    objects = chart.render({"alerts": {"sinks": sinks}})
    file = next(o for o in of_kind(objects, "ConfigMap") if o["metadata"]["name"].endswith("-alerts"))
    said = {sink.name: sink for sink in parse(file["data"]["sinks.json"], "sinks.json")}
    assert said.keys() == sinks.keys()
    template = only(objects, "Deployment")["spec"]["template"]
    pod, [container] = template["spec"], template["spec"]["containers"]
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert environment["ALLUSE_OPERATOR_ALERT_SINKS"] == f"{mounts['alerts']['mountPath']}/sinks.json"
    assert volumes["alerts"]["configMap"]["name"] == file["metadata"]["name"]
    mounted = {
        (source["secret"]["name"], item["key"]): f"{mounts['alert-secrets']['mountPath']}/{item['path']}"
        for source in volumes["alert-secrets"]["projected"]["sources"]
        for item in source["secret"]["items"]
    }
    assert mounted == {
        ("on-call", "hmac"): str(said["on-call"].hmac_key_file),
        ("on-call", "bearer"): str(said["on-call"].token_file),
        ("people", "channel.url"): str(said["people"].url_file),
    }
    assert all(source["secret"]["optional"] for source in volumes["alert-secrets"]["projected"]["sources"])
    other = chart.render({"alerts": {"sinks": {"manager": sinks["manager"]}}})
    changed = only(other, "Deployment")["spec"]["template"]
    name = "checksum/alert-sinks"
    assert changed["metadata"]["annotations"][name] != template["metadata"]["annotations"][name]
    assert "alert-secrets" not in {volume["name"] for volume in changed["spec"]["volumes"]}


def test_what_can_be_left_out(chart: Chart) -> None:
    objects = chart.render({"crds": {"install": False}, "networkPolicy": {"enabled": False}})
    assert not {"CustomResourceDefinition", "NetworkPolicy"} & {obj["kind"] for obj in objects}


def test_names_follow_the_release(chart: Chart) -> None:
    objects = chart.render(release="mine")
    assert only(objects, "Deployment")["metadata"]["name"] == "mine-allusesystem-operator"
    assert only(objects, "Lease")["metadata"]["name"] == "mine-allusesystem-operator"
    assert only(objects, "ClusterRole")["metadata"]["name"] == "alluse-system:mine-allusesystem-operator"
