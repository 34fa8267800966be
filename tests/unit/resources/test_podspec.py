"""What holds for the pod of any component, and what replaces it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_operator.api import names
from alluse_operator.api.spec import ComponentType
from alluse_operator.core.desired import Component, Dependency, EnvVar, Health, Resources, Storage
from alluse_operator.core.objects import ComponentObjects
from alluse_operator.resources import build
from alluse_operator.resources.quantity import amount
from desired_values import WEB_HEALTH, make_component, make_system

AMOUNTS = st.none() | st.sampled_from(["5m", "20m", "0.5", "2", "1Mi", "512Mi", "3Gi", "1G"])
PATHS = st.none() | st.sampled_from(["/", "/health", "/deep/check"])
COMPONENTS = st.builds(
    make_component,
    kind=st.sampled_from(ComponentType),
    catalog=st.booleans(),
    health=st.builds(Health, path=PATHS, liveness_path=PATHS, readiness_path=PATHS),
    resources=st.builds(Resources, cpu_request=AMOUNTS, memory_request=AMOUNTS),
    replicas=st.integers(1, 3),
    storage=st.none() | st.just(Storage("1Gi")),
    config=st.dictionaries(st.sampled_from(["a", "b.c"]), st.text(max_size=3)),
    start_deadline=st.integers(1, 3600).map(lambda s: timedelta(seconds=s)),
    image=st.sampled_from(["tool", "tool:1", "host.example/team/tool@sha256:" + "0" * 64]),
)


def built(component: Component) -> ComponentObjects:
    return build(make_system(component), component)


def pod(component: Component) -> dict[str, Any]:
    return dict(built(component).workload["spec"]["template"]["spec"])


def container(component: Component) -> dict[str, Any]:
    return dict(pod(component)["containers"][0])


@given(COMPONENTS)
def test_every_pod_passes_pod_security_restricted(component: Component) -> None:
    spec = pod(component)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "nodeName"} & spec.keys()
    (only,) = spec["containers"]
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {next(iter(set(v) - {"name"})) for v in spec["volumes"]} <= {"emptyDir", "configMap"}
    assert not {"hostPort", "hostIP"} & {key for port in only.get("ports", ()) for key in port}


@given(COMPONENTS)
def test_every_container_has_requests_and_limits_that_fit(component: Component) -> None:
    resources = container(component)["resources"]
    for kind in ("cpu", "memory"):
        assert 0 < amount(resources["requests"][kind]) <= amount(resources["limits"][kind])


@given(COMPONENTS)
def test_every_mount_has_its_volume_and_every_volume_its_mount(component: Component) -> None:
    workload = built(component).workload["spec"]
    claims = {claim["metadata"]["name"] for claim in workload.get("volumeClaimTemplates", ())}
    volumes = {volume["name"] for volume in workload["template"]["spec"]["volumes"]}
    mounts = [m["name"] for m in workload["template"]["spec"]["containers"][0]["volumeMounts"]]
    if component.kind is ComponentType.SERVICE:
        assert sorted(mounts) == sorted(volumes | claims)


@given(COMPONENTS)
def test_a_service_can_start_be_ready_and_is_asked_for_life_only_by_a_path(component: Component) -> None:
    found = container(component)
    if component.kind is ComponentType.JOB:
        assert not {"startupProbe", "readinessProbe", "livenessProbe", "ports"} & found.keys()
        return
    assert ("livenessProbe" in found) == (component.health.liveness_path is not None)
    startup = found["startupProbe"]
    assert startup["failureThreshold"] * startup["periodSeconds"] >= component.start_deadline.total_seconds()
    assert "httpGet" in found["readinessProbe"] or component.health.readiness_path is None


@given(COMPONENTS)
def test_the_revision_is_on_the_pod_and_on_the_workload(component: Component) -> None:
    objects = built(component)
    workload = objects.workload
    assert workload["metadata"]["annotations"][names.REVISION_ANNOTATION] == objects.revision
    assert workload["spec"]["template"]["metadata"]["labels"][names.REVISION_LABEL] == objects.revision
    assert objects == built(component)


@pytest.mark.parametrize(
    "change",
    [
        {"image": "alluse/components:1.0.1"},
        {"command": ("sh",)},
        {"args": ("-v",)},
        {"env": (EnvVar("A", "1"),)},
        {"env": (EnvVar("A", secret_name="s", secret_key="k"),)},
        {"config": {"a": "1"}},
        {"port": 9090},
        {"resources": Resources(memory_limit="1Gi")},
        {"health": Health()},
        {"stop_grace": timedelta(seconds=5)},
        {"storage": Storage("1Gi")},
        {"pull_secrets": ("login",)},
    ],
)
def test_a_change_of_what_runs_is_a_new_revision(change: dict[str, Any]) -> None:
    assert built(make_component(**change)).revision != built(make_component()).revision


@pytest.mark.parametrize(
    "change",
    [
        {"dependencies": (Dependency("db"),)},
        {"callers": frozenset({"api"})},
        {"order": 7},
        {"health": replace(WEB_HEALTH, period=timedelta(seconds=9))},
        {"env": ()},
    ],
)
def test_a_change_around_it_is_none(change: dict[str, Any]) -> None:
    assert built(make_component(**change)).revision == built(make_component()).revision


def test_scaling_between_several_replicas_replaces_no_pod() -> None:
    assert built(make_component(replicas=2)).revision == built(make_component(replicas=3)).revision


def test_a_new_version_of_the_system_leaves_a_component_with_its_own_image_alone() -> None:
    component = make_component(image="team/tool:7")
    one = build(make_system(component, version="1.0.0"), component)
    two = build(make_system(component, version="2.0.0"), component)
    assert one == two


def test_own_components_get_only_the_pods_address_beside_their_own_variables() -> None:
    component = make_component(env=(EnvVar("A", "1"), EnvVar("EMPTY", "")))
    found = container(component)["env"]
    assert [variable["name"] for variable in found] == [
        "POD_NAME",
        "POD_NAMESPACE",
        "POD_IP",
        "A",
        "EMPTY",
    ]
    assert found[-1] == {"name": "EMPTY"}


def test_a_secret_is_referred_to_and_never_copied() -> None:
    component = make_component(env=(EnvVar("TOKEN", secret_name="login", secret_key="token"),))
    assert container(component)["env"][-1] == {
        "name": "TOKEN",
        "valueFrom": {"secretKeyRef": {"name": "login", "key": "token"}},
    }


@pytest.mark.parametrize(
    ("resources", "requests", "limits"),
    [
        (Resources(), {"cpu": "20m", "memory": "48Mi"}, {"cpu": "500m", "memory": "256Mi"}),
        (
            Resources(cpu_request="2", memory_request="1024Mi"),
            {"cpu": "2", "memory": "1Gi"},
            {"cpu": "2", "memory": "1Gi"},
        ),
        (
            Resources(cpu_limit="10m", memory_limit="16Mi"),
            {"cpu": "10m", "memory": "16Mi"},
            {"cpu": "10m", "memory": "16Mi"},
        ),
    ],
    ids=["nothing said", "large requests raise the limits", "small limits lower the requests"],
)
def test_defaults_give_way(resources: Resources, requests: dict[str, str], limits: dict[str, str]) -> None:
    assert container(make_component(resources=resources))["resources"] == {
        "requests": requests,
        "limits": limits,
    }


def test_what_is_built_for_whom() -> None:
    def kinds(**fields: Any) -> list[str]:
        return [obj["kind"] for obj in built(make_component(**fields)).all]

    assert kinds() == ["ServiceAccount", "Service", "NetworkPolicy", "Deployment"]
    assert kinds(catalog=True) == ["ServiceAccount", "ConfigMap", "Service", "NetworkPolicy", "Deployment"]
    assert kinds(storage=Storage("1Gi"))[-1] == "StatefulSet"
    assert kinds(replicas=2)[-2:] == ["PodDisruptionBudget", "Deployment"]
    assert kinds(kind=ComponentType.JOB) == ["ServiceAccount", "NetworkPolicy", "Job"]
