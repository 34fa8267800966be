"""Whether a drill may begin: where breaking a component could hurt, it is refused, and the reason is said."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from alluse.contract import COMPONENTS, ENV_FAULTS, FAULTS_ENABLED
from alluse_operator.api.names import COMPONENT_LABEL, SYSTEM_LABEL
from alluse_operator.cli.picture import Picture
from alluse_operator.core.objects import Object, labels, mapping_at, metadata

_TEST: Final = "test"


def refusal(picture: Picture, name: str, pod: Object | None) -> tuple[str, str] | None:
    """Why a drill on `name` would not be safe, and what to do; None: it may begin."""
    component, row = picture.component(name), picture.rows.get(name)
    if component is None or row is None:
        return f"the system has no component {name}", f"One of: {', '.join(picture.rows) or 'none yet'}"
    if name not in COMPONENTS or not component.catalog or not component.managed:
        return (
            f"{name} is not one of the built-in components, which alone can be broken on request",
            f"One of: {', '.join(COMPONENTS)}",
        )
    if pod is None:
        return f"{name} has no pod that is ready", f"See: kubectl allusesystem why {name}"
    environment = str(picture.status.get("environment", ""))
    if environment != _TEST and _variable(pod, ENV_FAULTS) != FAULTS_ENABLED:
        return (
            f"{picture.namespace}/{picture.name} runs in the environment {environment or 'unknown'}, where "
            f"{name} does not let itself be broken",
            f"Use a system with `environment: {_TEST}`, or give the component the environment variable "
            f"{ENV_FAULTS}={FAULTS_ENABLED}.",
        )
    return _unwell(picture, name) or _past_the_budget(picture, name)


def _unwell(picture: Picture, name: str) -> tuple[str, str] | None:
    look = "See: kubectl allusesystem status"
    if not picture.holds("Ready"):
        message = picture.condition("Ready").get("message", "it does not say why")
        return f"the system is not Ready: {message}", f"A drill begins when it is. {look}"
    if picture.holds("RecoverySuspended"):
        return f"recovery is suspended: {picture.condition('RecoverySuspended').get('message', '')}", look
    sick = [row.name for row in picture.rows.values() if row.sick or row.state == "Degraded"]
    if sick:
        return f"not everything is well: {', '.join(sick)}", f"A drill needs a quiet system. {look}"
    return None


def _past_the_budget(picture: Picture, name: str) -> tuple[str, str] | None:
    if picture.system is None:
        return "the spec is not valid", "See: kubectl allusesystem status"
    policy, count = picture.system.recovery, len(picture.system.components)
    row = picture.rows[name]
    if row.attempts >= policy.max_actions:
        return (
            f"{name} has used up its recovery budget ({row.attempts} actions)",
            f"Wait until it is clean, or: kubectl allusesystem retry {name}",
        )
    share = 100 * (count - 1) // count
    if share < policy.min_healthy_percent:
        return (
            f"without {name} only {share} % of the components are healthy, and "
            f"recovery.budget.minHealthyPercent is {policy.min_healthy_percent}",
            "Lower it, or try a larger system.",
        )
    return None


def ready_pod(pods: Iterable[Object], system: str, name: str) -> Object | None:
    """A pod of a component that is ready, as kubectl printed it."""
    for raw in pods:
        if (labels(raw).get(SYSTEM_LABEL), labels(raw).get(COMPONENT_LABEL)) != (system, name):
            continue
        conditions = mapping_at(raw, "status").get("conditions") or ()
        ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
        if ready and not metadata(raw).get("deletionTimestamp"):
            return raw
    return None


def _variable(pod: Object, name: str) -> str:
    """The value of an environment variable of the pod's container, as it is written there."""
    for container in mapping_at(pod, "spec").get("containers") or ():
        for variable in container.get("env") or ():
            if variable.get("name") == name:
                return str(variable.get("value", ""))
    return ""
