"""The API server (CEL) and the operator (Python) come to the same verdict on systems that nobody thought of.

Small worlds make the interesting things likely: few names, so that edges meet; names of the catalog, so
that layers meet; a second environment, selected half of the time.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from alluse_operator.api import messages, validation
from alluse_operator.catalog import SPECS
from apiserver import ApiServer, system

#: Some of the catalog (the root, a middle, the one that waits for seven), and some that are not in it.
NAMES = ("config-manager", "market-analyzer", "memory-manager", "enhanced-agent", "journal", "ledger", "tool")

#: The sentences by which a problem is known. A Job's fields have one sentence each in Python, and one
#: for all of them where the API server speaks of environments.
JOB_FIELDS = (*messages.JOB_FIELDS.values(), messages.JOB_OVERRIDE)
PROBLEMS = (
    messages.CUSTOM_EMPTY, messages.ENVIRONMENT, messages.UNKNOWN_DEPENDENCY, messages.UNKNOWN_CALL,
    messages.UNKNOWN_OVERRIDE, messages.SELF_DEPENDENCY, messages.SELF_CALL, messages.CYCLE, messages.DISABLED,
    messages.COMPLETED_SERVICE, messages.HEALTHY_JOB, *JOB_FIELDS, messages.CATALOG_JOB, messages.ONE_REPLICA,
    messages.IMAGE_MISSING, messages.STOP_GRACE,
)  # fmt: skip
#: Python also finds this one when it only appears in the merged layers.
MERGED = messages.TIMEOUT


def problems(lines: list[str]) -> set[str]:
    """The problems that some errors speak of. Every error must be about one of those above."""
    found = {problem for problem in PROBLEMS for line in lines if problem in line}
    strange = [line for line in lines if not any(problem in line for problem in (*PROBLEMS, MERGED))]
    assert strange == []
    return {"a field of a Job" if problem in JOB_FIELDS else problem for problem in found}


def edges() -> st.SearchStrategy[list[dict[str, str]]]:
    edge = st.fixed_dictionaries(
        {"name": st.sampled_from(NAMES)},
        optional={
            "condition": st.sampled_from(["Started", "Healthy", "Completed"]),
            "requirement": st.sampled_from(["Required", "Preferred"]),
        },
    )
    return st.lists(edge, max_size=3, unique_by=lambda each: each["name"])


def overrides() -> dict[str, st.SearchStrategy[Any]]:
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
    component = st.fixed_dictionaries({"name": st.sampled_from(NAMES)}, optional=overrides() | more)
    return st.lists(component, max_size=5, unique_by=lambda each: each["name"])


SPECS_AT_RANDOM = st.fixed_dictionaries(
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

#: Sound systems are rare among random ones; graphs alone, where few edges lead back, are mostly sound.
GRAPHS = st.integers(1, 12).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, size - 1), max_size=3, unique=True), min_size=size, max_size=size
    )
)


def verdict(spec: dict[str, Any]) -> list[str]:
    """What Python finds."""
    return [str(error) for error in validation.validate("demo", validation.parse(spec), SPECS)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=120)
@given(spec=SPECS_AT_RANDOM)
def test_both_find_the_same_problems_in_any_system(api: ApiServer, spec: dict[str, Any]) -> None:
    answer = api.create(system(spec), "default", dry_run=True)
    said, found = [] if answer.ok else answer.errors, verdict(spec)
    assert problems(said) == problems(found)
    if any(MERGED in line for line in said):
        assert any(MERGED in line for line in found)
    for problem in problems(said) or {"nothing wrong"}:
        event(problem)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(targets=GRAPHS)
def test_both_find_the_same_cycles(api: ApiServer, targets: list[list[int]]) -> None:
    names = [f"c{index}" for index in range(len(targets))]
    spec = {
        "profile": "Custom",
        "image": {"repository": "registry.example/a"},
        "components": [
            # Edges lead to components with a lower number, one in a dozen of the others leads back.
            {
                "name": names[index],
                "dependsOn": [{"name": names[t]} for t in edges if t < index or t % 12 == 0],
            }
            for index, edges in enumerate(targets)
        ],
    }
    answer = api.create(system(spec), "default", dry_run=True)
    found = verdict(spec)
    event("cyclic" if found else "acyclic")
    assert answer.ok == (not found), (answer.errors, found)
    if any(messages.CYCLE in error for error in found):
        # Python names exactly the cycle; the API server may also name what is not far behind it.
        assert members(found) <= members(answer.errors)


def members(errors: list[str]) -> set[str]:
    """The components that an error about a cycle names."""
    line = next(error for error in errors if messages.CYCLE in error)
    return set(line.partition(f"{messages.CYCLE}: ")[2].partition(";")[0].split(", "))
