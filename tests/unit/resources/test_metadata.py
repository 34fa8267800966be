"""Labels, versions and hashes that all objects share."""

from __future__ import annotations

import pytest

from alluse_operator.api import names
from alluse_operator.resources.metadata import content_hash, image_version, labels, owner_reference, seal
from desired_values import make_component, make_system


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("alluse/components:1.4.0", "1.4.0"),
        ("components", ""),
        ("host.example:5000/team/tool", ""),
        ("host.example:5000/team/tool:2.1", "2.1"),
        ("tool:2.1@sha256:" + "0" * 64, "2.1"),
        ("tool@sha256:" + "0" * 64, ""),
    ],
)
def test_the_version_is_the_tag_of_the_image(image: str, version: str) -> None:
    assert image_version(image) == version


@pytest.mark.parametrize("tag", ["", ":_private", ":" + "1" * 64, ":ends-with-"])
def test_a_tag_that_is_no_label_value_is_left_out(tag: str) -> None:
    component = make_component(image=f"tool{tag}")
    assert names.VERSION_LABEL not in labels(make_system(component), component)


def test_the_owner_controls_and_never_blocks_its_own_deletion() -> None:
    reference = owner_reference(make_system())
    assert reference["controller"] is True
    assert reference["blockOwnerDeletion"] is False


def test_a_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert content_hash({"a": 1, "b": [1, 2]}) == content_hash({"b": [1, 2], "a": 1})
    assert content_hash({"b": [1, 2]}) != content_hash({"b": [2, 1]})


def test_the_seal_differs_when_anything_differs() -> None:
    def sealed(**spec: int) -> str:
        built = seal({"kind": "Thing", "metadata": {"name": "x"}, "spec": spec})
        return str(built["metadata"]["annotations"][names.APPLIED_ANNOTATION])

    assert sealed(a=1) == sealed(a=1)
    assert len({sealed(a=1), sealed(a=2), sealed(a=1, b=0)}) == 3
