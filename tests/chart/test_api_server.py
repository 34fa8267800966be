"""The release on a real API server: what Helm sends is accepted, the definition is upgraded and kept."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tools.cluster.controlplane import ControlPlane
from tools.generate import manifests

from rendering import HelmError, Object, of_kind


@dataclass(frozen=True, slots=True)
class Installer:
    """helm and kubectl on the bare API server."""

    helm_path: Path
    plane: ControlPlane

    def helm(self, *arguments: str) -> str:
        return self._run([str(self.helm_path), f"--kubeconfig={self.plane.kubeconfig}", *arguments])

    def kubectl(self, *arguments: str) -> str:
        return self._run([*map(str, self.plane.kubectl), *arguments])

    def get(self, *arguments: str) -> Object:
        found: Object = json.loads(self.kubectl("get", "-o", "json", *arguments))
        return found

    @staticmethod
    def _run(command: list[str]) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise HelmError(done.stderr)
        return done.stdout


@pytest.fixture
def installer(helm: Path, plane: ControlPlane) -> Installer:
    return Installer(helm, plane)


@pytest.fixture
def release(installer: Installer) -> Iterator[str]:
    """The chart, installed with its defaults. Nothing runs: there are no controllers."""
    told = installer.helm(
        "install", manifests.RELEASE, str(manifests.CHART), "--namespace=alluse-system", "--create-namespace"
    )
    yield told
    installer.helm(
        "uninstall", manifests.RELEASE, "--namespace=alluse-system", "--no-hooks", "--ignore-not-found"
    )
    installer.kubectl("delete", "crd", "allusesystems.alluse.io", "--ignore-not-found")


def test_the_notes_say_what_comes_next(release: str) -> None:
    assert "kubectl apply -n alluse" in release
    assert "helm test allusesystem-operator -n alluse-system" in release
    assert "It serves AllUseSystems in all namespaces." in release


def test_a_system_can_be_made_right_after(installer: Installer, release: str) -> None:
    installer.kubectl("wait", "--for=condition=Established", "crd/allusesystems.alluse.io", "--timeout=20s")
    for sample in sorted((manifests.ROOT / "manifests/samples").glob("*.yaml")):
        systems = [o for o in yaml.safe_load_all(sample.read_text()) if o["kind"] == "AllUseSystem"]
        for system in systems:
            system["metadata"]["namespace"] = "alluse-system"
            file = installer.plane.kubeconfig.with_name("system.json")
            file.write_text(json.dumps(system))
            installer.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(file))


def test_an_upgrade_brings_a_new_definition(installer: Installer, release: str, tmp_path: Path) -> None:
    newer = tmp_path / "chart"
    shutil.copytree(manifests.CHART, newer)
    file = newer / "files/allusesystems.yaml"
    definition: Any = yaml.safe_load(file.read_text())
    definition["spec"]["versions"][0]["additionalPrinterColumns"].append(
        {"name": "New", "jsonPath": ".status.new", "type": "string"}
    )
    file.write_text(yaml.safe_dump(definition))

    installer.helm("upgrade", manifests.RELEASE, str(newer), "--namespace=alluse-system")

    live = installer.get("crd", "allusesystems.alluse.io")
    columns = [column["name"] for column in live["spec"]["versions"][0]["additionalPrinterColumns"]]
    assert columns[-1] == "New"


def test_the_definition_and_the_systems_outlive_the_release_and_can_be_taken_over(
    installer: Installer, release: str
) -> None:
    installer.kubectl("wait", "--for=condition=Established", "crd/allusesystems.alluse.io", "--timeout=20s")
    sample = manifests.ROOT / "manifests/samples/minimal.yaml"
    installer.kubectl("apply", "-f", str(sample))

    installer.helm("uninstall", manifests.RELEASE, "--namespace=alluse-system", "--no-hooks")

    assert installer.get("allusesystem", "alluse", "-n", "alluse")["metadata"]["name"] == "alluse"
    left = installer.get("deployments,roles,leases,serviceaccounts", "-n", "alluse-system")["items"]
    assert [o["metadata"]["name"] for o in left if o["metadata"]["name"] != "default"] == []
    cluster_wide = installer.get("clusterroles,clusterrolebindings", "-l", "helm.sh/chart")["items"]
    assert cluster_wide == []
    installer.helm("install", manifests.RELEASE, str(manifests.CHART), "--namespace=alluse-system")
    installer.kubectl("delete", "-f", str(sample), "--wait=false")


def test_with_namespaces_it_can_be_installed_twice(installer: Installer, release: str) -> None:
    for namespace in ("one", "two"):
        installer.kubectl("create", "namespace", namespace)
        installer.helm(
            "install", "mine", str(manifests.CHART), f"--namespace={namespace}",
            f"--set=watchNamespaces={{{namespace}}}", "--set=crds.install=false",
        )  # fmt: skip
    roles = installer.get("roles", "-A", "-l", "app.kubernetes.io/instance=mine")
    assert len(of_kind(roles["items"], "Role")) == 4
    for namespace in ("one", "two"):
        installer.helm("uninstall", "mine", f"--namespace={namespace}", "--no-hooks")


def test_the_manifest_is_accepted_by_server_side_apply(installer: Installer) -> None:
    installer.kubectl("apply", "--server-side", "--validate=strict", "-f", str(manifests.PATH))
    installer.kubectl("wait", "--for=condition=Established", "crd/allusesystems.alluse.io", "--timeout=20s")
    again = installer.kubectl("diff", "--server-side", "-f", str(manifests.PATH))
    assert again == ""
    installer.kubectl("delete", "-f", str(manifests.PATH), "--wait=false")
