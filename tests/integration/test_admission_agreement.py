"""The API server (CEL) and the operator (Python) come to the same verdict on systems that nobody thought of."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, event, given, settings

from alluse_operator.api import messages, validation
from alluse_operator.catalog import SPECS
from apiserver import ApiServer, system
from spec_strategies import graphs, specs

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


def unsure(said: list[str]) -> set[str]:
    """What the two need not agree on: the API server takes an override of a component that does not exist for
    a part of the graph, Python does not. It is refused for what it is by both."""
    unknown = any(messages.UNKNOWN_OVERRIDE in line for line in said)
    return {messages.CYCLE, messages.DISABLED} if unknown else set()


def verdict(spec: dict[str, Any]) -> list[str]:
    """What Python finds."""
    return [str(error) for error in validation.validate("demo", validation.parse(spec), SPECS)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=120)
@given(spec=specs())
def test_both_find_the_same_problems_in_any_system(api: ApiServer, spec: dict[str, Any]) -> None:
    answer = api.create(system(spec), "default", dry_run=True)
    said, found = [] if answer.ok else answer.errors, verdict(spec)
    assert problems(said) - unsure(said) == problems(found) - unsure(said)
    if any(MERGED in line for line in said):
        assert any(MERGED in line for line in found)
    for problem in problems(said) or {"nothing wrong"}:
        event(problem)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(targets=graphs())
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
