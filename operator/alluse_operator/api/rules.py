"""The rules across fields that the API server checks at `kubectl apply`, in CEL: those within one object.

One row, one rule: where it belongs, the expression, and what a person is told. The
rules over the whole system are in `system_rules`. `validation` states the same rules
in Python, for a resource that slips past (stored under an older definition) and for
what CEL cannot see (the values after the layers are merged).
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from alluse_operator.api import messages
from alluse_operator.api.spec import (
    CONFIG_KEY,
    HEALTH_DEFAULTS,
    RESERVED_VARIABLE_PREFIX,
    RESERVED_VARIABLES,
    SMALLEST_CLAIM,
    SMALLEST_MEMORY,
    RecoveryAction,
)

#: The two places where a component is written.
COMPONENT: Final = "spec.components[]"
OVERRIDE: Final = "spec.environments[].components[]"
WRITTEN: Final = (COMPONENT, OVERRIDE)


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `x-kubernetes-validations`."""

    where: str
    """Path of the schema that carries the rule; `[]` is the item of a list, `""` the resource itself."""
    rule: str
    message: str
    """The sentence, or what is said when `message_expression` fails to evaluate."""
    message_expression: str = ""
    field: str = ""
    """Field below `where` that the error points at."""

    def to_json(self) -> dict[str, Any]:
        """The entry as the CustomResourceDefinition has it."""
        entry: dict[str, Any] = {"rule": self.rule, "message": self.message}
        if self.message_expression:
            entry["messageExpression"] = self.message_expression
        if self.field:
            entry["fieldPath"] = f".{self.field}"
        return entry

    def lifted(self) -> tuple[str, dict[str, Any]]:
        """Where the entry goes, and the entry. A rule over the whole spec goes to the root, from where the
        status can be seen, and is not asked when only that is written.
        """
        entry = self.to_json()
        if self.where != _SPEC:
            return self.where, entry
        entry["rule"] = f"({_STATUS_WRITTEN}) || ({_from_root(self.rule)})"
        entry["optionalOldSelf"] = True
        entry["fieldPath"] = f".{_SPEC}.{self.field}"
        if self.message_expression:
            entry["messageExpression"] = _from_root(self.message_expression)
        return "", entry


_SPEC: Final = "spec"
#: Every write of the status comes by the rules, too, and a start of a system writes it a dozen times. No
#: write changes both spec and status (they are two resources to the API server), and the summary says whether
#: the status is new: that is far cheaper to see than that the spec is the old one.
_STATUS_WRITTEN: Final = (
    "oldSelf.hasValue() && has(oldSelf.value().status) && has(oldSelf.value().status.summary)"
    " && has(self.status) && has(self.status.summary)"
    " && oldSelf.value().status.summary != self.status.summary"
)


def _from_root(expression: str) -> str:
    """An expression over the spec, for the schema of the whole resource."""
    return re.sub(r"\bself\.", f"self.{_SPEC}.", expression)


def local_rules() -> tuple[Rule, ...]:
    """The rules that need to see one object only."""
    components = tuple(
        rule
        for where in WRITTEN
        for rule in (*_component(where), *_health(where), *_resources(where), *_storage(where), *_env(where))
    )
    jobs = tuple(
        Rule(COMPONENT, f"self.type != 'Job' || !has(self.{name})", message, field=name)
        for name, message in messages.JOB_FIELDS.items()
    )
    backoff = Rule(
        "spec.recovery.backoff",
        "self.initialSeconds <= self.maxSeconds",
        messages.BACKOFF,
        field="initialSeconds",
    )
    ladder = Rule(
        "spec.recovery",
        f"!self.ladder.exists(r, r.action == '{RecoveryAction.SAFE_STATE}')"
        f" || self.ladder[size(self.ladder) - 1].action == '{RecoveryAction.SAFE_STATE}'",
        messages.SAFE_STATE_LAST,
        field="ladder",
    )
    interlock = Rule(
        "spec.interlocks[]", "!(self.guards in self.requires)", messages.INTERLOCK_SELF, field="requires"
    )
    return (*components, *jobs, backoff, ladder, interlock, *_config())


