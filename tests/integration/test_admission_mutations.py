"""The corpus bites: without a rule, the API server takes what the corpus says it refuses.

That each rule is named by some error of the corpus is checked without a server (tests/unit/api). Here rules of
different kinds are really taken out, in a second definition beside the true one.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from alluse_operator.api import messages, names
from apiserver import DEFINITION, ApiServer, Object
from resource_corpus import Case, refused

TAKEN_OUT = (
    messages.CYCLE,
    messages.DISABLED,
    messages.UNKNOWN_OVERRIDE,
    messages.ENV_SOURCE,
    messages.LIMIT_BELOW_REQUEST["cpu"],
)
GROUP = f"mutant.{names.GROUP}"


@pytest.fixture(scope="module")
def mutant(api: ApiServer) -> ApiServer:
    """The API server, with a definition in another group that lacks the rules."""
    definition = yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))
    api.install_definition(without(definition, TAKEN_OUT, GROUP))
    return api


def only_about(message: str) -> list[Case]:
    """Cases that are refused for one reason."""
    cases = [case for case in refused() if all(message in line for line in case.errors)]
    assert cases, f"no case is only about {message!r}"
    return cases


@pytest.mark.parametrize("message", TAKEN_OUT)
def test_without_the_rule_its_cases_are_accepted(mutant: ApiServer, message: str) -> None:
    for case in only_about(message):
        resource = case.resource | {"apiVersion": f"{GROUP}/{names.VERSION}"}
        answer = mutant.create(resource, "default", dry_run=True)
        assert answer.ok, f"{case.sentence}: {answer.errors}"


@pytest.mark.parametrize("message", [messages.TOO_MANY, messages.COMPLETED_SERVICE, messages.SELF_CALL])
def test_the_other_rules_still_refuse_theirs(mutant: ApiServer, message: str) -> None:
    for case in only_about(message):
        resource = case.resource | {"apiVersion": f"{GROUP}/{names.VERSION}"}
        assert mutant.create(resource, "default", dry_run=True).errors == sorted(case.errors)


def without(definition: Object, messages: tuple[str, ...], group: str) -> Object:
    """The definition in another group, without the rules that say one of the messages."""
    changed = copy.deepcopy(definition)
    changed["metadata"]["name"] = f"{names.PLURAL}.{group}"
    changed["spec"]["group"] = group
    for message in messages:
        assert _remove(changed["spec"]["versions"], message), f"no rule says {message!r}"
    return changed


def _remove(node: Any, message: str) -> int:
    """Take the rules out of a schema; how many there were."""
    if isinstance(node, list):
        return sum(_remove(each, message) for each in node)
    if not isinstance(node, dict):
        return 0
    rules = node.get("x-kubernetes-validations", [])
    kept = [rule for rule in rules if message not in rule["message"]]
    if rules:
        node["x-kubernetes-validations"] = kept
    return len(rules) - len(kept) + sum(_remove(each, message) for each in node.values())
