"""Which changes wake a pass at once."""

from __future__ import annotations

from typing import Any

import pytest

from alluse_operator.api.names import COMPONENT_LABEL
from alluse_operator.core.urgency import is_urgent


def pod(*, ready: bool = False, phase: str = "Pending", **metadata: Any) -> dict[str, Any]:
    conditions = [
        {"type": "PodScheduled", "status": "True"},
        {"type": "Ready", "status": "True" if ready else "False"},
    ]
    return {"metadata": metadata, "status": {"phase": phase, "conditions": conditions}}


def workload(generation: int = 1, observed: int = 1, available: int = 0, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"generation": generation, **metadata},
        "status": {"observedGeneration": observed, "availableReplicas": available},
    }


COUNTED = {"deployment.kubernetes.io/revision": "1"}
GONE = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("case", "kind", "before", "after", "urgent"),
    [
        ("a pod is made", "Pod", None, pod(), False),
        ("a pod is found that is ready already", "Pod", None, pod(ready=True), True),
        ("a pod runs and is not ready yet", "Pod", pod(), pod(phase="Running"), False),
        ("a pod becomes ready", "Pod", pod(), pod(ready=True, phase="Running"), True),
        ("a pod is no longer ready", "Pod", pod(ready=True), pod(), True),
        ("a pod is being deleted", "Pod", pod(), pod(**GONE), True),
        ("a pod has ended", "Pod", pod(phase="Running"), pod(phase="Failed"), True),
        ("a workload is found", "Deployment", None, workload(), True),
        ("a workload counts on", "Deployment", workload(), workload(available=1), False),
        ("a controller has seen a workload", "StatefulSet", workload(2, 1), workload(2, 2), False),
        ("a controller counts a rollout", "Deployment", workload(), workload(annotations=COUNTED), False),
        ("a spec is edited", "Deployment", workload(), workload(2), True),
        ("a label is edited", "Deployment", workload(labels={"a": "b"}), workload(labels={}), True),
        ("an annotation is edited", "Deployment", workload(), workload(annotations={"a": "b"}), True),
        ("a workload is being deleted", "Deployment", workload(), workload(**GONE), True),
        ("a Job tells anything", "Job", workload(), workload(available=1), True),
        ("anything else changes", "Service", workload(), workload(), True),
    ],
)
def test_urgency(case: str, kind: str, before: Any, after: Any, urgent: bool) -> None:
    assert is_urgent(kind, before, after, []) is urgent, case


@pytest.mark.parametrize(
    ("case", "component", "ready", "urgent"),
    [
        ("its pod is ready already: the gate opens now", "a", True, True),
        ("its pod is not ready yet: the pod will tell", "a", False, False),
        ("the pod of another component is ready", "b", True, False),
    ],
)
def test_a_controller_that_is_later_than_the_pod(
    case: str, component: str, ready: bool, urgent: bool
) -> None:
    made = workload(1, 0, labels={COMPONENT_LABEL: "a"})
    seen = workload(1, 1, labels={COMPONENT_LABEL: "a"})
    beside = [
        {"kind": "Pod", **pod(ready=ready, labels={COMPONENT_LABEL: component})},
        {"kind": "Service", **made},
    ]
    assert is_urgent("Deployment", made, seen, beside) is urgent, case
