"""Specs at random.

Small worlds make the interesting things likely: few names, so that edges meet; names of the catalog, so that
layers meet; a second environment, selected half of the time.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

#: Some of the catalog (the root, a middle, the one that waits for seven), and some that are not in it.
NAMES = ("config-manager", "market-analyzer", "memory-manager", "enhanced-agent", "journal", "ledger", "tool")


def edges() -> st.SearchStrategy[list[dict[str, str]]]:
    """A `dependsOn`."""
    edge = st.fixed_dictionaries(
        {"name": st.sampled_from(NAMES)},
        optional={
            "condition": st.sampled_from(["Started", "Healthy", "Completed"]),
            "requirement": st.sampled_from(["Required", "Preferred"]),
        },
    )
    return st.lists(edge, max_size=3, unique_by=lambda each: each["name"])


def overrides() -> dict[str, st.SearchStrategy[Any]]:
    """The fields of a component that rules speak of."""
    return {
        "enabled": st.booleans(),
        "dependsOn": edges(),
        "calls": st.lists(st.sampled_from([*NAMES, "*"]), max_size=2, unique=True),
        "replicas": st.integers(1, 2),
        "stopGraceSeconds": st.sampled_from([5, 40]),
        "health": st.fixed_dictionaries(
            {}, optional={"periodSeconds": st.integers(1, 4), "timeoutSeconds": st.integers(1, 4)}
        ),
        "image": st.just("registry.example/a"),
    }


def components(more: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Components or overrides of different names."""
    component = st.fixed_dictionaries({"name": st.sampled_from(NAMES)}, optional=overrides() | more)
    return st.lists(component, max_size=5, unique_by=lambda each: each["name"])


def specs() -> st.SearchStrategy[dict[str, Any]]:
    """Specs of the right form; few of them make sense."""
    return st.fixed_dictionaries(
        {
            "profile": st.sampled_from(["WS1", "Custom"]),
            "environment": st.sampled_from(["development", "staging"]),
            "components": components({"type": st.sampled_from(["Service", "Service", "Service", "Job"])}),
            "environments": st.lists(
                st.fixed_dictionaries(
                    {"name": st.sampled_from(["staging", "moon"]), "components": components({})}
                ),
                max_size=2,
                unique_by=lambda each: each["name"],
            ),
        },
        optional={"image": st.just({"repository": "registry.example/all"})},
    )


def graphs() -> st.SearchStrategy[list[list[int]]]:
    """Graphs alone, as the targets of each node. Sound systems are rare among random specs; of these, with few
    edges that lead back, most are sound."""
    return st.integers(1, 12).flatmap(
        lambda size: st.lists(
            st.lists(st.integers(0, size - 1), max_size=3, unique=True), min_size=size, max_size=size
        )
    )
