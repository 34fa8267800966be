"""The rights that the chart grants are the declared ones, and none that would be a way to more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from alluse_operator.cluster import kinds
from alluse_operator.core.objects import CHILD_KINDS
from rendering import Chart, is_hook, of_kind, only, rights

DECLARED = {
    part: {resource: set(verbs) for resource, verbs in table.items()}
    for part, table in yaml.safe_load((Path(__file__).parent / "rbac.yaml").read_text()).items()
}
NAMESPACES = {"watchNamespaces": ["one", "two"]}


def test_cluster_wide_the_rights_are_the_declared_ones(chart: Chart) -> None:
    objects = chart.render()
    assert rights(only(objects, "ClusterRole")["rules"]) == DECLARED["served"] | DECLARED["cluster"]
    assert rights(only(objects, "Role")["rules"]) == DECLARED["own"]


def test_with_namespaces_there_is_no_cluster_wide_right_at_all(chart: Chart) -> None:
    objects = chart.render(NAMESPACES)
    assert not [obj for obj in objects if obj["kind"] in ("ClusterRole", "ClusterRoleBinding")]
    granted = {(r["metadata"]["namespace"], r["metadata"]["name"]): r for r in of_kind(objects, "Role")}
    assert {key: rights(role["rules"]) for key, role in granted.items()} == {
        ("one", "allusesystem-operator"): DECLARED["served"],
        ("two", "allusesystem-operator"): DECLARED["served"],
        ("alluse-system", "allusesystem-operator-leader-election"): DECLARED["own"],
    }


@pytest.mark.parametrize("values", [{}, NAMESPACES], ids=["cluster", "namespaces"])
def test_the_uninstall_hook_may_only_delete_and_release_systems(chart: Chart, values: dict[str, Any]) -> None:
    roles = [r for r in chart.render(values) if r["kind"] in ("ClusterRole", "Role") and is_hook(r)]
    assert roles
    assert all(rights(role["rules"]) == DECLARED["cleanup"] for role in roles)


@pytest.mark.parametrize("values", [{}, NAMESPACES], ids=["cluster", "namespaces"])
def test_nothing_that_leads_to_more(chart: Chart, values: dict[str, Any]) -> None:
    for role in chart.render(values):
        for rule in role.get("rules", ()):
            assert "nonResourceURLs" not in rule
            for part in ("apiGroups", "resources", "verbs"):
                assert "*" not in rule[part]
            assert not {"escalate", "bind", "impersonate", "deletecollection"} & set(rule["verbs"])
            assert "rbac.authorization.k8s.io" not in rule["apiGroups"]
            if "nodes" in rule["resources"]:
                assert role["kind"] == "ClusterRole"
                assert set(rule["verbs"]) == {"list", "watch"}
            assert not {
                "secrets",
                "pods/exec",
                "pods/attach",
                "pods/portforward",
                "pods/ephemeralcontainers",
                "serviceaccounts/token",
            } & set(rule["resources"])


@pytest.mark.parametrize("values", [{}, NAMESPACES], ids=["cluster", "namespaces"])
def test_every_binding_binds_its_own_role_to_its_own_account(chart: Chart, values: dict[str, Any]) -> None:
    objects = chart.render(values)
    accounts = {obj["metadata"]["name"] for obj in objects if obj["kind"] == "ServiceAccount"}
    for binding in objects:
        if not binding["kind"].endswith("RoleBinding") and binding["kind"] != "ClusterRoleBinding":
            continue
        assert binding["roleRef"]["name"] == binding["metadata"]["name"]
        (subject,) = binding["subjects"]
        assert subject["namespace"] == "alluse-system"
        assert subject["name"] in accounts
        assert subject["name"].endswith("-cleanup") == is_hook(binding)


def test_what_the_operator_watches_and_writes_is_granted() -> None:
    served = DECLARED["served"]
    for kind in kinds.MIRRORED:
        name = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
        assert {"list", "watch"} <= served[name], name
        if kind.name in CHILD_KINDS:
            assert {"create", "patch", "delete"} <= served[name], name
