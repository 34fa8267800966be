"""The rule of root causes: all 65,536 states of health of the ALL-USE graph, and what counts as infrastructure."""

from __future__ import annotations

import pytest

from alluse_operator import catalog
from alluse_operator.core import causes

#: The graph of WS1: what each component requires, as the catalog says it.
WS1 = {
    name: frozenset(edge.name for edge in entry.spec.depends_on or () if edge.requirement == "Required")
    for name, entry in catalog.WS1.items()
}


def by_definition(needs: list[int], sick: int) -> list[int]:
    """For each component the set of its causes, as bits: the sick ones without a sick dependency among all that
    a walk over sick components leads to. No recursion, no order: the walk goes on until it finds nothing new.
    """
    roots = sum(1 << i for i, below in enumerate(needs) if sick >> i & 1 and not below & sick)
    found = []
    for i in range(len(needs)):
        reached, before = sick & (1 << i), 0
        while reached != before:
            before = reached
            for j, below in enumerate(needs):
                if reached >> j & 1:
                    reached |= below & sick
        found.append(reached & roots)
    return found


def test_all_states_of_health_of_the_graph() -> None:
    names = list(WS1)
    assert len(names) == 16
    place = {name: i for i, name in enumerate(names)}
    needs = [sum(1 << place[target] for target in WS1[name]) for name in names]
    assert any(needs)
    for sick in range(2**16):
        chosen = {name for i, name in enumerate(names) if sick >> i & 1}
        found = causes.find_causes(WS1, chosen)
        assert found.keys() == chosen
        expected = by_definition(needs, sick)
        for name, roots in found.items():
            assert sum(1 << place[root] for root in roots) == expected[place[name]], (name, chosen)


def test_a_symptom_names_its_roots_in_order_and_a_root_itself() -> None:
    edges = {"a": (), "b": ("a",), "c": (), "d": ("b", "c"), "e": ("gone",)}
    assert causes.find_causes(edges, {"a", "b", "c", "d", "e"}) == {
        "a": ("a",),
        "b": ("a",),
        "c": ("c",),
        "d": ("a", "c"),
        "e": ("e",),
    }
    # The trouble of a does not get through to d over b, which is well.
    assert causes.find_causes(edges, {"a", "d"}) == {"a": ("a",), "d": ("d",)}


@pytest.mark.parametrize(
    ("sick", "total", "percent", "infrastructure"),
    [
        ({"a": ("a",), "b": ("b",)}, 4, 50, False),
        ({"a": ("a",), "b": ("b",), "c": ("c",)}, 4, 50, True),
        ({"a": ("a",), "b": ("a",), "c": ("a",), "d": ("a",)}, 4, 50, False),
        ({"a": ("a",), "b": ("a",), "c": ("a", "d"), "d": ("d",)}, 4, 50, True),
        ({"a": ("a",), "b": ("b",)}, 2, 0, False),
        ({"a": ("a",), "b": ("b",)}, 3, 100, True),
        ({}, 3, 100, False),
        ({}, 0, 100, False),
    ],
    ids=[
        "half is enough",
        "most is sick",
        "one root explains all",
        "two roots",
        "no least",
        "all",
        "well",
        "none",
    ],
)
def test_most_of_the_system_sick_is_a_cause_of_its_own(
    sick: dict[str, tuple[str, ...]], total: int, percent: int, infrastructure: bool
) -> None:
    assert causes.is_infrastructure(sick, total, percent) is infrastructure
