"""The release on a real API server: what Helm sends is accepted, the definition is upgraded and kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tools.generate import manifests

from bare_cluster import BareCluster
from rendering import of_kind


@pytest.fixture(scope="module")
def release(cluster: BareCluster) -> Iterator[str]:
    """The chart, installed with its defaults. Nothing runs: there are no controllers."""
    told = cluster.helm(
        "install", manifests.RELEASE, str(manifests.CHART), "--namespace=alluse-system", "--create-namespace"
    )
    yield told
    cluster.helm(
        "uninstall", manifests.RELEASE, "--namespace=alluse-system", "--no-hooks", "--ignore-not-found"
    )
    cluster.kubectl("delete", "crd", "allusesystems.alluse.io", "--ignore-not-found")


def test_the_notes_say_what_comes_next(release: str) -> None:
    assert "kubectl apply -n alluse" in release
    assert "helm test allusesystem-operator -n alluse-system" in release
    assert "It serves AllUseSystems in all namespaces." in release


def test_a_system_can_be_made_right_after(cluster: BareCluster, release: str) -> None:
    cluster.kubectl("wait", "--for=condition=Established", "crd/allusesystems.alluse.io", "--timeout=20s")
    for sample in sorted((manifests.ROOT / "manifests/samples").glob("*.yaml")):
        systems = [o for o in yaml.safe_load_all(sample.read_text()) if o["kind"] == "AllUseSystem"]
        for system in systems:
            system["metadata"]["namespace"] = "alluse-system"
            file = cluster.plane.kubeconfig.with_name("system.json")
            file.write_text(json.dumps(system))
            cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(file))


def test_sinks_of_alerts_are_taken(cluster: BareCluster, release: str, tmp_path: Path) -> None:
    sinks = {
        "on-call": {"type": "webhook", "url": "https://x.example", "hmacSecret": {"name": "a", "key": "k"}},
        "manager": {"type": "alertmanager", "urlSecret": {"name": "b", "key": "u"}},
    }
    values = tmp_path / "values.json"
    values.write_text(json.dumps({"alerts": {"sinks": sinks}}))
    cluster.helm(
        "upgrade", manifests.RELEASE, str(manifests.CHART), "--namespace=alluse-system", f"--values={values}"
    )
    where = ("-n", "alluse-system", "-o", "json")
    deployment = json.loads(cluster.kubectl("get", "deployment", manifests.RELEASE, *where))
    volumes = {volume["name"]: volume for volume in deployment["spec"]["template"]["spec"]["volumes"]}
    assert len(volumes["alert-secrets"]["projected"]["sources"]) == 2
    file = json.loads(cluster.kubectl("get", "configmap", volumes["alerts"]["configMap"]["name"], *where))
    assert json.loads(file["data"]["sinks.json"]).keys() == sinks.keys()


def test_an_upgrade_brings_a_new_definition(cluster: BareCluster, release: str, tmp_path: Path) -> None:
    newer = tmp_path / "chart"
    shutil.copytree(manifests.CHART, newer)
    file = newer / "files/allusesystems.yaml"
    definition: Any = yaml.safe_load(file.read_text())
    definition["spec"]["versions"][0]["additionalPrinterColumns"].append(
        {"name": "New", "jsonPath": ".status.new", "type": "string"}
    )
    file.write_text(yaml.safe_dump(definition))

    cluster.helm("upgrade", manifests.RELEASE, str(newer), "--namespace=alluse-system")

    live = cluster.get("crd", "allusesystems.alluse.io")
    columns = [column["name"] for column in live["spec"]["versions"][0]["additionalPrinterColumns"]]
    assert columns[-1] == "New"


def test_the_definition_and_the_systems_outlive_the_release_and_can_be_taken_over(
    cluster: BareCluster, release: str
) -> None:
    cluster.kubectl("wait", "--for=condition=Established", "crd/allusesystems.alluse.io", "--timeout=20s")
    sample = manifests.ROOT / "manifests/samples/minimal.yaml"
    cluster.kubectl("apply", "-f", str(sample))

    cluster.helm("uninstall", manifests.RELEASE, "--namespace=alluse-system", "--no-hooks")

    assert cluster.get("allusesystem", "alluse", "-n", "alluse")["metadata"]["name"] == "alluse"
    left = cluster.get("deployments,roles,leases,serviceaccounts", "-n", "alluse-system")["items"]
    assert [o["metadata"]["name"] for o in left if o["metadata"]["name"] != "default"] == []
    cluster_wide = cluster.get("clusterroles,clusterrolebindings", "-l", "helm.sh/chart")["items"]
    assert cluster_wide == []
    cluster.helm("install", manifests.RELEASE, str(manifests.CHART), "--namespace=alluse-system")
    cluster.kubectl("delete", "-f", str(sample), "--wait=false")


def test_with_namespaces_it_can_be_installed_twice(cluster: BareCluster, release: str) -> None:
    for namespace in ("one", "two"):
        cluster.kubectl("create", "namespace", namespace)
        cluster.helm(
            "install", "mine", str(manifests.CHART), f"--namespace={namespace}",
            f"--set=watchNamespaces={{{namespace}}}", "--set=crds.install=false",
        )  # fmt: skip
    roles = cluster.get("roles", "-A", "-l", "app.kubernetes.io/instance=mine")
    assert len(of_kind(roles["items"], "Role")) == 4
    for namespace in ("one", "two"):
        cluster.helm("uninstall", "mine", f"--namespace={namespace}", "--no-hooks")


def test_rbac_lets_the_operator_do_its_work_and_no_more(cluster: BareCluster, release: str) -> None:
    account = "system:serviceaccount:alluse-system:allusesystem-operator"
    answers = {
        ("create deployments.apps", "shop"): True,
        ("create pods/eviction", "shop"): True,
        ("patch allusesystems.alluse.io/status", "shop"): True,
        ("get namespaces/shop", "shop"): True,
        ("update leases.coordination.k8s.io/allusesystem-operator", "alluse-system"): True,
        ("update leases.coordination.k8s.io/another", "alluse-system"): False,
        ("get leases.coordination.k8s.io", "shop"): False,
        ("get secrets", "shop"): False,
        ("create pods/exec", "shop"): False,
        ("create pods", "shop"): False,
        ("delete allusesystems.alluse.io", "shop"): False,
        ("create rolebindings.rbac.authorization.k8s.io", "shop"): False,
        ("create serviceaccounts/token", "shop"): False,
    }
    assert {(right, where): cluster.may(account, right, where) for right, where in answers} == answers
