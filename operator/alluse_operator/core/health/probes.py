"""Rules about services whose pods are ready: what the operator's own deep checks say of them."""

from __future__ import annotations

from datetime import datetime, timedelta

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.api.status import ComponentState
from alluse_operator.core.health.words import good_since, say
from alluse_operator.core.observed import PodView, ProbeOutcome
from alluse_operator.core.sight import Sight
from alluse_operator.core.verdicts import Assessment

#: So many late answers in a row make a component slow.
SLOW_AFTER = 3
#: The cluster puts a ready pod into its Service within so long, or something is wrong.
IN_SERVICE_WITHIN = timedelta(seconds=10)
#: How often to look whether a pod has got into its Service: a gain there wakes nobody.
LOOK_AGAIN = timedelta(seconds=5)
#: A process that has ended is the kubelet's to start again; only when it has not for so long, the pod is.
KUBELET_STARTS_WITHIN = timedelta(seconds=10)


def probe_failed(sight: Sight) -> Assessment | None:
    failed = [pod for pod in sight.ready if sight.probe_failed(pod)]
    if not failed:
        return None
    first = min(failed, key=lambda pod: (_probe_since(sight, pod), pod.name))
    reading = sight.reading(first)
    what = reading.message if reading is not None else ""
    said = f"{reading.failures if reading else 0} deep checks in a row failed on pod {first.name}"
    good = len(sight.ready) > len(failed)
    since = _probe_since(sight, first)
    ours_at = since + KUBELET_STARTS_WITHIN if reading is not None and reading.refused else since
    return say(
        sight,
        ComponentState.DEGRADED if good else ComponentState.UNHEALTHY,
        ComponentReason.PROBE_FAILED,
        f"{said}: {what}" if what else said,
        since,
        suspect=first.uid if sight.now >= ours_at else "",
        recheck_at=ours_at if sight.now < ours_at else None,
    )


def probe_silent(sight: Sight) -> Assessment | None:
    """It was failing its deep check when we last knew, and nothing new is known: do not call it healthy."""
    before = sight.previous
    if (
        before is None
        or before.reason not in (ComponentReason.PROBE_FAILED, ComponentReason.RECOVERY_BUDGET_EXHAUSTED)
        or before.state not in (ComponentState.UNHEALTHY, ComponentState.DEGRADED, ComponentState.UNKNOWN)
        or sight.component.health.path is None
    ):
        return None
    silent = [p for p in sight.ready if sight.reading(p) is None and _older_than_verdict(p, before.since)]
    if not silent:
        return None
    return say(
        sight,
        ComponentState.UNKNOWN,
        ComponentReason.PROBE_FAILED,
        f"pod {silent[0].name} failed its deep checks, and there is no newer answer",
    )


def settling(sight: Sight) -> Assessment | None:
    """Good, but not for long enough without a gap."""
    settled_at = good_since(sight) + sight.component.health.healthy_for
    if sight.now >= settled_at:
        return None
    return say(
        sight,
        ComponentState.RECOVERING if sight.was_healthy else ComponentState.STARTING,
        ComponentReason.SETTLING,
        f"good since {good_since(sight):%H:%M:%SZ}, counts as healthy after "
        f"{int(sight.component.health.healthy_for.total_seconds())} s without a gap",
        good_since(sight),
        recheck_at=settled_at,
    )


def reports_degraded(sight: Sight) -> Assessment | None:
    for pod in sight.ready:
        reading = sight.reading(pod)
        if reading is not None and reading.outcome is ProbeOutcome.DEGRADED:
            return say(
                sight,
                ComponentState.DEGRADED,
                ComponentReason.REPORTS_DEGRADED,
                f"pod {pod.name} works with something missing: {reading.message or 'it does not say what'}",
                reading.since or reading.at,
                healthy=True,
            )
    return None


def slow(sight: Sight) -> Assessment | None:
    """It computes correctly and takes long: worth knowing, never a reason to restart it."""
    for pod in sight.ready:
        reading = sight.reading(pod)
        if reading is not None and reading.outcome is ProbeOutcome.GOOD and reading.slow >= SLOW_AFTER:
            limit = sight.component.health.timeout.total_seconds()
            return say(
                sight,
                ComponentState.DEGRADED,
                ComponentReason.SLOW,
                f"pod {pod.name} answers its deep checks correctly, but needs more than half of {limit:g} s",
                reading.at,
                healthy=True,
            )
    return None


def not_in_service(sight: Sight) -> Assessment | None:
    """Its pods are ready, and its Service does not lead to them."""
    found = _left_out(sight)
    if found is None or sight.now < found[1]:
        return None
    pod, expected_by = found
    return say(
        sight,
        ComponentState.DEGRADED,
        ComponentReason.NOT_IN_SERVICE,
        f"pod {pod.name} is ready, and the component's Service does not lead to it",
        expected_by,
        recheck_at=sight.now + LOOK_AGAIN,
        healthy=sight.endpoints is not None and any(pod.uid in sight.endpoints for pod in sight.ready),
    )


def healthy(sight: Sight) -> Assessment:
    doubted = any(
        (reading := sight.reading(pod)) is not None and reading.outcome is ProbeOutcome.FAILED
        for pod in sight.ready
    )
    found = _left_out(sight)
    return say(
        sight,
        ComponentState.HEALTHY,
        ComponentReason.HEALTHY,
        f"{sight.ready_count} of {sight.wanted_replicas} pods ready",
        good_since(sight),
        recheck_at=found[1] if found is not None else None,
        # One failed check is no verdict yet, but no moment to start others on it either.
        healthy=not doubted,
    )


def _left_out(sight: Sight) -> tuple[PodView, datetime] | None:
    """The ready pod that its Service has left out for the longest time, and by when it should lead there."""
    if sight.endpoints is None:
        return None
    waiting = [
        (pod.ready_changed_at or pod.created_at, pod.name, pod)
        for pod in sight.ready
        if pod.uid not in sight.endpoints
    ]
    if not waiting:
        return None
    ready_at, _, pod = min(waiting)
    return pod, ready_at + IN_SERVICE_WITHIN


def _probe_since(sight: Sight, pod: PodView) -> datetime:
    reading = sight.reading(pod)
    return (reading.since or reading.at) if reading is not None else sight.now


def _older_than_verdict(pod: PodView, since: datetime | None) -> bool:
    return since is None or pod.ready_changed_at is None or pod.ready_changed_at <= since
