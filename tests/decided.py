"""A decision of the operator about two components, and its record as the journal holds it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import specs
from alluse_operator.cluster.mirror import Key
from alluse_operator.core.desired import Defaults, Identity, System
from alluse_operator.core.observation import Observation
from alluse_operator.core.observed import ProbeOutcome, ProbeReading
from alluse_operator.core.plan import Plan
from alluse_operator.core.planner import make_plan
from alluse_operator.core.resolve import resolve
from alluse_operator.journal import Journal
from alluse_operator.metrics import Metrics
from alluse_operator.resources.build import build_all
from builders import at, make_live, make_node, make_pod, make_resource, make_slice, stamp

KEY = Key("shop", "demo")
NOW = at(100)
DEFAULTS = Defaults("alluse/components", "1.0.0", "alluse-system")
SPEC = specs.chain("first", "second")


def system() -> System:
    for component in SPEC["components"]:
        component["health"] = {"path": "/health"}
    return resolve(Identity("shop", "demo", "uid-demo", 1), SPEC, DEFAULTS)


SYSTEM = system()
BUILT = build_all(SYSTEM)


def seen(*, failures: int = 0, **resource: Any) -> Observation:
    """Two healthy components, of which the deep checks of the first failed so often."""
    pods = [
        make_pod(BUILT[name].workload, f"{name}-0", running=at(2), ready=at(5), node="one") for name in BUILT
    ]
    rows = [
        {
            "name": name,
            "state": "Healthy",
            "startSeconds": 5,
            "since": stamp(at(5)),
            "revision": BUILT[name].revision,
        }
        for name in BUILT
    ]
    objects = [make_live(obj, availableReplicas=1) for built in BUILT.values() for obj in built.all]
    return Observation(
        resource=make_resource(SYSTEM, spec=SPEC, status={"components": rows, **resource}),
        objects=tuple(objects),
        pods=tuple(pods),
        probes=tuple(
            ProbeReading(
                pod["metadata"]["uid"],
                ProbeOutcome.FAILED if failures and number == 0 else ProbeOutcome.GOOD,
                at(99.25),
                failures if number == 0 else 0,
                at(90),
                "HTTP 500" if failures and number == 0 else "",
                timedelta(milliseconds=12),
            )
            for number, pod in enumerate(pods)
        ),
        synced_at=at(95.5),
        trust_for=timedelta(seconds=100),
        nodes=(make_node("one"), make_node("two", ready=False)),
        slices=tuple(
            make_slice(obj, ["uid-first-0", "uid-second-0"]) for obj in objects if obj["kind"] == "Service"
        ),
    )


def decide(given: Observation, now: datetime = NOW) -> Plan:
    return make_plan(SYSTEM, BUILT, given.read(), now)


def recorded(given: Observation, now: datetime = NOW) -> Any:
    """A record as it comes out of the operator."""
    journal = Journal(metrics=Metrics(), version="1.0.0")
    journal.note(KEY, given, DEFAULTS, decide(given, now), now)
    [short] = journal.ring.summaries()
    return journal.ring.get(short["id"])
