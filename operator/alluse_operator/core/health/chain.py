"""The chains: in which order the rules speak, first match wins.

Each rule takes a `Sight` and answers with an `Assessment` or None. A new rule is one function in the module
of its subject and one line in a chain. Times come from the cluster's own stamps where it has one, so that a
new operator says the same as the old.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from alluse_operator.api.spec import ComponentType
from alluse_operator.core.health import flapping, jobs, pods, probes, readiness
from alluse_operator.core.sight import Sight
from alluse_operator.core.verdicts import Assessment

Rule = Callable[[Sight], Assessment | None]

SERVICE_RULES: tuple[Rule, ...] = (
    pods.absent,
    pods.stopping,
    pods.stranded,
    pods.refused,
    pods.pod_trouble,
    pods.unschedulable,
    readiness.hung,
    readiness.unheard,
    readiness.restarted,
    readiness.recovering,
    pods.evicted,
    readiness.replaced,
    readiness.starting,
    probes.probe_failed,
    probes.probe_silent,
    flapping.flapping,
    probes.settling,
    probes.not_in_service,
    probes.reports_degraded,
    probes.slow,
    probes.healthy,
)
JOB_RULES: tuple[Rule, ...] = (
    pods.absent,
    pods.stopping,
    jobs.job_ended,
    pods.stranded,
    pods.refused,
    pods.pod_trouble,
    pods.unschedulable,
    jobs.job_running,
)


def assess(sight: Sight) -> Assessment:
    """The component's state. Predicates for gates (started, healthy, completed) are set beside it."""
    chain = JOB_RULES if sight.component.kind is ComponentType.JOB else SERVICE_RULES
    verdict = next(found for rule in chain if (found := rule(sight)) is not None)
    return replace(
        verdict,
        current=sight.current,
        serving=sight.serving,
        started=sight.current and (verdict.started or any(pod.started for pod in sight.asked)),
        healthy=verdict.healthy and sight.current and sight.workload is not None and sight.workload.settled,
        completed=verdict.completed and sight.current,
        failed=verdict.failed and sight.current,
    )
