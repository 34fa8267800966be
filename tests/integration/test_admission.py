"""What the real API server says to an AllUseSystem: the corpus, the samples, and `kubectl`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from alluse_operator.api import messages, names
from apiserver import ROOT, ApiServer, system, systems
from resource_corpus import Case, accepted, refused

SAMPLES = sorted((ROOT / "manifests/samples").glob("*.yaml"))


@pytest.mark.parametrize("case", refused(), ids=lambda case: case.identifier)
def test_refused_with_the_error_that_names_the_field(api: ApiServer, case: Case) -> None:
    answer = api.create(case.resource, "default", dry_run=True)
    assert not answer.ok
    assert answer.errors == sorted(case.errors)


@pytest.mark.parametrize("case", accepted(), ids=lambda case: case.identifier)
def test_accepted(api: ApiServer, case: Case) -> None:
    answer = api.create(case.resource, "default", dry_run=True)
    assert answer.ok, answer.message


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_the_samples_are_accepted(api: ApiServer, sample: Path) -> None:
    resources = [each for each in yaml.safe_load_all(sample.read_text(encoding="utf-8")) if each]
    systems = [each for each in resources if each["kind"] == "AllUseSystem"]
    assert systems
    for each in systems:
        namespace = each["metadata"].pop("namespace", "default")
        answer = api.create(each, "default", dry_run=True)
        assert answer.ok, f"{namespace}: {answer.message}"


def test_nothing_is_stored_of_a_resource_that_is_refused(api: ApiServer, namespace: str) -> None:
    bad = next(case for case in refused() if case.file == "graph")
    assert not api.create(bad.resource, namespace).ok
    assert api.request("GET", systems(names.API_VERSION, namespace)).body["items"] == []


def test_a_change_to_something_wrong_is_refused_and_the_old_one_stays(api: ApiServer, namespace: str) -> None:
    path = f"{systems(names.API_VERSION, namespace)}/demo"
    assert api.create(system({"environment": "test"}), namespace).ok
    answer = api.request("PATCH", path, {"spec": {"environment": "moon"}}, "application/merge-patch+json")
    assert "spec.environment" in answer.message
    assert api.request("GET", path).body["spec"]["environment"] == "test"


def test_a_bad_spec_is_refused_whatever_status_comes_with_it(api: ApiServer, namespace: str) -> None:
    """The rules over the whole spec are not asked when a status is written: nothing may slip in by that door."""
    path = f"{systems(names.API_VERSION, namespace)}/demo"
    cycle = [{"name": "a", "dependsOn": [{"name": "b"}]}, {"name": "b", "dependsOn": [{"name": "a"}]}]
    good = {"profile": "Custom", "image": {"repository": "registry.example/a"}, "components": [{"name": "a"}]}
    bad = {**good, "components": cycle}
    merge = "application/merge-patch+json"
    assert api.create(system(good), namespace).ok
    assert api.request("PATCH", f"{path}/status", {"status": {"summary": "0/1 ready"}}, merge).ok
    for change in ({"spec": bad}, {"spec": bad, "status": {"summary": "1/1 ready"}}):
        assert messages.CYCLE in api.request("PATCH", path, change, merge).message
    assert api.request("PATCH", f"{path}/status", {"spec": bad, "status": {"summary": "ready"}}, merge).ok
    stored = api.request("GET", path).body
    assert [component["name"] for component in stored["spec"]["components"]] == ["a"]
    assert stored["status"]["summary"] == "ready"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": "2Gi", "storageClassName": "fast"}, "storage cannot be changed"),
        ({"size": "1Gi"}, "storage cannot be changed"),
        ({"size": "1Gi", "storageClassName": "slow"}, "storage cannot be changed"),
        ({"size": "1024Mi", "storageClassName": "fast"}, ""),
    ],
    ids=["larger", "another class by default", "another class", "the same size in other words"],
)
def test_storage_cannot_change(api: ApiServer, namespace: str, change: object, words: str) -> None:
    def journal(storage: object) -> object:
        return {"components": [{"name": "journal", "image": "registry.example/a", "storage": storage}]}

    path = f"{systems(names.API_VERSION, namespace)}/demo"
    before = system(journal({"size": "1Gi", "storageClassName": "fast"}))
    assert api.apply(path, before, "tests").ok
    answer = api.apply(path, system(journal(change)), "tests")
    if words:
        assert not answer.ok
        assert f"spec.components[0].storage: Invalid value: {words}" in answer.message
    else:
        assert answer.ok, answer.message


def test_kubectl_prints_the_error_as_the_corpus_has_it(api: ApiServer, namespace: str) -> None:
    case = next(each for each in refused() if each.sentence == "a cycle of three, with one component before "
                "it and one behind it")  # fmt: skip
    done = api.kubectl(
        "apply", "-f", "-", "--namespace", namespace, "--validate=strict", stdin=json.dumps(case.resource)
    )
    assert done.returncode != 0
    assert case.errors[0] in done.stderr


def test_a_server_side_dry_run_says_the_same_and_stores_nothing(api: ApiServer, namespace: str) -> None:
    arguments = ("apply", "-f", "-", "--namespace", namespace, "--dry-run=server", "--validate=strict")
    good = api.kubectl(*arguments, stdin=json.dumps(system({})))
    assert good.returncode == 0, good.stderr
    assert "created (server dry run)" in good.stdout
    misspelt = api.kubectl(*arguments, stdin=json.dumps(system({"environmnt": "test"})))
    assert misspelt.returncode != 0
    assert 'unknown field "spec.environmnt"' in misspelt.stderr
    assert api.request("GET", systems(names.API_VERSION, namespace)).body["items"] == []


def test_more_than_the_api_server_takes_at_all_is_refused(api: ApiServer) -> None:
    components = [{"name": f"c{index:05d}"} for index in range(10_000)]
    answer = api.create(system({"profile": "Custom", "components": components}), "default", dry_run=True)
    assert answer.errors == ["spec.components: Too many: 10000: must have at most 32 items"]
