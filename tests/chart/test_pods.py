"""The pods of the release, its hooks and its test under Pod Security "restricted", with limits."""

from __future__ import annotations

from typing import Any

import pytest

from rendering import Chart, only, pod_specs

PODS = [
    "Deployment/allusesystem-operator",
    "Job/allusesystem-operator-cleanup",
    "Pod/allusesystem-operator-test",
]


@pytest.mark.parametrize("name", PODS)
def test_restricted(chart: Chart, name: str) -> None:
    specs = pod_specs(chart.render())
    assert sorted(specs) == sorted(PODS)
    spec = specs[name]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (
        set(container["resources"]["requests"]) == set(container["resources"]["limits"]) == {"cpu", "memory"}
    )
    assert all("emptyDir" in volume for volume in spec.get("volumes", ()))


def test_a_token_is_mounted_only_where_the_api_server_is_spoken_to(chart: Chart) -> None:
    objects = chart.render()
    mounted = {name: spec["automountServiceAccountToken"] for name, spec in pod_specs(objects).items()}
    assert mounted == dict(zip(PODS, (True, True, False), strict=True))
    assert all(o["automountServiceAccountToken"] is False for o in objects if o["kind"] == "ServiceAccount")


def test_neither_the_hook_nor_the_test_is_behind_the_operators_service(chart: Chart) -> None:
    objects = chart.render()
    selector = only(objects, "Service")["spec"]["selector"].items()
    for obj in objects:
        pod = obj["spec"].get("template", obj) if obj["kind"] in ("Job", "Deployment", "Pod") else None
        if pod is not None:
            assert (selector <= pod["metadata"]["labels"].items()) == (obj["kind"] == "Deployment")


def environment(objects: list[dict[str, Any]]) -> dict[str, str]:
    (container,) = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable.get("value", "(from the pod)") for variable in container["env"]}


def test_the_operator_is_told_its_settings(chart: Chart) -> None:
    assert environment(chart.render()) == {
        "ALLUSE_OPERATOR_NAMESPACE": "(from the pod)",
        "ALLUSE_OPERATOR_POD_NAME": "(from the pod)",
        "ALLUSE_OPERATOR_WATCH_NAMESPACES": "",
        "ALLUSE_OPERATOR_COMPONENT_IMAGE": "alluse/components",
        "ALLUSE_OPERATOR_COMPONENT_VERSION": "0.1.0",
        "ALLUSE_OPERATOR_LOG_LEVEL": "info",
        "ALLUSE_OPERATOR_HTTP_PORT": "8080",
        "ALLUSE_OPERATOR_LEASE_NAME": "allusesystem-operator",
        "ALLUSE_OPERATOR_LEASE_DURATION_SECONDS": "15",
        "ALLUSE_OPERATOR_LEASE_RENEW_SECONDS": "10",
        "ALLUSE_OPERATOR_LEASE_RETRY_SECONDS": "2",
    }


def test_values_reach_the_operator(chart: Chart) -> None:
    objects = chart.render(
        {
            "watchNamespaces": ["one", "two"],
            "componentImage": {"repository": "host.example:5000/c", "tag": "7"},
            "image": {"repository": "host.example:5000/o", "tag": "8", "pullSecrets": ["login"]},
            "podAnnotations": {"note": "yes"},
            "nodeSelector": {"disk": "fast"},
            "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        }
    )
    told = environment(objects)
    assert told["ALLUSE_OPERATOR_WATCH_NAMESPACES"] == "one,two"
    assert told["ALLUSE_OPERATOR_COMPONENT_IMAGE"] == "host.example:5000/c"
    assert told["ALLUSE_OPERATOR_COMPONENT_VERSION"] == "7"
    for spec in pod_specs(objects).values():
        assert spec["containers"][0]["image"] == "host.example:5000/o:8"
        assert spec["imagePullSecrets"] == [{"name": "login"}]
        assert spec["nodeSelector"] == {"disk": "fast"}
        assert spec["tolerations"] == [{"key": "dedicated", "operator": "Exists"}]
    annotations = only(objects, "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["note"] == "yes"


def test_the_hook_ends_by_itself_and_runs_before_its_rights_go(chart: Chart) -> None:
    objects = chart.render({"uninstall": {"timeoutSeconds": 30}, "watchNamespaces": ["one"]})
    job = only(objects, "Job", hooks=True)
    assert job["spec"]["activeDeadlineSeconds"] == 90
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == [
        "--timeout",
        "30",
        "--namespace",
        "one",
    ]
    order = {
        obj["kind"]: int(obj["metadata"]["annotations"]["helm.sh/hook-weight"])
        for obj in objects
        if obj["metadata"].get("annotations", {}).get("helm.sh/hook") == "pre-delete"
    }
    assert sorted(order, key=order.__getitem__) == ["ServiceAccount", "Role", "RoleBinding", "Job"]