def _component(where: str) -> tuple[Rule, ...]:
    return (
        Rule(
            where,
            "!has(self.dependsOn) || self.dependsOn.all(d, d.name != self.name)",
            messages.SELF_DEPENDENCY,
            f"self.name + ': {messages.SELF_DEPENDENCY}'",
            "dependsOn",
        ),
        Rule(
            f"{where}.dependsOn[]",
            "self.requirement == 'Required' || self.onUnhealthy in ['Ignore', 'Hold']",
            messages.PREFERRED_EDGE,
            field="onUnhealthy",
        ),
        Rule(
            where,
            "!has(self.calls) || !(self.name in self.calls)",
            messages.SELF_CALL,
            f"self.name + ': {messages.SELF_CALL}'",
            "calls",
        ),
    )


def _health(where: str) -> tuple[Rule, ...]:
    timeout = f"(has(self.timeoutSeconds) ? self.timeoutSeconds : {HEALTH_DEFAULTS.timeout_seconds})"
    period = f"(has(self.periodSeconds) ? self.periodSeconds : {HEALTH_DEFAULTS.period_seconds})"
    return (Rule(f"{where}.health", f"{timeout} <= {period}", messages.TIMEOUT, field="timeoutSeconds"),)


def _resources(where: str) -> tuple[Rule, ...]:
    return (
        *(
            Rule(
                f"{where}.resources",
                f"!has(self.requests) || !has(self.requests.{name})"
                f" || !has(self.limits) || !has(self.limits.{name})"
                f" || {_at_least(f'self.limits.{name}', f'self.requests.{name}')}",
                message,
                field=f"limits.{name}",
            )
            for name, message in messages.LIMIT_BELOW_REQUEST.items()
        ),
        *(
            Rule(
                f"{where}.resources.{kind}",
                f"!has(self.memory) || {_at_least('self.memory', SMALLEST_MEMORY)}",
                messages.MEMORY_SMALL,
                field="memory",
            )
            for kind in ("requests", "limits")
        ),
    )


def _storage(where: str) -> tuple[Rule, ...]:
    def class_of(storage: str) -> str:
        return f"(has({storage}.storageClassName) ? {storage}.storageClassName : '')"

    return (
        Rule(
            f"{where}.storage",
            _at_least("self.size", SMALLEST_CLAIM),
            messages.SIZE_SMALL,
            field="size",
        ),
        # A transition rule: it holds between the stored object and the new one.
        Rule(
            f"{where}.storage",
            f"{_at_least('self.size', 'oldSelf.size')} && {_at_least('oldSelf.size', 'self.size')}"
            f" && {class_of('self')} == {class_of('oldSelf')}",
            messages.STORAGE_CHANGED,
        ),
    )


def _env(where: str) -> tuple[Rule, ...]:
    reserved = ", ".join(f"'{name}'" for name in RESERVED_VARIABLES)
    return (
        Rule(f"{where}.env[]", "has(self.value) != has(self.secretKeyRef)", messages.ENV_SOURCE),
        Rule(
            f"{where}.env[]",
            f"!self.name.startsWith('{RESERVED_VARIABLE_PREFIX}') && !(self.name in [{reserved}])",
            messages.ENV_RESERVED,
            field="name",
        ),
    )


def _config() -> tuple[Rule, ...]:
    rule = f"self.all(key, key.matches('{CONFIG_KEY}'))"
    places = ("spec", "spec.environments[]", *WRITTEN)
    return tuple(Rule(f"{place}.config", rule, messages.CONFIG_KEYS) for place in places)


def _at_least(field: str, other: str) -> str:
    """Whether a field is not below another one, or not below an amount. A field may hold a number instead of
    a string; what is no quantity is left to the pattern of the field."""
    if "." not in other:
        return f"!isQuantity(string({field})) || {_quantity(field)}.compareTo(quantity('{other}')) >= 0"
    return (
        f"(!isQuantity(string({field})) || !isQuantity(string({other}))"
        f" || {_quantity(field)}.compareTo({_quantity(other)}) >= 0)"
    )


def _quantity(field: str) -> str:
    return f"quantity(string({field}))"
