"""The rule of root causes on any graph."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alluse_operator.core import graph
from alluse_operator.core.causes import find_causes

NAMES = "abcdefgh"


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, frozenset[str]]:
    """Edges lead to earlier names only, so there is no cycle; listed in any order."""
    found = {
        name: frozenset(draw(st.sets(st.sampled_from(NAMES[:index]), max_size=3))) if index else frozenset()
        for index, name in enumerate(NAMES)
    }
    return {name: found[name] for name in draw(st.permutations(NAMES))}


@given(graphs(), st.sets(st.sampled_from(NAMES)))
def test_roots_stand_on_nothing_sick_and_symptoms_on_their_roots(
    edges: dict[str, frozenset[str]], sick: set[str]
) -> None:
    found = find_causes(edges, sick)
    assert found.keys() == sick
    among_sick = {name: edges[name] & sick for name in sick}
    for name, roots in found.items():
        assert roots, "whoever is sick has a cause"
        assert (roots == (name,)) == (not among_sick[name])
        for root in roots:
            assert not among_sick[root]
            assert root == name or root in graph.reachable(among_sick, [name])
        assert {r for r in graph.reachable(among_sick, [name]) if not among_sick[r]} <= set(roots) | {name}


@given(graphs(), st.sets(st.sampled_from(NAMES)), st.sampled_from(NAMES))
def test_a_root_that_heals_takes_itself_off_and_leaves_the_others_theirs(
    edges: dict[str, frozenset[str]], sick: set[str], healed: str
) -> None:
    before, after = find_causes(edges, sick), find_causes(edges, sick - {healed})
    for name, roots in after.items():
        assert healed not in roots
        if healed not in before[name] and healed not in graph.reachable(edges, [name]):
            assert roots == before[name]
