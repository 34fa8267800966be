"""The definition as people and other programs see it: explain, columns, names, status, conflicts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alluse_operator.api import names
from alluse_operator.api.status import AllUseSystemStatus
from apiserver import ApiServer, system, systems

STATUS = {
    "observedGeneration": 1,
    "conditions": [
        {
            "type": "Ready",
            "status": "Unknown",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-01-02T03:04:05Z",
            "reason": "Starting",
            "message": "14 of 16 components are ready",
        }
    ],
    "state": "Starting",
    "ready": "14/16",
    "summary": "14/16 ready, starting: market-analyzer",
    "cause": "market-analyzer: NotYetReady",
    "waiting": "enhanced-agent for market-analyzer (Healthy)",
    "environment": "development",
    "version": "1.4.0",
    "components": [
        {"name": "market-analyzer", "state": "Starting", "attempts": 0},
        {
            "name": "enhanced-agent",
            "state": "Waiting",
            "waitingFor": [
                {"name": "market-analyzer", "condition": "Healthy", "since": "2026-01-02T03:04:05Z"}
            ],
        },
    ],
    "startup": {"startedAt": "2026-01-02T03:04:05Z"},
}


@pytest.fixture
def path(api: ApiServer, namespace: str) -> str:
    """Path of a system that exists and has the status above."""
    path = f"{systems(names.API_VERSION, namespace)}/demo"
    assert api.create(system({}), namespace).ok
    answer = api.apply(f"{path}/status", _with_status(STATUS), names.STATUS_FIELD_MANAGER)
    assert answer.ok, answer.message
    return path


def _with_status(status: object) -> dict[str, Any]:
    resource = system({})
    del resource["spec"]
    return resource | {"status": status}


def test_an_empty_spec_is_filled_in_with_the_defaults_of_the_system(api: ApiServer, namespace: str) -> None:
    spec = api.create(system({}), namespace, dry_run=True).body["spec"]
    assert spec["profile"] == "WS1"
    assert spec["environment"] == "development"
    assert spec["startup"] == {"maxParallel": 16, "deadlineSeconds": 600}
    assert spec["recovery"]["backoff"] == {"initialSeconds": 1, "factor": 2, "maxSeconds": 300}
    assert spec["teardown"] == {"order": "Reverse", "deadlineSeconds": 30, "onDeadline": "Force"}


def test_a_component_is_not_filled_in_because_that_would_hide_the_layers_below(
    api: ApiServer, namespace: str
) -> None:
    written = {"name": "market-analyzer", "health": {"periodSeconds": 5}, "resources": {"limits": {"cpu": 2}}}
    staging = {"name": "staging", "components": [{"name": "market-analyzer", "health": {}}]}
    spec = api.create(
        system({"components": [written], "environments": [staging]}), namespace, dry_run=True
    ).body["spec"]
    assert spec["components"] == [{**written, "type": "Service"}]
    assert spec["environments"] == [staging]


def test_what_stands_in_the_status_is_only_written_through_its_subresource(
    api: ApiServer, namespace: str, path: str
) -> None:
    stored = api.request("GET", path).body
    assert stored["status"] == STATUS
    changed = stored | {"status": {"observedGeneration": 7}, "spec": {"environment": "test"}}
    after = api.request("PUT", path, changed).body
    assert after["status"] == STATUS
    assert after["metadata"]["generation"] == stored["metadata"]["generation"] + 1
    through_status = after | {"status": {"observedGeneration": 2}, "spec": {"environment": "production"}}
    last = api.request("PUT", f"{path}/status", through_status).body
    assert last["spec"]["environment"] == "test"
    assert last["status"]["observedGeneration"] == 2
    assert last["metadata"]["generation"] == after["metadata"]["generation"]


def test_the_status_type_and_the_stored_status_agree(api: ApiServer, path: str) -> None:
    stored = api.request("GET", path).body["status"]
    assert AllUseSystemStatus.model_validate(stored).to_json() == STATUS


@pytest.mark.parametrize(
    "broken",
    [
        {"observedGeneration": 1, "state": "Fine"},
        {"observedGeneration": 1, "conditions": [{"type": "Ready"}]},
        {"observedGeneration": 1, "components": [{"name": "a", "state": "Good"}]},
        {"observedGeneration": 1, "ready": "x" * 17},
    ],
    ids=["state", "condition", "component state", "ready"],
)
def test_a_status_that_the_type_does_not_allow_is_refused(api: ApiServer, path: str, broken: object) -> None:
    answer = api.apply(f"{path}/status", _with_status(broken), names.STATUS_FIELD_MANAGER, force=True)
    assert answer.status == 422


def test_get_shows_what_people_look_for(api: ApiServer, namespace: str, path: str) -> None:
    header, row = api.kubectl("get", names.SHORT_NAME, "-n", namespace).stdout.strip().splitlines()
    assert header.split() == ["NAME", "READY", "STATUS", "ENV", "VERSION", "CAUSE", "AGE"]
    assert row.startswith("demo   14/16   Starting   development   1.4.0     market-analyzer: NotYetReady")
    wide = api.kubectl("get", names.SINGULAR, "demo", "-n", namespace, "-o", "wide").stdout
    assert wide.splitlines()[0].split()[-2:] == ["WAITING", "MESSAGE"]
    assert "enhanced-agent for market-analyzer (Healthy)" in wide
    assert STATUS["summary"] in wide


def test_get_all_includes_systems(api: ApiServer, namespace: str, path: str) -> None:
    assert "allusesystem.alluse.io/demo" in api.kubectl("get", "all", "-n", namespace).stdout


def test_kubectl_wait_understands_the_conditions(api: ApiServer, namespace: str, path: str) -> None:
    ready = {**STATUS["conditions"][0], "status": "True", "reason": "AllComponentsReady"}  # type: ignore[index]
    changed = _with_status({**STATUS, "conditions": [ready]})
    assert api.apply(f"{path}/status", changed, names.STATUS_FIELD_MANAGER).ok
    done = api.kubectl("wait", "aus/demo", "-n", namespace, "--for=condition=Ready", "--timeout=10s")
    assert done.returncode == 0, done.stderr


def test_two_managers_share_the_list_of_components(api: ApiServer, namespace: str) -> None:
    path = f"{systems(names.API_VERSION, namespace)}/demo"

    def components(*entries: object) -> dict[str, Any]:
        return system({"components": list(entries)})

    one, other = {"name": "market-analyzer", "replicas": 2}, {"name": "position-sizer", "replicas": 3}
    assert api.apply(path, components(one), "team-one").ok
    assert api.apply(path, components(other), "team-two").ok
    both = api.request("GET", path).body["spec"]["components"]
    assert {each["name"]: each["replicas"] for each in both} == {"market-analyzer": 2, "position-sizer": 3}

    conflict = api.apply(path, components({"name": "market-analyzer", "replicas": 4}), "team-two")
    assert conflict.status == 409
    assert 'conflict with "team-one"' in conflict.message

    assert api.apply(path, components(), "team-two").ok
    left = api.request("GET", path).body["spec"]["components"]
    assert [each["name"] for each in left] == ["market-analyzer"]


def test_two_managers_share_the_edges_of_a_component(api: ApiServer, namespace: str) -> None:
    path = f"{systems(names.API_VERSION, namespace)}/demo"
    for manager, target in (("team-one", "memory-manager"), ("team-two", "config-manager")):
        edges = [{"name": target, "condition": "Started"}]
        spec = {"components": [{"name": "market-analyzer", "dependsOn": edges}]}
        assert api.apply(path, system(spec), manager).ok
    stored = api.request("GET", path).body["spec"]["components"][0]["dependsOn"]
    assert sorted(edge["name"] for edge in stored) == ["config-manager", "memory-manager"]


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("allusesystem", ["16 components", "spec", "status"]),
        ("allusesystem.spec", ["Default: WS1.", "enum: WS1, Custom", "startup", "teardown"]),
        (
            "allusesystem.spec.components",
            [
                "Default: 120. Allowed: 1 to 3600.",
                "Default: 8080.",
                "takes the place of the whole list",
                "-required-",
            ],
        ),
        (
            "allusesystem.spec.components.dependsOn",
            ["enum: Started, Healthy, Completed", "Default: Required."],
        ),
        ("allusesystem.spec.components.health", ["Default: 3.", "startup and liveness probes"]),
        ("allusesystem.spec.recovery.backoff", ["Default: 300. Allowed: 1 to 86400.", "initialSeconds"]),
        ("allusesystem.status.conditions", ["lastTransitionTime", "sentence for people"]),
    ],
)
def test_explain_reads_like_documentation(api: ApiServer, field: str, words: list[str]) -> None:
    done = api.kubectl("explain", field)
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    for word in words:
        assert word in text
    described = json.dumps(done.stdout.split("FIELDS:")[-1])
    assert "<no description>" not in described.replace("metadata\\t<ObjectMeta>", "")
