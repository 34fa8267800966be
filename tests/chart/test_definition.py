"""The resource definition in the chart, and the manifest made of the chart."""

from __future__ import annotations

from pathlib import Path

import yaml
from tools.generate import manifests

from bare_cluster import BareCluster
from rendering import Chart, is_hook, only


def test_the_definition_is_the_generated_one_and_outlives_the_release(chart: Chart) -> None:
    rendered = only(chart.render(), "CustomResourceDefinition")
    generated = yaml.safe_load((manifests.ROOT / "crds/allusesystems.yaml").read_text(encoding="utf-8"))
    assert rendered["spec"] == generated["spec"]
    assert rendered["metadata"]["name"] == generated["metadata"]["name"]
    assert rendered["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_manifest_is_the_chart_with_its_defaults(helm: Path) -> None:
    assert manifests.PATH.read_text(encoding="utf-8") == manifests.render(helm), "stale: run `make generate`"


def test_a_change_of_the_chart_makes_the_manifest_stale(tmp_path: Path) -> None:
    file = tmp_path / "templates/x.yaml"
    file.parent.mkdir()
    digests = set()
    for content in ("a: 1", "a: 2"):
        file.write_text(content)
        digests.add(manifests.chart_digest(tmp_path))
    file.rename(file.with_name("y.yaml"))
    digests.add(manifests.chart_digest(tmp_path))
    assert len(digests) == 3
    assert not manifests.is_stale()


def test_the_manifest_holds_its_namespace_first_and_no_hooks() -> None:
    objects = [obj for obj in yaml.safe_load_all(manifests.PATH.read_text(encoding="utf-8")) if obj]
    assert (objects[0]["kind"], objects[0]["metadata"]["name"]) == ("Namespace", manifests.NAMESPACE)
    assert not any(is_hook(obj) for obj in objects)
    assert "Helm" not in {
        o["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by") for o in objects
    }


def test_the_manifest_is_accepted_by_server_side_apply(cluster: BareCluster) -> None:
    cluster.kubectl("apply", "--server-side", "--validate=strict", "-f", str(manifests.PATH))
    cluster.kubectl("wait", "--for=condition=Established", "crd/allusesystems.alluse.io", "--timeout=20s")
    again = cluster.kubectl("diff", "--server-side", "-f", str(manifests.PATH))
    assert again == ""
    # All but the namespace, which would never be gone: nothing here empties it.
    ours = "--selector=app.kubernetes.io/name=allusesystem-operator"
    cluster.kubectl("delete", "-f", str(manifests.PATH), ours)
