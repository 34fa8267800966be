"""A cluster in memory for the planner to work on: an API server, its controllers, kubelets, and an operator.

It keeps raw objects, as the real one does, and moves by a clock of its own. What the environment does (pods that
come up, crash, hang, are refused; writes that fail or whose answer is lost) is said by the test.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from alluse_operator.api import names
from alluse_operator.api.errors import InvalidSpec
from alluse_operator.api.spec import ComponentType
from alluse_operator.core import history, overlay
from alluse_operator.core.actions import (
    Action,
    Apply,
    ApplyReason,
    Delete,
    KeepRevision,
    Outcome,
    Propagation,
    Recover,
    RemoveFinalizer,
    ScaleDown,
    SetFinalizer,
)
from alluse_operator.core.desired import System
from alluse_operator.core.kept import as_kept
from alluse_operator.core.objects import Ref, owner_uids, ref_of
from alluse_operator.core.observed import ProbeOutcome, ProbeReading, Snapshot
from alluse_operator.core.plan import Plan
from alluse_operator.core.planner import make_plan
from alluse_operator.core.reading.snapshot import read_snapshot
from alluse_operator.core.report import Report, make_report
from alluse_operator.resources.metadata import is_sealed
from builders import T0, built_of, make_resource, stamp

TRUST_FOR = timedelta(seconds=60)
_WORKLOADS = ("Deployment", "StatefulSet", "Job")


@dataclass(repr=False)
class Pod:
    """A pod as its kubelet knows it."""

    name: str
    uid: str
    component: str
    revision: str
    owner: Ref | None
    created: datetime
    template: Mapping[str, Any]
    running: datetime | None = None
    ready: bool = False
    ready_changed: datetime | None = None
    hung: bool = False
    grey: bool = False
    """Answers its readiness check and fails the operator's deep check."""
    grey_since: datetime | None = None
    restarts: int = 0
    crashed: datetime | None = None
    waiting: str = ""
    deleting: datetime | None = None
    done: bool = False
    node: str = ""

    def __repr__(self) -> str:
        return f"<pod {self.name}>"


@dataclass
class Pass:
    """One pass of the operator, for the tests to look at."""

    now: datetime
    snapshot: Snapshot
    plan: Plan
    outcomes: tuple[Outcome, ...]
    report: Report


