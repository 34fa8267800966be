"""Whole objects, compared with files: every component of ALL-USE, and of an application of one's own.

What one change of a builder does to all objects shows as a diff of these files. Write them anew with
`pytest tests/golden --update-golden`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from alluse_operator.catalog import WS1
from alluse_operator.core.desired import Defaults, Identity, System
from alluse_operator.core.resolve import resolve
from alluse_operator.resources import build_all

GOLDEN = Path(__file__).parent / "objects"
SAMPLES = Path(__file__).parents[2] / "manifests/samples"
DEFAULTS = Defaults(component_image="alluse/components", version="1.0.0", operator_namespace="alluse-system")
UID = "11111111-2222-4333-8444-555555555555"

#: Samples whose objects are written down.
WHOLE = ("minimal", "custom")


def system_of(sample: str) -> System:
    documents = yaml.safe_load_all((SAMPLES / f"{sample}.yaml").read_text(encoding="utf-8"))
    (written,) = (document for document in documents if document["kind"] == "AllUseSystem")
    metadata = written["metadata"]
    return resolve(Identity(metadata["namespace"], metadata["name"], UID, 1), written["spec"], DEFAULTS)


def cases() -> list[tuple[str, str]]:
    return [(sample, name) for sample in WHOLE for name in system_of(sample).components]


class _Block(yaml.SafeDumper):
    """Texts of several lines as blocks, and no anchors: the files are made to be read."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Block.add_representer(str, _text)


def path_of(sample: str, component: str) -> Path:
    return GOLDEN / sample / f"{component}.yaml"


@pytest.mark.parametrize(("sample", "component"), cases())
def test_is_built_as_written_down(sample: str, component: str, update_golden: bool) -> None:
    built: list[Any] = list(build_all(system_of(sample))[component].all)
    file = path_of(sample, component)
    if update_golden:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.dump_all(built, Dumper=_Block, sort_keys=False, width=110), encoding="utf-8")
    assert file.exists(), "no golden file: run pytest tests/golden --update-golden"
    assert built == list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def test_no_file_is_left_of_a_component_that_is_gone() -> None:
    assert sorted(GOLDEN.rglob("*.yaml")) == sorted(path_of(*case) for case in cases())


@pytest.mark.parametrize("sample", sorted(path.stem for path in SAMPLES.glob("*.yaml")))
def test_every_sample_can_be_built(sample: str) -> None:
    system = system_of(sample)
    assert set(build_all(system)) == set(system.components)


def test_the_smallest_sample_is_the_whole_catalog() -> None:
    assert set(system_of("minimal").components) == set(WS1)
