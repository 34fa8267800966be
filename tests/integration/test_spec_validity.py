"""A spec that makes no sense and got past the API server (an old definition without rules): said, and
nothing is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tools.cluster.controlplane import ControlPlane

import specs
from alluse_operator.cluster.kinds import DEPLOYMENT, POD
from apiserver import DEFINITION, ApiServer, system
from operators import OperatorProcess
from watching import Watcher

CYCLE = specs.custom(specs.component("a", "b"), specs.component("b", "a"))


def without_rules(schema: Any) -> Any:
    """The same definition without CEL."""
    if isinstance(schema, dict):
        return {k: without_rules(v) for k, v in schema.items() if k != "x-kubernetes-validations"}
    return [without_rules(each) for each in schema] if isinstance(schema, list) else schema


@pytest.fixture(scope="module")
def lax(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The bare plane, while its definition has no rules. Nobody makes pods: what is here was made by the operator."""
    api, cycle = ApiServer(control_plane), system(CYCLE)
    api.install_definition(without_rules(yaml.safe_load(Path(DEFINITION).read_text(encoding="utf-8"))))
    Watcher(api, "default").until(
        lambda: api.create(cycle, "default", dry_run=True).ok, "the API server goes by no rules any more"
    )
    yield control_plane
    api.install_definition()


@pytest.fixture(scope="module")
def operator(lax: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """It serves one namespace: systems of other tests, which nobody ends, are in others."""
    directory = tmp_path_factory.mktemp("operator")
    with OperatorProcess(lax.kubeconfig, directory, "--namespace", "default") as process:
        process.wait_until_leading()
        yield process


def test_a_cycle_is_named_and_nothing_is_made_until_it_is_gone(
    operator: OperatorProcess, lax: ControlPlane
) -> None:
    watcher = Watcher(ApiServer(lax), "default", "cycle")
    watcher.create(CYCLE)
    watcher.until(lambda: watcher.condition("SpecValid").get("status") == "False", "the spec is refused")
    assert watcher.condition("Stalled")["status"] == "True"
    assert "a" in watcher.condition("SpecValid")["message"]
    assert watcher.refs() == []
    watcher.edit({"spec": specs.chain("a", "b")})
    watcher.until(lambda: watcher.workload(DEPLOYMENT, "a"), "a is made")
    watcher.until(lambda: watcher.condition("SpecValid").get("status") == "True", "the spec is accepted")
    assert watcher.workload(DEPLOYMENT, "b") is None


def test_what_runs_is_left_alone_when_the_spec_becomes_invalid(
    operator: OperatorProcess, lax: ControlPlane
) -> None:
    watcher = Watcher(ApiServer(lax), "default", "later")
    watcher.create(specs.chain("a"))
    before = watcher.until(lambda: watcher.workload(DEPLOYMENT, "a"), "a is made")
    watcher.edit({"spec": specs.custom(specs.component("a", "nobody"))})
    watcher.until(lambda: watcher.condition("SpecValid").get("status") == "False", "the spec is refused")
    now = watcher.workload(DEPLOYMENT, "a")
    assert now is not None
    assert now["metadata"]["uid"] == before["metadata"]["uid"]


def test_a_component_that_the_kubelet_makes_ready_lets_the_next_one_start(
    operator: OperatorProcess, lax: ControlPlane
) -> None:
    """The test plays controllers and kubelet: it alone says when something is ready."""
    watcher = Watcher(ApiServer(lax), "default", "played")
    watcher.create(specs.chain("a", "b"))
    workload = watcher.until(lambda: watcher.workload(DEPLOYMENT, "a"), "a is made")
    play_ready(watcher, workload)
    watcher.until(lambda: watcher.workload(DEPLOYMENT, "b"), "b is made")
    watcher.until(lambda: watcher.component("a").get("state") == "Healthy", "the status says so")


def play_ready(watcher: Watcher, workload: dict[str, Any]) -> None:
    """One ready pod of the Deployment's present template, and the Deployment's status as its controller
    writes it.
    """
    metadata, template = workload["metadata"], workload["spec"]["template"]
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "rs",
        "uid": metadata["uid"],
        "controller": True,
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{metadata['name']}-1",
            "labels": template["metadata"]["labels"],
            "ownerReferences": [owner],
        },
        "spec": template["spec"],
    }
    path = f"/api/v1/namespaces/{watcher.namespace}/pods"
    answer = watcher.api.request("POST", path, pod)
    assert answer.ok, answer.message
    now = metadata["creationTimestamp"]
    container = template["spec"]["containers"][0]
    status = {
        "phase": "Running",
        "podIP": "127.0.0.1",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            }
        ],
    }

    watcher.patch(POD, pod["metadata"]["name"], {"status": status}, "status")  # type: ignore[index]
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
    watcher.patch(
        DEPLOYMENT,
        metadata["name"],
        {"status": {"observedGeneration": metadata["generation"], **counts}},
        "status",
    )
