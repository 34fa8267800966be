"""Simulated pods that lose their health: the cluster's own would stay ready for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from alluse_operator.api import names
from alluse_operator.cluster.kinds import POD
from watching import Watcher

Object = dict[str, Any]


def pods_of(watcher: Watcher, component: str) -> dict[str, Object]:
    """By uid; those that are on their way out are not counted."""
    return {
        pod["metadata"]["uid"]: pod
        for pod in watcher.list(POD)
        if pod["metadata"]["labels"][names.COMPONENT_LABEL] == component
        and not pod["metadata"].get("deletionTimestamp")
    }


def sicken(watcher: Watcher, component: str) -> str:
    """Its pod runs and has not been ready for a minute; answers the pod's uid."""
    [(uid, pod)] = pods_of(watcher, component).items()
    long_ago = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    before = (datetime.now(UTC) - timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = pod["status"]
    lost = ("Ready", "ContainersReady")
    conditions = [row for row in status["conditions"] if row["type"] not in lost]
    conditions += [{"type": name, "status": "False", "lastTransitionTime": long_ago} for name in lost]
    containers = [
        {**row, "ready": False, "state": {"running": {"startedAt": before}}}
        for row in status["containerStatuses"]
    ]
    patch = {"status": {"conditions": conditions, "containerStatuses": containers}}
    watcher.patch(POD, pod["metadata"]["name"], patch, "status")
    return uid
