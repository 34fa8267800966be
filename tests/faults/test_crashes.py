"""Killed at every write of a system's life, and with every kind of answer: the end is the same, nothing is
left.
"""

from __future__ import annotations

import collections
import json
from pathlib import Path
from typing import Any

import pytest

import specs
from alluse_operator.api import names
from alluse_operator.cluster.kinds import CHILDREN, CLAIM, CONTROLLER_REVISION, ENDPOINT_SLICE, POD
from fault_proxy import Answer, Cut, Drop, Fault, FaultProxy, Seen
from lives import Lives
from watching import Watcher

#: What the cluster writes into objects, different each time.
VOLATILE = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "generation",
    "ownerReferences",
    "namespace",
)


def wanted(watcher: Watcher) -> dict[str, Any]:
    """What the operator has made, without what differs from run to run."""
    found = {}
    for kind in CHILDREN:
        # Kept revisions are of the past: what they hold depends on when it was kept.
        if kind in (POD, CLAIM, ENDPOINT_SLICE, CONTROLLER_REVISION):
            continue
        for obj in watcher.list(kind):
            metadata = {k: v for k, v in obj["metadata"].items() if k not in VOLATILE}
            metadata["annotations"] = {
                k: v
                for k, v in metadata.get("annotations", {}).items()
                # The seal is over the object with its namespace and owner.
                if not k.startswith("deployment.kubernetes.io") and k != names.APPLIED_ANNOTATION
            }
            metadata.pop("name")
            spec = {k: v for k, v in (obj.get("spec") or {}).items() if k not in ("clusterIP", "clusterIPs")}
            found[f"{kind.name}/{obj['metadata']['name']}"] = {
                "metadata": metadata,
                "spec": spec,
                "data": obj.get("data"),
            }
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def live_through(watcher: Watcher, seconds: float = 90.0) -> dict[str, Any]:
    """A whole life: made, ready, changed, ready, deleted, gone. Answers what there was at its height."""
    spec = specs.chain("first", "second", "third")
    watcher.create(spec)
    watcher.until_ready(seconds)
    spec["components"][1]["env"] = [{"name": "GREETING", "value": "hello"}]
    watcher.edit({"spec": spec})
    watcher.until_ready(seconds)
    height = wanted(watcher)
    watcher.delete()
    watcher.until_gone(seconds)
    return height


@pytest.fixture(scope="session")
def reference() -> dict[str, Any]:
    """What the first undisturbed life had; the others are compared with it."""
    return {}


def same(height: dict[str, Any], reference: dict[str, Any]) -> None:
    if not reference:
        reference.update(height)
    assert height == reference


def made_once(proxy: FaultProxy) -> None:
    """Nothing was made twice. What is answered 201 was made; a system's own status and finalizer are edits."""
    counts = collections.Counter(proxy.created())
    assert counts
    assert {ref: count for ref, count in counts.items() if count > 1} == {}


def test_an_undisturbed_life(
    proxy: FaultProxy, watcher: Watcher, tmp_path: Path, reference: dict[str, Any]
) -> None:
    with Lives(proxy, tmp_path) as lives:
        same(live_through(watcher), reference)
    made_once(proxy)
    assert lives.count == 1
    writes = max(request.write for request in proxy.seen)
    assert writes <= 60, [f"{r.method} {r.path}" for r in proxy.seen if r.write]


@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "after it is done"])
def test_killed_at_every_write(
    proxy: FaultProxy, watcher: Watcher, tmp_path: Path, reference: dict[str, Any], after: bool
) -> None:
    """Each life ends with its first write (done, but unanswered) or with its second (not done)."""
    writes_of: collections.Counter[int] = collections.Counter()

    def kill(request: Seen) -> Fault | None:
        if not request.write:
            return None
        writes_of[request.line] += 1
        return Cut(after=after) if writes_of[request.line] == (1 if after else 2) else None

    proxy.decide = kill
    proxy.one_at_a_time = True
    with Lives(proxy, tmp_path) as lives:
        same(live_through(watcher, seconds=120), reference)
    made_once(proxy)
    assert lives.count >= max(request.write for request in proxy.seen) // 2


@pytest.mark.parametrize(
    "fault",
    [
        Answer(409, "Conflict"),
        Answer(403, "Forbidden"),
        Answer(404, "NotFound"),
        Answer(429, "TooManyRequests"),
        Answer(503, "ServiceUnavailable"),
        Drop(after=False),
        Drop(after=True),
    ],
    ids=lambda fault: (
        str(fault.status) if isinstance(fault, Answer) else f"lost {'answer' if fault.after else 'request'}"
    ),
)
def test_every_write_fails_once(
    proxy: FaultProxy, watcher: Watcher, tmp_path: Path, reference: dict[str, Any], fault: Fault
) -> None:
    """The first time that it is sent; the same again passes. A status is never quite the same: every other
    fails.
    """
    sent: collections.Counter[tuple[str, str, bytes]] = collections.Counter()

    def fail_once(request: Seen) -> Fault | None:
        if not request.write:
            return None
        status = request.path.endswith("/status")
        write = (request.method, request.path, b"" if status else request.body)
        sent[write] += 1
        return fault if sent[write] == 1 or (status and sent[write] % 2) else None

    proxy.decide = fail_once
    with Lives(proxy, tmp_path) as lives:
        same(live_through(watcher), reference)
    made_once(proxy)
    assert lives.count == 1
