"""The corpus of resources, without an API server: Python refuses what the API server refuses."""

from __future__ import annotations

import re

import pytest

from alluse_operator.api import crd, validation
from alluse_operator.api.errors import FieldError
from alluse_operator.api.rules import Rule, local_rules
from alluse_operator.api.system_rules import system_rules
from alluse_operator.catalog import INTERLOCKS, SPECS
from resource_corpus import Case, accepted, refused

RULES = (*system_rules(SPECS), *local_rules())
#: Rules that compare with the stored object: no single resource breaks them.
TRANSITIONS = tuple(rule for rule in RULES if "oldSelf" in rule.rule)


def errors(case: Case) -> list[FieldError]:
    """What Python says about a resource of the corpus."""
    if not isinstance(case.spec, dict):
        return [FieldError("spec", "is no object")]
    try:
        parsed = validation.parse(case.spec)
    except validation.InvalidSpec as invalid:
        return list(invalid.errors)
    return list(validation.validate(case.name, parsed, SPECS, INTERLOCKS))


@pytest.mark.parametrize("case", refused(), ids=lambda case: case.identifier)
def test_python_refuses_what_the_api_server_refuses(case: Case) -> None:
    found = errors(case)
    assert found
    # The API server knows rules over the whole system only by their list: Python may be more exact.
    roots = {field.group() for line in case.errors if (field := re.match(r"\w+(\.\w+)?", line))}
    assert any(error.path.startswith(root) for error in found for root in roots) or "strict" in case.errors[0]


@pytest.mark.parametrize("case", accepted(), ids=lambda case: case.identifier)
def test_python_accepts_what_the_api_server_accepts(case: Case) -> None:
    assert errors(case) == []


@pytest.mark.parametrize(
    "rule",
    [rule for rule in RULES if rule not in TRANSITIONS],
    ids=lambda rule: f"{rule.where}.{rule.field} {rule.message[:40]}",
)
def test_every_rule_refuses_something_in_the_corpus(rule: Rule) -> None:
    """So that a rule which is lost, or has become too weak, is missed: the errors are compared exactly."""
    path = re.escape(".".join(part for part in (rule.where, rule.field) if part)).replace(r"\[\]", r"\[\d+\]")
    parts = rule.message.split(": ")
    lines = [line for case in refused() for line in case.errors]
    assert any(
        re.match(f"{path}: Invalid value: ", line) and all(part in line for part in parts) for line in lines
    )


def test_the_corpus_is_large_and_has_no_case_twice() -> None:
    cases = refused()
    assert len(cases) >= 60
    assert len({case.sentence for case in cases}) == len(cases)


def test_every_rule_is_in_the_definition() -> None:
    def count(schema: dict[str, object]) -> int:
        below = list(schema.values()) if isinstance(schema, dict) else schema
        here = len(schema.get("x-kubernetes-validations", ())) if isinstance(schema, dict) else 0
        return here + sum(count(each) for each in below if isinstance(each, dict | list))

    assert count(crd.build_crd(SPECS)) == len(RULES)
