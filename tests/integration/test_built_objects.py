"""What the builders make, on a real API server: accepted strictly, stored as sent, and never seen as drift."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tools.cluster.controlplane import ControlPlane

from alluse_operator.api.names import FIELD_MANAGER
from alluse_operator.core.applied import applied_by
from alluse_operator.core.desired import Defaults, Identity
from alluse_operator.core.drift import drift
from alluse_operator.core.kept import as_kept
from alluse_operator.core.objects import Object
from alluse_operator.core.resolve import resolve
from alluse_operator.resources import build_all
from alluse_operator.resources.metadata import is_sealed
from alluse_operator.resources.quantity import canonical

SAMPLES = Path(__file__).parents[2] / "manifests/samples"


def objects_of(sample: str) -> list[Object]:
    written = list(yaml.safe_load_all((SAMPLES / f"{sample}.yaml").read_text(encoding="utf-8")))[-1]
    identity = Identity(sample, written["metadata"]["name"], "11111111-2222-4333-8444-555555555555", 1)
    defaults = Defaults("alluse/components", "1.0.0", "alluse-system")
    system = resolve(identity, written["spec"], defaults)
    return [obj for component in build_all(system).values() for obj in component.all]


def kubectl(plane: ControlPlane, *arguments: str, stdin: str = "") -> str:
    command = [*map(str, plane.kubectl), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=sorted(path.stem for path in SAMPLES.glob("*.yaml")))
def objects(request: pytest.FixtureRequest, control_plane: ControlPlane) -> list[tuple[Object, Object]]:
    """What was sent and what was stored, of one sample in a namespace of its own under Pod Security
    "restricted", where a workload that asks for too much is warned about."""
    sample = str(request.param)
    kubectl(control_plane, "create", "namespace", sample)
    level = "pod-security.kubernetes.io/{}=restricted"
    kubectl(control_plane, "label", "namespace", sample, level.format("enforce"), level.format("warn"))
    sent = objects_of(sample)
    stored = {(o["kind"], o["metadata"]["name"]): o for o in applied(control_plane, sent)}
    assert len(stored) == len(sent)
    return [(obj, stored[obj["kind"], obj["metadata"]["name"]]) for obj in sent]


def applied(plane: ControlPlane, objects: list[Object]) -> list[dict[str, Any]]:
    """The objects as the API server stores them; fails on a warning or a field that it does not know."""
    command = [*map(str, plane.kubectl), "apply", "--server-side", "--validate=strict"]
    command += ["--warnings-as-errors", "--field-manager=allusesystem-operator", "-o", "json"]
    command += ["--show-managed-fields", "-f", "-"]
    bundle = {"apiVersion": "v1", "kind": "List", "items": objects}
    done = subprocess.run(command, input=json.dumps(bundle), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout)["items"])


def test_what_was_applied_is_no_drift(objects: list[tuple[Object, Object]]) -> None:
    for sent, stored in objects:
        assert drift(sent, stored) == ()


def test_every_field_is_stored_as_it_was_sent(objects: list[tuple[Object, Object]]) -> None:
    for sent, stored in objects:
        assert differences(sent, stored) == []


def test_what_is_kept_of_a_workload_is_what_was_applied_and_an_edit_of_it_is_noticed(
    objects: list[tuple[Object, Object]],
) -> None:
    for sent, stored in objects:
        if sent["kind"] not in ("Deployment", "StatefulSet"):
            continue
        found = applied_by(FIELD_MANAGER, stored)
        assert found is not None
        kept = as_kept(found)
        assert kept == sent
        assert is_sealed(kept)
        assert not is_sealed({**kept, "spec": {**kept["spec"], "replicas": 7}})


def differences(sent: Any, kept: Any, path: str = "") -> list[str]:
    """Paths at which what was sent is missing or written in another way."""
    if isinstance(sent, dict):
        if not isinstance(kept, dict):
            return [path]
        return [d for key in sent for d in differences(sent[key], kept.get(key), f"{path}.{key}")]
    if isinstance(sent, list):
        if not isinstance(kept, list) or len(kept) != len(sent):
            return [path]
        pairs = enumerate(zip(sent, kept, strict=True))
        return [d for index, (s, k) in pairs for d in differences(s, k, f"{path}[{index}]")]
    return [] if sent == kept else [f"{path}: {sent!r} became {kept!r}"]


QUANTITIES = "1000m 1500m 0.5 1 1000 1024 1024Mi 1536Mi 0.5Gi 2048Ki 0.5Ki 1.3Ki 512Ki 1025Ki 1.5k 1000000m 0.0001 3.25G 0.1Mi"


def test_quantities_are_written_as_the_api_server_writes_them(control_plane: ControlPlane) -> None:
    """A quota takes any amounts and gives them back in its own writing."""
    written = QUANTITIES.split()
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "amounts", "namespace": "default"},
        "spec": {"hard": {f"requests.example.com/r{n}": text for n, text in enumerate(written)}},
    }
    answer = kubectl(
        control_plane, "create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(quota)
    )
    kept = json.loads(answer)["spec"]["hard"]
    assert [kept[f"requests.example.com/r{n}"] for n in range(len(written))] == [*map(canonical, written)]