@dataclass
class ModelCluster:
    system: System
    desired: System | InvalidSpec
    now: datetime = T0
    resource: dict[str, Any] | None = field(default=None)
    objects: dict[Ref, dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    """component -> what its new pods do: 'image', 'crash', 'slow'."""
    writes: list[tuple[datetime, Action]] = field(default_factory=list)
    reached: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """What happens to the next writes, first one first: 'ok', 'refuse' (not done), 'lose' (done, but the answer
    is lost), 'kill' (the operator dies with this write; of a restart it made the record, not the eviction)."""
    nodes: dict[str, bool] = field(default_factory=dict)
    """Nodes, and whether they are ready; none: the operator may not read them. New pods go to the first that is
    ready and that they do not shun."""
    bad: set[tuple[str, str]] = field(default_factory=set)
    """(component, revision) whose pods come up, become ready, and fail the operator's deep check."""
    silent: frozenset[str] | set[str] = frozenset()
    """Components that the operator's deep checks do not reach."""
    shaky: frozenset[str] | set[str] = frozenset()
    """Components whose deep check has failed once."""
    stale: tuple[dict[Ref, dict[str, Any]], list[dict[str, Any]], dict[str, Any]] | None = None
    synced_at: datetime | None = None
    serial: int = 0
    namespace_terminating: bool = False

    def __post_init__(self) -> None:
        if self.resource is None:
            self.resource = make_resource(self.system, created=self.now, finalizers=())

    # -- the operator ------------------------------------------------------------------------------------

    def reconcile(self, *, write_status: bool = True) -> Pass | None:
        """One pass: observe, plan, apply, report. None when the resource is gone."""
        if self.resource is None:
            return None
        snapshot = self.observe()
        built = built_of(self.desired) if isinstance(self.desired, System) else {}
        plan = make_plan(self.desired, built, snapshot, self.now)
        outcomes = tuple(self._carry_out(plan.actions))
        report = make_report(snapshot, plan, outcomes, self.now)
        if report.status is not None and write_status and self.resource is not None:
            self.resource["status"] = copy.deepcopy(dict(report.status))
        self._collect_garbage()
        return Pass(self.now, snapshot, plan, outcomes, report)

    def observe(self) -> Snapshot:
        assert self.resource is not None
        objects, pods, resource = self.stale or (self.objects, self.raw_pods(), self.resource)
        return read_snapshot(
            resource,
            objects.values(),
            pods,
            self.probes(),
            synced_at=self.synced_at or self.now,
            trust_for=TRUST_FOR,
            namespace_terminating=self.namespace_terminating,
            nodes=[_raw_node(name, ready) for name, ready in self.nodes.items()],
        )

    def remember(self) -> None:
        """From now on the operator sees the cluster as it is now, until `forget`."""
        self.stale = (copy.deepcopy(self.objects), self.raw_pods(), copy.deepcopy(self.resource or {}))

    def forget(self) -> None:
        self.stale = None

    def _carry_out(self, actions: tuple[Action, ...]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        stop = ""
        for action in actions:
            if stop:
                outcomes.append(Outcome(action, f"not tried: {stop}"))
                continue
            fault = self.faults.pop(0) if self.faults else "ok"
            if fault == "refuse":
                self.reached["write refused"] += 1
                outcomes.append(Outcome(action, "503 the server is overloaded"))
            elif fault == "outdate":
                outcomes.append(Outcome(action, "409 the object has been modified", outdated=True))
            else:
                outcome = self._write(action, killed=fault == "kill")
                if fault == "lose" and outcome.ok:
                    self.reached["answer lost"] += 1
                    outcome = Outcome(action, "the connection broke")
                outcomes.append(outcome)
            if fault == "kill":
                stop = "the operator was killed"
            elif isinstance(action, SetFinalizer) and not outcomes[-1].ok:
                stop = "the finalizer could not be set"
        return outcomes

    # -- the API server ----------------------------------------------------------------------------------

    def _write(self, action: Action, *, killed: bool) -> Outcome:
        error: str | None = None
        transient = True
        match action:
            case Apply():
                error = self._apply(action)
                transient = error is None or "belongs" not in error
            case Delete():
                self._delete(action.ref, action.uid, action.propagation, action.grace_seconds)
            case ScaleDown():
                self._scale_down(action)
            case Recover():
                error = self._recover(action, killed=killed)
            case KeepRevision():
                error = self._keep(action)
            case SetFinalizer():
                self._finalizers([*self._held(), names.FINALIZER])
            case RemoveFinalizer():
                self._finalizers([name for name in self._held() if name != names.FINALIZER])
        if error is None:
            self.writes.append((self.now, action))
        return Outcome(action, error, transient)

    def _apply(self, action: Apply) -> str | None:
        live = self.objects.get(action.ref)
        if action.live_uid and (live is None or live["metadata"]["uid"] != action.live_uid):
            return "409 uid differs"
        if live is None:
            self._create(action.obj)
            return None
        if action.reason is ApplyReason.CREATE and self.system.uid not in owner_uids(live):
            return "exists and belongs to somebody else"
        if live["metadata"].get("deletionTimestamp"):
            return "409 is being deleted"
        merged = copy.deepcopy(dict(action.obj))
        meta = merged["metadata"]
        for key in ("uid", "creationTimestamp", "generation"):
            meta[key] = live["metadata"][key]
        kept = live["metadata"].get("annotations", {}).get(names.RECOVERY_ANNOTATION)
        if kept:
            meta.setdefault("annotations", {})[names.RECOVERY_ANNOTATION] = kept
        overlaid = overlay.carried(live)
        if overlaid:
            _lay_over(merged, overlaid)
        meta["resourceVersion"] = self._next()
        if merged.get("spec") != live.get("spec"):
            meta["generation"] += 1
        if "status" in live:
            merged["status"] = live["status"]
        self.objects[action.ref] = merged
        return None

    def _create(self, obj: Mapping[str, Any]) -> None:
        live = copy.deepcopy(dict(obj))
        live["metadata"].update(
            uid=f"uid-{self._next()}",
            creationTimestamp=stamp(self.now),
            generation=1,
            resourceVersion=self._next(),
        )
        if live["kind"] in _WORKLOADS:
            live["status"] = {}
        self.objects[ref_of(live)] = live

    def _delete(self, ref: Ref, uid: str, propagation: Propagation, grace: int | None) -> None:
        if ref.kind == "Pod":
            pod = self.pods.get(ref.name)
            if pod is not None and pod.uid == uid:
                if grace == 0:
                    del self.pods[ref.name]
                else:
                    pod.deleting = pod.deleting or self.now
            return
        live = self.objects.get(ref)
        if live is None or live["metadata"]["uid"] != uid:
            return
        if ref.kind in _WORKLOADS and propagation is Propagation.FOREGROUND:
            live["metadata"]["deletionTimestamp"] = stamp(self.now)
            for pod in self._pods_of(ref):
                pod.deleting = pod.deleting or self.now
        elif ref.kind in _WORKLOADS:
            for pod in self._pods_of(ref):
                if propagation is Propagation.BACKGROUND:
                    pod.deleting = pod.deleting or self.now
                pod.owner = None
            del self.objects[ref]
        else:
            del self.objects[ref]

    def _scale_down(self, action: ScaleDown) -> None:
        live = self.objects.get(action.ref)
        if live is not None and live["metadata"]["uid"] == action.uid and live["spec"].get("replicas", 1):
            live["spec"]["replicas"] = 0
            live["metadata"]["generation"] += 1
            live["metadata"]["resourceVersion"] = self._next()

    def _recover(self, action: Recover, *, killed: bool) -> str | None:
        workload = self.objects.get(action.workload)
        if workload is None or workload["metadata"]["uid"] != action.workload_uid:
            return "409 uid differs"
        if not action.resume:
            if workload["metadata"]["resourceVersion"] != action.resource_version:
                return "409 the object has been modified"
            workload["metadata"].setdefault("annotations", {})[names.RECOVERY_ANNOTATION] = history.render(
                action.history, action.debts
            )
            workload["metadata"]["resourceVersion"] = self._next()
            # What its manager no longer names is taken away.
            before = overlay.carried(workload)
            _lay_over(workload, action.template)
            if action.template != before:
                workload["metadata"]["generation"] += 1
                self.reached["rolled out"] += 1
            if killed and (action.evict or action.rollback):
                self.reached["killed between record and eviction"] += 1
                return "the operator was killed"
        if action.rollback is not None:
            self.reached["rolled back"] += 1
            error = self._apply(
                Apply(action.component, action.rollback, ApplyReason.UPDATE, live_uid=action.workload_uid)
            )
            if error is not None:
                return error
        for target in action.evict:
            self._delete(Ref("Pod", target.name), target.uid, Propagation.BACKGROUND, None)
        return None

    def _keep(self, action: KeepRevision) -> str | None:
        """The real applier takes out what our field manager owns; here that is all but what recovery owns."""
        live = self.objects.get(action.workload)
        if live is None or live["metadata"]["uid"] != action.workload_uid:
            return "409 uid differs"
        planned_on = action.obj["metadata"]["annotations"][names.REVISION_ANNOTATION]
        if live["metadata"]["annotations"][names.REVISION_ANNOTATION] != planned_on:
            return "409 another revision"
        rendering = copy.deepcopy({key: value for key, value in live.items() if key != "status"})
        for key in ("uid", "creationTimestamp", "generation", "resourceVersion"):
            rendering["metadata"].pop(key, None)
        rendering["metadata"].get("annotations", {}).pop(names.RECOVERY_ANNOTATION, None)
        _lay_over(rendering, {})
        if not rendering["spec"]["template"]["metadata"]["annotations"]:
            del rendering["spec"]["template"]["metadata"]["annotations"]
        data = as_kept(rendering)
        if is_sealed(data):
            self._create({**action.obj, "data": data})
            self.reached["revision kept again" if action.again else "revision kept"] += 1
        elif action.again:
            del live["metadata"]["annotations"][names.ROLLED_BACK_FROM_ANNOTATION]
            self.reached["way back forgotten"] += 1
        return None

    def _held(self) -> list[str]:
        return list(self.resource["metadata"].get("finalizers", ())) if self.resource else []

    def _finalizers(self, wanted: list[str]) -> None:
        if self.resource is not None:
            self.resource["metadata"]["finalizers"] = list(dict.fromkeys(wanted))
            if self.resource["metadata"].get("deletionTimestamp") and not wanted:
                self.resource = None

    def delete_resource(self) -> None:
        if self.resource is not None:
            self.resource["metadata"]["deletionTimestamp"] = stamp(self.now)
            if not self._held():
                self.resource = None
        self._collect_garbage()

    def change(self, system: System) -> None:
        """A new spec."""
        self.system = system
        self.desired = system
        if self.resource is not None:
            self.resource["metadata"]["generation"] = system.generation

    def _collect_garbage(self) -> None:
        if self.resource is None:
            for ref in [ref for ref, obj in self.objects.items() if self.system.uid in owner_uids(obj)]:
                self._delete(ref, self.objects[ref]["metadata"]["uid"], Propagation.BACKGROUND, None)

    def _next(self) -> str:
        self.serial += 1
        return str(self.serial)

    # -- controllers and kubelets ------------------------------------------------------------------------

    def tick(self, seconds: float) -> None:
        """Time passes, and everything that may happen by itself does."""
        self.now += timedelta(milliseconds=round(seconds * 1000))
        self._kubelets()
        self._controllers()

    def _pods_of(self, ref: Ref) -> list[Pod]:
        return [pod for pod in self.pods.values() if pod.owner == ref]

    def runs(self, ref: Ref) -> bool:
        """Whether a workload has pods, or may make some."""
        return bool(self._pods_of(ref)) or self.objects[ref]["spec"].get("replicas", 1) > 0

    def _controllers(self) -> None:
        for ref, obj in list(self.objects.items()):
            if ref.kind not in _WORKLOADS:
                continue
            if obj["metadata"].get("deletionTimestamp"):
                for pod in self._pods_of(ref):
                    pod.deleting = pod.deleting or self.now
                if not self._pods_of(ref):
                    del self.objects[ref]
                continue
            if ref.kind == "Job":
                self._job(ref, obj)
            else:
                self._replicas(ref, obj)

    def _replicas(self, ref: Ref, obj: dict[str, Any]) -> None:
        wanted = obj["spec"]["template"]["metadata"]["labels"][names.REVISION_LABEL]
        count = obj["spec"].get("replicas", 1)
        alive = [pod for pod in self._pods_of(ref) if pod.deleting is None]
        restarted = _restarted_at(obj["spec"]["template"])
        current = [p for p in alive if p.revision == wanted and _restarted_at(p.template) == restarted]
        old = [pod for pod in alive if pod not in current]
        if ref.kind == "StatefulSet":
            # It makes room only by removing a *ready* pod, and makes no second pod of the same ordinal.
            if old and all(pod.ready for pod in old):
                old[0].deleting = self.now
            missing = count - len(self._pods_of(ref))
        else:
            missing = count - len(current)
            if sum(1 for pod in current if pod.ready) >= count:
                for pod in old:
                    pod.deleting = self.now
        for _ in range(max(0, missing)):
            self._make_pod(ref, obj, wanted)
        for pod in current[count:]:
            pod.deleting = self.now
        obj["status"].update(
            observedGeneration=obj["metadata"]["generation"],
            replicas=sum(1 for pod in self._pods_of(ref) if pod.deleting is None),
            availableReplicas=sum(1 for pod in alive if pod.ready),
        )

    def _job(self, ref: Ref, obj: dict[str, Any]) -> None:
        if obj["status"].get("conditions"):
            return
        pods = self._pods_of(ref)
        if not pods:
            self._make_pod(ref, obj, obj["spec"]["template"]["metadata"]["labels"][names.REVISION_LABEL])
        elif any(pod.done for pod in pods):
            failed = self.broken.get(pods[0].component) == "crash"
            obj["status"]["conditions"] = [
                {
                    "type": "Failed" if failed else "Complete",
                    "status": "True",
                    "lastTransitionTime": stamp(self.now),
                }
            ]

    def _make_pod(self, ref: Ref, obj: dict[str, Any], revision: str) -> None:
        serial = self._next()
        name = f"{ref.name}-{serial}"
        self.pods[name] = Pod(
            name=name,
            uid=f"pod-{serial}",
            component=obj["metadata"]["labels"][names.COMPONENT_LABEL],
            revision=revision,
            owner=ref,
            created=self.now,
            template=obj["spec"]["template"],
            node=self._place(obj["spec"]["template"]),
        )

    def _place(self, template: Mapping[str, Any]) -> str:
        ready = [name for name, is_ready in self.nodes.items() if is_ready]
        return min(ready, key=lambda name: name in str(template["spec"].get("affinity")), default="")

    def _kubelets(self) -> None:
        for pod in list(self.pods.values()):
            if not self.nodes.get(pod.node, True):
                # Nobody hears of it, and nobody can end it.
                if pod.ready:
                    pod.ready, pod.ready_changed = False, self.now
                continue
            if pod.deleting is not None:
                if self.broken.get(pod.component) != "stuck" and self.now > pod.deleting:
                    del self.pods[pod.name]
                continue
            job = pod.owner is not None and pod.owner.kind == "Job"
            trouble = self.broken.get(pod.component, "")
            if trouble in ("image", "slow") and pod.running is None:
                pod.waiting = "ImagePullBackOff" if trouble == "image" else ""
                continue
            if trouble == "crash" and not pod.ready and not job:
                pod.running, pod.waiting = None, "CrashLoopBackOff"
                pod.crashed, pod.restarts = self.now, pod.restarts + 1
                continue
            pod.waiting = ""
            if pod.running is None:
                pod.running = self.now
            elif job:
                pod.done = True
            elif not pod.ready and not pod.hung:
                pod.ready, pod.ready_changed = True, self.now
                if (pod.component, pod.revision) in self.bad:
                    self.turn_grey(pod)

    # -- what goes wrong ---------------------------------------------------------------------------------

    def crash(self, pod: Pod) -> None:
        """The container ends; the kubelet starts it again with the next tick."""
        pod.running, pod.ready, pod.ready_changed = None, False, self.now
        pod.crashed, pod.restarts = self.now, pod.restarts + 1
        pod.hung = pod.grey = False

    def hang(self, pod: Pod) -> None:
        if pod.ready:
            pod.ready, pod.hung, pod.ready_changed = False, True, self.now

    def turn_grey(self, pod: Pod) -> None:
        if pod.ready and not pod.grey:
            pod.grey, pod.grey_since = True, self.now

    def ready_pods(self) -> list[Pod]:
        return [pod for _, pod in sorted(self.pods.items()) if pod.ready and pod.deleting is None]

    def probes(self) -> list[ProbeReading]:
        return [
            ProbeReading(
                pod_uid=pod.uid,
                outcome=ProbeOutcome.FAILED if pod.grey or pod.component in self.shaky else ProbeOutcome.GOOD,
                at=self.now,
                failures=3 if pod.grey else int(pod.component in self.shaky),
                since=pod.grey_since if pod.grey else pod.ready_changed,
                message="HTTP 500" if pod.grey else "",
            )
            for pod in self.pods.values()
            if pod.ready and pod.component not in self.silent
        ]

    def raw_pods(self) -> list[dict[str, Any]]:
        return [_raw_pod(pod, self.system) for pod in self.pods.values()]

    # -- what the tests ask ------------------------------------------------------------------------------

    def workload(self, component: str) -> dict[str, Any] | None:
        """Of the wanted kind if there is one, else of any."""
        name = names.object_name(self.system.name, component)
        kinds = (built_of(self.system)[component].workload["kind"], *_WORKLOADS)
        return next((self.objects[Ref(k, name)] for k in kinds if Ref(k, name) in self.objects), None)

    def holds(self, component: str, condition: str) -> bool:
        """The predicate of an edge, by the cluster's own truth: an oracle apart from `core.health`."""
        wanted = self.system.components[component]
        workload = self.workload(component)
        revision = built_of(self.system)[component].revision
        if workload is None or workload["metadata"].get("deletionTimestamp"):
            return False
        if workload["metadata"]["annotations"][names.REVISION_ANNOTATION] != revision:
            return False
        pods = [p for p in self.pods.values() if p.component == component and p.revision == revision]
        if wanted.kind is ComponentType.JOB:
            conditions = workload["status"].get("conditions", [])
            if condition == "Started":
                return bool(conditions) or any(p.running or p.done for p in pods)
            return any(c["type"] == "Complete" for c in conditions)
        alive = [p for p in pods if p.deleting is None]
        good = [p for p in alive if p.ready and not p.grey]
        if condition == "Started" and any(p.ready or p.hung for p in alive):
            return True
        return len(good) >= wanted.replicas

    def came_back(self, component: str) -> bool:
        """Whether the component has gone back from the wanted revision, well or not."""
        workload = self.workload(component)
        notes = workload["metadata"]["annotations"] if workload is not None else {}
        return bool(notes.get(names.ROLLED_BACK_FROM_ANNOTATION) == built_of(self.system)[component].revision)

    def stands_in(self, component: str, condition: str = "Healthy") -> bool:
        """Whether the component does its work in its last good revision, having come back from the wanted one."""
        workload = self.workload(component)
        if workload is None or not self.came_back(component):
            return False
        notes = workload["metadata"]["annotations"]
        live = notes[names.REVISION_ANNOTATION]
        pods = [p for p in self.pods.values() if p.component == component and p.revision == live]
        if condition == "Started" and any((p.ready or p.hung) and p.deleting is None for p in pods):
            return True
        good = [p for p in pods if p.ready and not p.grey and p.deleting is None]
        return len(good) >= self.system.components[component].replicas

    def all_well(self) -> bool:
        return all(
            self.holds(name, "Completed" if c.kind is ComponentType.JOB else "Healthy")
            for name, c in self.system.components.items()
        )


def _raw_node(name: str, ready: bool) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "True" if ready else "Unknown", "lastTransitionTime": stamp(T0)}
    return {"kind": "Node", "metadata": {"name": name}, "status": {"conditions": [condition]}}


def _lay_over(workload: dict[str, Any], part: Mapping[str, Any]) -> None:
    """Put the recovery manager's part into the pod template, in place of what it had there."""
    template = copy.deepcopy(workload["spec"]["template"])
    template["metadata"].setdefault("annotations", {}).pop(names.RESTARTED_AT_ANNOTATION, None)
    template["metadata"]["annotations"].update(part.get("metadata", {}).get("annotations", {}))
    template["spec"].pop("affinity", None)
    template["spec"].update(part.get("spec", {}))
    workload["spec"]["template"] = template


def _restarted_at(template: Mapping[str, Any]) -> str:
    return str(template["metadata"].get("annotations", {}).get(names.RESTARTED_AT_ANNOTATION, ""))


def _raw_pod(pod: Pod, system: System) -> dict[str, Any]:
    state: dict[str, Any] = {}
    if pod.done:
        state = {"terminated": {"reason": "Completed", "exitCode": 0}}
    elif pod.running is not None:
        state = {"running": {"startedAt": stamp(pod.running)}}
    elif pod.waiting:
        state = {"waiting": {"reason": pod.waiting}}
    ended = (
        {"terminated": {"reason": "Error", "exitCode": 137, "finishedAt": stamp(pod.crashed)}}
        if pod.crashed is not None
        else {}
    )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod.name,
            "namespace": system.namespace,
            "uid": pod.uid,
            "labels": dict(pod.template["metadata"]["labels"]) | {names.REVISION_LABEL: pod.revision},
            "creationTimestamp": stamp(pod.created),
            **({"deletionTimestamp": stamp(pod.deleting)} if pod.deleting else {}),
        },
        "spec": {**pod.template["spec"], "nodeName": pod.node},
        "status": {
            "phase": "Succeeded" if pod.done else "Running" if pod.running or pod.crashed else "Pending",
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True" if pod.ready else "False",
                    "lastTransitionTime": stamp(pod.ready_changed or pod.created),
                }
            ],
            "containerStatuses": [
                {
                    "name": "component",
                    "state": state or ended,
                    "lastState": ended,
                    "restartCount": pod.restarts,
                    "started": pod.ready or pod.hung,
                }
            ],
        },
    }
