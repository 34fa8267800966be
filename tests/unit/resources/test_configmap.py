"""Configuration becomes one file of nested objects, in an object named by its content."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_operator.resources.configmap import build_config_map, nested
from desired_values import make_component, make_system

KEYS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join)


@pytest.mark.parametrize(
    ("config", "tree"),
    [
        ({}, {}),
        ({"a": "1"}, {"a": "1"}),
        ({"a.b.c": "1", "a.b.d": "2", "e": "3"}, {"a": {"b": {"c": "1", "d": "2"}}, "e": "3"}),
        ({"a": "1", "a.b": "2"}, {"a": "1", "a.b": "2"}),
        ({"a.b": "1", "a.b.c": "2", "a.d": "3"}, {"a": {"b": "1", "d": "3"}, "a.b.c": "2"}),
    ],
)
def test_dotted_keys_nest(config: dict[str, str], tree: dict[str, object]) -> None:
    assert nested(config) == tree


@given(st.dictionaries(KEYS, st.text(max_size=5)))
def test_no_key_and_no_value_is_lost(config: dict[str, str]) -> None:
    def leaves(tree: dict[str, object], path: str = "") -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in tree.items():
            where = f"{path}.{key}" if path else key
            found.update(leaves(value, where) if isinstance(value, dict) else {where: value})
        return found

    assert leaves(nested(config)) == config


@given(st.dictionaries(KEYS, st.text(max_size=5)), st.dictionaries(KEYS, st.text(max_size=5)))
def test_the_name_is_equal_exactly_when_the_content_is(one: dict[str, str], two: dict[str, str]) -> None:
    made = [
        build_config_map(make_system(c), c)
        for c in (make_component(config=one, catalog=True), make_component(config=two, catalog=True))
    ]
    assert (made[0]["metadata"]["name"] == made[1]["metadata"]["name"]) == (one == two)
    assert made[0]["immutable"] is True
    assert json.loads(made[0]["data"]["config.json"]) == nested(one)
