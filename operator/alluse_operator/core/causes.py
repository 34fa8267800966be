"""Root causes: which of the components that are not well are the root of it, and which only suffer.

A *root* is sick, and none of what it stands on is. A *symptom* is sick and stands, over sick components
only, on the roots that are its causes. Both follow from the graph and from who is sick, and from nothing
else: no order of events, no guess.

Two causes are no components. `Node/<name>`: the pods sit on a node that is not ready. `Infrastructure`: so
much is sick at once that a cause outside is more likely than many inside. For neither of them is
anything restarted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from alluse_operator.core.graph import Edges

#: The cause outside, as `causedBy` names it.
INFRASTRUCTURE = "Infrastructure"


def node_cause(node: str) -> str:
    """The node as `causedBy` names it."""
    return f"Node/{node}"


def find_causes(edges: Edges, sick: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The roots of each sick component, a root being its own; in the order of `edges`.

    `edges` lead from a component to what it stands on, without cycles; names that are no component count for
    nothing.
    """
    place = {name: index for index, name in enumerate(edges)}
    found: dict[str, frozenset[str]] = {}

    def causes(name: str) -> frozenset[str]:
        if name not in found:
            below = [causes(target) for target in edges[name] if target in sick and target in place]
            found[name] = frozenset().union(*below) or frozenset((name,))
        return found[name]

    return {name: tuple(sorted(causes(name), key=place.__getitem__)) for name in edges if name in sick}


def is_infrastructure(causes: Mapping[str, tuple[str, ...]], total: int, min_healthy_percent: int) -> bool:
    """Whether so many of `total` components are sick that the cause is taken to be outside.

    Not when all of them have one and the same root: then the one thing that is wrong is known, and treating
    it disturbs nothing that is well.
    """
    well = total - len(causes)
    if well * 100 >= total * min_healthy_percent:
        return False
    return len({root for roots in causes.values() for root in roots}) > 1
