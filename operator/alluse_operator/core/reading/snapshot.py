"""All that is known of one system, from raw objects."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from alluse_operator.api.names import SYSTEM_LABEL
from alluse_operator.core.objects import WORKLOAD_KINDS, Object, labels, ref_of
from alluse_operator.core.observed import PodView, ProbeReading, Snapshot
from alluse_operator.core.reading.pods import read_pod
from alluse_operator.core.reading.resource import read_resource
from alluse_operator.core.reading.workloads import read_refusal, read_workload
from alluse_operator.core.surroundings import read_endpoints, read_node


def read_snapshot(
    resource: Object,
    objects: Iterable[Object],
    pods: Iterable[Object],
    probes: Iterable[ProbeReading],
    synced_at: datetime,
    trust_for: timedelta,
    namespace_terminating: bool = False,
    refusals: Iterable[Object] = (),
    nodes: Iterable[Object] = (),
    slices: Iterable[Object] = (),
) -> Snapshot:
    """The snapshot of one system.

    `objects` are the live objects of `CHILD_KINDS` that bear the system's label or one of its names,
    `pods` those with the system's label, `refusals` Kubernetes Events with reason FailedCreate, `nodes` all
    nodes of the cluster (none: not known), `slices` the EndpointSlices with the system's label.
    """
    view = read_resource(resource)
    by_ref = {ref_of(obj): obj for obj in objects}
    refused = {refusal.ref: refusal for raw in refusals if (refusal := read_refusal(raw)) is not None}
    by_component: dict[str, list[PodView]] = {}
    for raw in pods:
        if labels(raw).get(SYSTEM_LABEL) == view.identity.name:
            pod = read_pod(raw)
            by_component.setdefault(pod.component, []).append(pod)
    return Snapshot(
        resource=view,
        objects=by_ref,
        workloads={
            ref: read_workload(view.identity, obj, refused.get(ref), synced_at)
            for ref, obj in by_ref.items()
            if ref.kind in WORKLOAD_KINDS
        },
        pods={
            name: tuple(sorted(found, key=lambda pod: (pod.created_at, pod.name)))
            for name, found in by_component.items()
        },
        probes={reading.pod_uid: reading for reading in probes},
        synced_at=synced_at,
        trust_for=trust_for,
        namespace_terminating=namespace_terminating,
        nodes={node.name: node for node in map(read_node, nodes)},
        endpoints=read_endpoints(view.identity, slices),
    )
