"""What was looked at for one pass, as it came: raw objects, answers of deep checks, and how old they are.

A `Snapshot` is made of it, and with the time and the operator's defaults it is all that a plan stands on. So
it is what the journal keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alluse_operator.core.objects import Object
from alluse_operator.core.observed import ProbeOutcome, ProbeReading, Snapshot
from alluse_operator.core.reading.snapshot import read_snapshot
from alluse_operator.core.times import parse_time


@dataclass(frozen=True, slots=True)
class Observation:
    """The arguments of `reading.read_snapshot`."""

    resource: Object
    objects: tuple[Object, ...]
    pods: tuple[Object, ...]
    probes: tuple[ProbeReading, ...]
    synced_at: datetime
    trust_for: timedelta
    namespace_terminating: bool = False
    refusals: tuple[Object, ...] = ()
    nodes: tuple[Object, ...] = ()
    slices: tuple[Object, ...] = ()

    def read(self) -> Snapshot:
        return read_snapshot(
            self.resource,
            self.objects,
            self.pods,
            self.probes,
            self.synced_at,
            self.trust_for,
            namespace_terminating=self.namespace_terminating,
            refusals=self.refusals,
            nodes=self.nodes,
            slices=self.slices,
        )


def encode(observation: Observation) -> dict[str, Any]:
    """As JSON can hold it; times in RFC 3339, durations in seconds."""
    return {
        "resource": observation.resource,
        "objects": list(observation.objects),
        "pods": list(observation.pods),
        "probes": [_encode_reading(reading) for reading in observation.probes],
        "syncedAt": observation.synced_at.isoformat(),
        "trustForSeconds": observation.trust_for.total_seconds(),
        "namespaceTerminating": observation.namespace_terminating,
        "refusals": list(observation.refusals),
        "nodes": list(observation.nodes),
        "slices": list(observation.slices),
    }


def decode(document: Mapping[str, Any]) -> Observation:
    """The observation again. Raises KeyError, TypeError or ValueError for what is none."""
    return Observation(
        resource=document["resource"],
        objects=tuple(document["objects"]),
        pods=tuple(document["pods"]),
        probes=tuple(_decode_reading(row) for row in document["probes"]),
        synced_at=decode_time(document["syncedAt"]),
        trust_for=timedelta(seconds=document["trustForSeconds"]),
        namespace_terminating=bool(document["namespaceTerminating"]),
        refusals=tuple(document["refusals"]),
        nodes=tuple(document["nodes"]),
        slices=tuple(document["slices"]),
    )


def decode_time(text: str) -> datetime:
    """A time that has to be there; raises ValueError."""
    moment = parse_time(text)
    if moment is None:
        raise ValueError(f"{text!r} is not a time with its zone")
    return moment


def _encode_reading(reading: ProbeReading) -> dict[str, Any]:
    return {
        "pod": reading.pod_uid,
        "outcome": reading.outcome.value,
        "at": reading.at.isoformat(),
        "failures": reading.failures,
        "since": reading.since.isoformat() if reading.since is not None else None,
        "message": reading.message,
        "tookSeconds": reading.took.total_seconds(),
        "slow": reading.slow,
    }


def _decode_reading(row: Mapping[str, Any]) -> ProbeReading:
    return ProbeReading(
        pod_uid=row["pod"],
        outcome=ProbeOutcome(row["outcome"]),
        at=decode_time(row["at"]),
        failures=row["failures"],
        since=parse_time(row["since"]),
        message=row["message"],
        took=timedelta(seconds=row["tookSeconds"]),
        slow=row["slow"],
    )
