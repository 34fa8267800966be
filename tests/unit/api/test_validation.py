"""Validation beyond the corpus: what only Python sees, exact paths, and the search for cycles."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_operator.api import messages
from alluse_operator.api.validation import FieldError, InvalidSpec, parse, validate
from alluse_operator.catalog import SPECS


def errors(spec: dict[str, Any], name: str = "demo") -> list[str]:
    return [str(error) for error in validate(name, parse(spec), SPECS)]


def environment(component: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "environment": "staging",
        "environments": [{"name": "staging", "components": [component]}],
        **more,
    }


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {"components": [{"name": "market-analyzer", "resources": {"requests": {"memory": "1Gi"}}}]},
            f"spec.components[0].resources.limits.memory: {messages.LIMIT_BELOW_REQUEST['memory']}",
            id="a request above the limit of the catalog",
        ),
        pytest.param(
            environment(
                {"name": "market-analyzer", "resources": {"limits": {"cpu": "100m"}}},
                components=[{"name": "market-analyzer", "resources": {"requests": {"cpu": "200m"}}}],
            ),
            f"spec.environments[0].components[0].resources.limits.cpu: {messages.LIMIT_BELOW_REQUEST['cpu']}",
            id="a limit of the environment below the request of the component",
        ),
        pytest.param(
            environment(
                {"name": "market-analyzer", "health": {"timeoutSeconds": 3}},
                components=[{"name": "market-analyzer", "health": {"periodSeconds": 2}}],
            ),
            f"spec.environments[0].components[0].health.timeoutSeconds: {messages.TIMEOUT}",
            id="a timeout of the environment above the period of the component",
        ),
        pytest.param(
            {"config": {"a": "1", "a.b.c": "2"}},
            f"spec.config[a]: a {messages.CONFIG_NESTING}",
            id="a key that is a value and the beginning of another",
        ),
        pytest.param(
            environment({"name": "market-analyzer"}, config={"a.b": "1"})
            | {"environments": [{"name": "staging", "config": {"a": "1"}}]},
            f"spec.config[a]: a {messages.CONFIG_NESTING}",
            id="keys of two layers that exclude each other",
        ),
    ],
)
def test_what_only_shows_when_the_layers_are_merged(spec: dict[str, Any], expected: str) -> None:
    assert errors(spec) == [expected]


def test_the_environment_that_is_not_selected_is_not_merged() -> None:
    limits = {"name": "market-analyzer", "resources": {"limits": {"cpu": "1m"}}}
    assert errors(environment(limits) | {"environment": "development"}) == []
    assert errors(environment(limits)) != []


def test_a_mistake_within_one_layer_is_told_once() -> None:
    broken = {"name": "market-analyzer", "resources": {"requests": {"cpu": 2}, "limits": {"cpu": 1}}}
    assert len(errors({"components": [broken]})) == 1


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"components": [{"name": "a", "image": "x"}, {"name": "a", "image": "x"}]}, "spec.components[1]"),
        ({"environments": [{"name": "e"}, {"name": "e"}]}, "spec.environments[1]"),
        (
            {"components": [{"name": "market-analyzer", "env": [{"name": "A", "value": "1"}] * 2}]},
            "spec.components[0].env[1]",
        ),
    ],
)
def test_names_that_come_twice_are_refused_although_the_api_server_lets_none_through(
    spec: dict[str, Any], path: str
) -> None:
    assert any(error.startswith(f"{path}: duplicate value") for error in errors(spec))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"environmnt": "x"}, "spec.environmnt: is not a field that this operator knows"),
        ({"components": [{"image": "x"}]}, "spec.components[0].name: is required"),
        (
            {"components": [{"name": "a", "dependsOn": [{"name": 3}]}]},
            "spec.components[0].dependsOn[0].name: ",
        ),
        ({"config": {"a.b": 3}}, "spec.config[a.b]: "),
        (
            {"startup": {"maxParallel": 0}},
            "spec.startup.maxParallel: input should be greater than or equal to 1",
        ),
    ],
)
def test_wrong_forms_are_told_with_the_path_of_the_api_server(spec: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse(spec)
    assert str(caught.value.errors[0]).startswith(expected)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse({"profile": "WS2", "environment": "Production", "teardown": {"deadlineSeconds": 1}})
    assert {error.path for error in caught.value.errors} == {
        "spec.profile",
        "spec.environment",
        "spec.teardown.deadlineSeconds",
    }
    assert str(InvalidSpec([FieldError("a", "b"), FieldError("c", "d")])) == "a: b; c: d"


def test_the_message_of_a_cycle_names_exactly_its_members() -> None:
    components = [
        {"name": "config-manager", "dependsOn": [{"name": "enhanced-agent"}]},
        {"name": "enhanced-agent", "dependsOn": [{"name": "config-manager"}]},
    ]
    (error,) = errors({"components": components})
    assert error.startswith(f"spec.components: {messages.CYCLE}: config-manager, enhanced-agent; ")


@given(
    targets=st.integers(1, 6).flatmap(
        lambda size: st.lists(st.sets(st.integers(0, size - 1), max_size=3), min_size=size, max_size=size)
    )
)
def test_a_system_is_refused_for_a_cycle_exactly_when_no_order_exists(targets: list[set[int]]) -> None:
    """Against the definition itself: some order of all components in which each comes after its dependencies."""
    targets = [edges - {index} for index, edges in enumerate(targets)]  # edges to oneself have their own rule
    components = [
        {"name": f"c{index}", "image": "x", "dependsOn": [{"name": f"c{target}"} for target in edges]}
        for index, edges in enumerate(targets)
    ]
    startable = any(
        all(
            order.index(target) < order.index(index)
            for index, edges in enumerate(targets)
            for target in edges
        )
        for order in permutations(range(len(targets)))
    )
    found = errors({"profile": "Custom", "components": components})
    assert (found == []) == startable
