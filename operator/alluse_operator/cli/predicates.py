"""The predicates Started, Healthy and Completed, taken apart into checks with what was found and wanted.

They are the start gate's and the status's, computed here once more from the live objects, so that a person
sees which part is false. What the operator alone can see (deep checks) is taken from its status.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.api.spec import ComponentType, DependencyCondition
from alluse_operator.cli.picture import Picture, Row
from alluse_operator.cli.words import ago, clock, span
from alluse_operator.core.desired import Component
from alluse_operator.core.observed import PodView, WorkloadView

#: The operator says one of these when the deep check is what is wrong.
_DEEP = frozenset({ComponentReason.PROBE_FAILED, ComponentReason.RECOVERY_BUDGET_EXHAUSTED})


@dataclass(frozen=True, slots=True)
class Check:
    """One part of a predicate. `holds` is None where it cannot be told from here."""

    what: str
    found: str
    holds: bool | None


def checks(picture: Picture, name: str, condition: DependencyCondition) -> tuple[Check, ...]:
    """The parts of `condition` for a component, in the order in which they come true."""
    component, workload = picture.component(name), picture.workloads.get(name)
    row = picture.rows.get(name) or Row(name)
    if workload is None:
        wanted = "its workload exists"
        return (Check(wanted, "there is none", False),)
    pods = tuple(pod for pod in picture.pods.get(name, ()) if not pod.deleting)
    found = [_exists(workload), _asked(workload, row)]
    if condition is DependencyCondition.COMPLETED or workload.ref.kind == "Job":
        return (*found, _completed(workload, condition, pods))
    found.append(_seen(workload))
    mine = _of_revision(pods, workload)
    if condition is DependencyCondition.STARTED:
        return (*found, _started(mine, picture.now))
    wanted_replicas = component.replicas if component is not None else workload.replicas
    found += [_ready(mine, wanted_replicas, picture.now), _deep(component, row, mine, wanted_replicas)]
    if component is not None and component.health.healthy_for:
        found.append(_settled(component, row, mine, picture.now))
    return tuple(found)


def own_condition(component: Component | None, workload: WorkloadView | None) -> DependencyCondition:
    """What being well means for the component itself: a Job completes, a Service is healthy."""
    job = component.kind is ComponentType.JOB if component is not None else False
    if job or (workload is not None and workload.ref.kind == "Job"):
        return DependencyCondition.COMPLETED
    return DependencyCondition.HEALTHY


def _exists(workload: WorkloadView) -> Check:
    if workload.deleting:
        return Check("its workload exists", f"{workload.ref} is being deleted", False)
    return Check("its workload exists", str(workload.ref), True)


def _asked(workload: WorkloadView, row: Row) -> Check:
    what = "it was asked for the wanted revision"
    if not workload.ours or not row.revision:
        return Check(what, f"revision {workload.revision or 'unknown'}", None if workload.ours else True)
    if workload.revision == row.revision:
        return Check(what, f"revision {row.revision}", True)
    return Check(what, f"revision {workload.revision or 'none'}, wanted is {row.revision}", False)


def _seen(workload: WorkloadView) -> Check:
    found = f"observed generation {workload.observed_generation}, newest is {workload.generation}"
    return Check("its controller has seen the newest spec", found, workload.settled)


def _of_revision(pods: Iterable[PodView], workload: WorkloadView) -> tuple[PodView, ...]:
    live = (pod for pod in pods if pod.phase not in ("Failed", "Succeeded"))
    return tuple(pod for pod in live if not workload.ours or pod.revision == workload.revision)


def _started(pods: tuple[PodView, ...], now: datetime) -> Check:
    started = sum(pod.started for pod in pods)
    words = "; ".join(_pod_words(pod, now) for pod in pods if not pod.started) or "no pod of this revision"
    return Check(
        "a pod runs and has passed its startup probe",
        f"{started} of {len(pods)}" if started else words,
        started > 0,
    )


def _ready(pods: tuple[PodView, ...], wanted: int, now: datetime) -> Check:
    ready = sum(pod.ready for pod in pods)
    missing = [_pod_words(pod, now) for pod in pods if not pod.ready]
    if not pods:
        missing = ["there is no pod of this revision"]
    found = f"{ready} of {wanted} ready"
    if ready < wanted:
        found = "; ".join([found, *missing])
    return Check("enough pods of that revision are ready", found, ready >= wanted)


def _deep(component: Component | None, row: Row, pods: tuple[PodView, ...], wanted: int) -> Check:
    path = component.health.path if component is not None else None
    if component is not None and path is None:
        return Check("its deep check is good", "it has none: readiness decides", True)
    what = f"its deep check GET {path or 'of its health path'} is good"
    if component is not None:
        what += f" (fewer than {component.health.unhealthy_after} failures in a row)"
    if row.reason in _DEEP:
        return Check(what, row.message, False)
    if sum(pod.ready for pod in pods) < wanted:
        return Check(what, "not asked while no pod is ready", None)
    if row.well:
        return Check(what, row.message if row.state == "Degraded" else "the operator finds it good", True)
    return Check(what, "the status does not say", None)


def _settled(component: Component, row: Row, pods: tuple[PodView, ...], now: datetime) -> Check:
    length = component.health.healthy_for
    what = f"all this without a gap for {span(length)}"
    good = [pod.ready_since for pod in pods if pod.ready_since is not None]
    if row.well:
        return Check(what, "yes", True)
    if row.reason == ComponentReason.SETTLING and good:
        return Check(what, f"good {ago(max(good), now)}", False)
    return Check(what, "the gap is not over", False)


def _completed(workload: WorkloadView, condition: DependencyCondition, pods: tuple[PodView, ...]) -> Check:
    if condition is DependencyCondition.STARTED:
        begun = any(pod.running or pod.last_exit or pod.phase in ("Failed", "Succeeded") for pod in pods)
        return Check("its Job has begun", "yes" if begun else "no pod has run yet", begun)
    what = "its Job has succeeded"
    if workload.completed_at is not None:
        return Check(what, f"at {clock(workload.completed_at)}", True)
    if workload.failed_at is not None:
        return Check(what, f"it has failed at {clock(workload.failed_at)}: {workload.failed_message}", False)
    return Check(what, "it runs" if any(pod.running for pod in pods) else "it has not ended", False)


def _pod_words(pod: PodView, now: datetime) -> str:
    """Why a pod is not ready, in the cluster's own words."""
    said = f"pod {pod.name} "
    if pod.unscheduled_message:
        return f"{said}finds no node: {pod.unscheduled_message}"
    if pod.waiting_reason:
        why = f"{pod.waiting_reason}: {pod.waiting_message}" if pod.waiting_message else pod.waiting_reason
        return f"{said}waits ({why}){_end_words(pod)}"
    if not pod.running:
        return f"{said}does not run (phase {pod.phase or 'unknown'}){_end_words(pod)}"
    if not pod.started:
        return f"{said}runs and has not passed its startup probe yet{_end_words(pod)}"
    return f"{said}runs and is not ready {ago(pod.ready_changed_at, now)}{_end_words(pod)}"


def _end_words(pod: PodView) -> str:
    end = pod.last_exit
    if end is None:
        return ""
    at = f" at {clock(end.finished_at)}" if end.finished_at is not None else ""
    return f"; its container last ended with {end.reason or 'exit'}, code {end.exit_code}{at}"
