"""The planner against a model cluster in which much goes wrong: the rules by which it does, and the promises that
hold whatever happens.
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alluse_operator.api import names
from alluse_operator.api.errors import FieldError, InvalidSpec
from alluse_operator.api.spec import ComponentType, OnUnhealthy
from alluse_operator.core import history, ladder
from alluse_operator.core.actions import Apply, ApplyReason, Delete, Recover, RemoveFinalizer, ScaleDown
from alluse_operator.core.desired import System
from alluse_operator.core.objects import WORKLOAD_KINDS, Ref, annotations
from alluse_operator.core.plan import Mode
from builders import T0, built_of, stamp
from model_cluster import TRUST_FOR, ModelCluster, Pass, Pod
from strategies import systems

_TICK = timedelta(milliseconds=1)
_MILD = (OnUnhealthy.IGNORE, OnUnhealthy.HOLD)


class ClusterMachine(RuleBasedStateMachine):
    cluster: ModelCluster
    reached: Counter[str]
    """What the runs have seen; each kind of machine counts for itself."""
    looks = 1
    """At so many looks after an action there is nothing more to do."""

    @initialize(system=systems(), how=st.sampled_from(("", "", "slow", "image")))
    def begin(self, system: System, how: str) -> None:
        self.cluster = ModelCluster(system, system)
        if how:
            # From the start something does not come up that others wait for.
            needed = [edge.name for c in system.components.values() for edge in c.dependencies]
            self.cluster.broken = dict.fromkeys(needed[-1:], how)
        self.cluster.reached = self.reached
        self.fresh = True
        self.deleted_at: Any = None
        self.passes = 0
        self.retries: dict[str, list[datetime]] = {}
        """When a person asked for a retry of a component: the budget begins anew."""

    # -- the operator acts -------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0.1, 0.5, 1.0, 1.0, 2.0, 5.0, 11.0)))
    def time_passes(self, seconds: float) -> None:
        self.cluster.tick(seconds)
        self._pass()

    @rule(count=st.integers(2, 6))
    def calm(self, count: int) -> None:
        for _ in range(count):
            self.cluster.tick(1)
            self._pass()

    @rule()
    def another_pass(self) -> None:
        self._pass()

    @rule()
    def status_is_lost(self) -> None:
        """A pass whose status could not be written, or somebody cleared it."""
        self._pass(write_status=False)

    @rule()
    def operator_restarts(self) -> None:
        """Nothing is remembered but what the cluster holds."""
        self.cluster.forget()
        self.fresh = True
        self._pass()

    @rule(
        faults=st.lists(st.sampled_from(("refuse", "lose", "kill", "ok")), min_size=1, max_size=6),
        seconds=st.sampled_from((1, 3)),
    )
    def writes_fail(self, faults: list[str], seconds: int) -> None:
        self.cluster.faults = list(faults)
        for _ in range(3):
            self._pass()
            self.cluster.tick(seconds)
        self.cluster.faults = []

    @rule()
    def reads_become_stale(self) -> None:
        self.cluster.remember()
        self.fresh = False

    @precondition(lambda self: not self.fresh)
    @rule()
    def reads_become_fresh(self) -> None:
        self.cluster.forget()
        self.fresh = True
        self._pass()

    @rule(write_status=st.booleans())
    def the_mirror_is_too_old(self, write_status: bool) -> None:
        self.cluster.synced_at = self.cluster.now - TRUST_FOR - timedelta(seconds=1)
        self._pass(write_status=write_status)
        self.cluster.synced_at = None

    # -- the environment acts ----------------------------------------------------------------------------

    @precondition(lambda self: self.cluster.ready_pods())
    @rule(data=st.data(), how=st.sampled_from(("crash", "hang", "grey", "grey", "delete")))
    def a_pod_fails(self, data: Any, how: str) -> None:
        pod = data.draw(st.sampled_from(self.cluster.ready_pods()))
        self._fail(pod, how)
        self._pass()

    @precondition(lambda self: len(self.cluster.ready_pods()) > 1)
    @rule()
    def all_pods_turn_grey(self) -> None:
        for pod in self.cluster.ready_pods():
            self._fail(pod, "grey")
        for _ in range(4):
            self._pass()
            self.cluster.tick(0.5)

    @precondition(lambda self: self.cluster.ready_pods())
    @rule(data=st.data(), writes=st.integers(0, 2))
    def a_pod_turns_grey_and_the_operator_is_killed(self, data: Any, writes: int) -> None:
        """Among others between the record of an attempt and the eviction."""
        self._fail(data.draw(st.sampled_from(self.cluster.ready_pods())), "grey")
        self.cluster.faults = ["ok"] * writes + ["kill"]
        self._pass(write_status=False)
        self.cluster.faults = []
        self.cluster.tick(0.1)
        self._pass()

    @precondition(lambda self: self.cluster.ready_pods())
    @rule(data=st.data(), rounds=st.integers(2, 5))
    def a_component_keeps_failing(self, data: Any, rounds: int) -> None:
        component = data.draw(st.sampled_from(self.cluster.ready_pods())).component
        for _ in range(rounds):
            for pod in self.cluster.ready_pods():
                if pod.component == component:
                    self._fail(pod, "grey")
            for seconds in (0.1, 1, 1):
                self.cluster.tick(seconds)
                self._pass()

    @precondition(lambda self: self._stood_on())
    @rule(data=st.data(), seconds=st.integers(6, 16))
    def what_others_stand_on_stays_sick(self, data: Any, seconds: int) -> None:
        """For longer than the graces of the edges, and then it is well again."""
        name = data.draw(st.sampled_from(self._stood_on()))
        for _ in range(seconds):
            for pod in self.cluster.ready_pods():
                if pod.component == name:
                    self._fail(pod, "grey")
            self._pass()
            self.cluster.tick(1)
        for pod in self.cluster.pods.values():
            if pod.component == name:
                pod.grey = False
        for _ in range(4):
            self._pass()
            self.cluster.tick(1)

    def _stood_on(self) -> list[str]:
        """Ready components that others require and do more about than to hold."""
        ready = {pod.component for pod in self.cluster.ready_pods()}
        edges = [edge for c in self.cluster.system.components.values() for edge in c.dependencies]
        return sorted(
            {edge.name for edge in edges if edge.required and edge.on_unhealthy not in _MILD} & ready
        )

    @rule(
        data=st.data(),
        how=st.sampled_from(("image", "crash", "slow", "")),
        wait=st.sampled_from((0, 0, 12, 45)),
    )
    def a_component_is_broken(self, data: Any, how: str, wait: int) -> None:
        """Its new pods do not come up; perhaps for longer than others wait for it."""
        name = data.draw(st.sampled_from(sorted(self.cluster.system.components)))
        self.cluster.broken[name] = how
        for _ in range(wait // 3):
            self.cluster.tick(3)
            self._pass()

    @precondition(lambda self: self.cluster.objects)
    @rule(data=st.data())
    def a_child_is_deleted(self, data: Any) -> None:
        ref = data.draw(st.sampled_from(sorted(self.cluster.objects)))
        del self.cluster.objects[ref]
        for pod in self.cluster.pods.values():
            if pod.owner == ref:
                pod.deleting = self.cluster.now
        self._pass()

    @precondition(lambda self: self.cluster.objects)
    @rule(data=st.data())
    def a_child_is_edited(self, data: Any) -> None:
        ref = data.draw(st.sampled_from(sorted(self.cluster.objects)))
        live = self.cluster.objects[ref]
        live["metadata"]["labels"][names.PART_OF_LABEL] = "mine now"
        if ref.kind in ("Deployment", "StatefulSet"):
            live["spec"]["replicas"] = 5
        self._pass()

    @precondition(lambda self: self.deleted_at is None)
    @rule(data=st.data())
    def the_spec_changes(self, data: Any) -> None:
        system = data.draw(systems(generation=self.cluster.system.generation + 1))
        self.cluster.change(system)
        self._pass()

    @precondition(lambda self: self.deleted_at is None and len(self.cluster.system.components) > 1)
    @rule()
    def the_last_component_is_removed(self) -> None:
        before = self.cluster.system
        rest = dict(list(before.components.items())[:-1])
        identity = replace(before.identity, generation=before.generation + 1)
        self.cluster.change(replace(before, identity=identity, components=rest))
        for _ in range(3):
            self._pass()
            self.cluster.tick(1)

    @precondition(lambda self: self.deleted_at is None)
    @rule()
    def everything_gets_a_new_version(self) -> None:
        """All components move, providers first."""
        before = self.cluster.system
        generation = before.generation + 1
        self.cluster.change(
            replace(
                before,
                identity=replace(before.identity, generation=generation),
                components={
                    name: replace(component, image=f"alluse/components:{generation}")
                    for name, component in before.components.items()
                },
            )
        )
        for _ in range(4):
            self._pass()
            self.cluster.tick(1)

    @precondition(lambda self: self.deleted_at is None)
    @rule()
    def the_spec_is_invalid_for_a_while(self) -> None:
        before = len(self.cluster.writes)
        self.cluster.desired = InvalidSpec([FieldError("spec.components", "dependency cycle: a -> b -> a")])
        done = self._pass()
        assert done is not None
        assert len(self.cluster.writes) == before
        assert done.plan.mode is Mode.INVALID
        self.cluster.desired = self.cluster.system

    @precondition(lambda self: self.deleted_at is None and self.passes > 12)
    @rule(stuck=st.booleans())
    def the_system_is_deleted(self, stuck: bool) -> None:
        if stuck and self.cluster.pods:
            self.cluster.broken[min(pod.component for pod in self.cluster.pods.values())] = "stuck"
        self.deleted_at = self.cluster.now
        self.cluster.delete_resource()
        self.reached["deleted"] += 1
        self._pass()

    # -- promises of every pass --------------------------------------------------------------------------

    def _fail(self, pod: Pod, how: str) -> None:
        match how:
            case "crash":
                self.cluster.crash(pod)
            case "hang":
                self.cluster.hang(pod)
            case "grey":
                self.cluster.turn_grey(pod)
            case _:
                pod.deleting = self.cluster.now

    def _pass(self, *, write_status: bool = True) -> Pass | None:
        if self.cluster.resource is None:
            return None
        held = {
            (name, str(edge.condition), edge.name): self.cluster.holds(edge.name, str(edge.condition))
            for name, component in self.cluster.system.components.items()
            for edge in component.dependencies
        }
        before = {ref: copy.copy(obj) for ref, obj in self.cluster.objects.items()}
        self.standing = {
            (edge.name, str(edge.condition))
            for component in self.cluster.system.components.values()
            for edge in component.dependencies
            if self.cluster.stands_in(edge.name, str(edge.condition))
        }
        done = self.cluster.reconcile(write_status=write_status)
        assert done is not None
        self.passes += 1
        self.reached["passes"] += 1
        if done.plan.requeue_at is not None:
            assert done.plan.requeue_at > done.now
        if done.plan.mode is Mode.UNTRUSTED:
            self.reached["untrusted"] += 1
            assert not done.plan.actions
        if done.plan.mode is Mode.RUN:
            self._gate(done, held)
            self._ratchet(done, before)
            self._restarts(done)
            quiet = not done.plan.actions and self.passes % 4
            if self.fresh and not quiet and all(outcome.ok for outcome in done.outcomes):
                self._fixpoint()
        return done

    def _gate(self, done: Pass, held: dict[tuple[str, str, str], bool]) -> None:
        """Nothing starts before what it requires; what it prefers may be missing only past the deadline."""
        if not self.fresh:
            return
        built = built_of(self.cluster.system)
        for action in done.plan.actions:
            if not isinstance(action, Apply) or action.ref.kind not in WORKLOAD_KINDS:
                continue
            live = done.snapshot.objects.get(action.ref)
            revision = built[action.component].revision
            if live is not None and annotations(live)[names.REVISION_ANNOTATION] == revision:
                continue
            if action.obj["spec"].get("replicas") == 0:
                # It is stopped for the sake of an edge: nothing starts.
                continue
            self.reached["started"] += 1
            for edge in self.cluster.system.components[action.component].dependencies:
                if held[action.component, str(edge.condition), edge.name]:
                    continue
                if live is None and (edge.name, str(edge.condition)) in self.standing:
                    self.reached["made on a last good revision"] += 1
                    continue
                seen = done.plan.components[edge.name].assessment
                pods = {
                    pod.name: vars(pod) for pod in self.cluster.pods.values() if pod.component == edge.name
                }
                assert not edge.required, f"{action.component} starts before {edge}: {seen}, {pods}"
                skipped = {wait.name: wait for wait in done.plan.components[action.component].skipped}
                assert edge.name in skipped
                self.reached["preferred skipped"] += 1
                failed = done.plan.components[edge.name].assessment.failed
                deadline = self.cluster.system.components[action.component].start_deadline
                assert failed or skipped[edge.name].since + deadline <= done.now, (
                    skipped,
                    done.now,
                    deadline,
                )

    def _ratchet(self, done: Pass, before: dict[Ref, Any]) -> None:
        """What runs in the wanted revision is not deleted; only our own objects are written to."""
        built = built_of(self.cluster.system)
        for action in done.plan.actions:
            if isinstance(action, Delete) and action.ref.kind in WORKLOAD_KINDS:
                component = self.cluster.system.components.get(action.component)
                if component is None:
                    self.reached["removed"] += 1
                    continue
                seen = done.snapshot.objects[action.ref]
                wanted = built[action.component]
                assert (
                    annotations(seen)[names.REVISION_ANNOTATION] != wanted.revision
                    or action.ref.kind != wanted.workload["kind"]
                )
                self.reached["replaced"] += 1
            if isinstance(action, Delete) and action.ref.kind == "Pod":
                self.reached["unstuck"] += 1
                assert not self.fresh or not any(p.uid == action.uid for p in self.cluster.ready_pods())
            if isinstance(action, Apply) and action.reason is ApplyReason.RESTORE:
                self.reached["drift corrected"] += 1

    def _restarts(self, done: Pass) -> None:
        system = self.cluster.system
        policy = system.recovery
        recoveries = [action for action in done.plan.actions if isinstance(action, Recover)]
        assert len({action.component for action in recoveries}) == len(recoveries)
        for action in recoveries:
            self._one(done, action)
        made = [action for action in recoveries if action.attempt is not None and not action.resume]
        if self.fresh and made:
            # Looked at after the pass, so those that were just treated are among them.
            going = {action.component for action in done.plan.actions if isinstance(action, Delete)}
            # One step may take several along that have tried something of their own a moment ago.
            taken = {target.uid for action in made for target in action.evict}
            own = {action.component for action in made}
            for name, views in done.snapshot.pods.items():
                if name not in own and any(pod.uid in taken for pod in views):
                    going.add(name)
            busy = {name for name in system.components if name not in going and self._is_busy(done, name)}
            assert len(busy) <= policy.max_concurrent, busy
        if done.plan.suspension is not None:
            self.reached[f"suspended {done.plan.suspension.reason}"] += 1
        for plan in done.plan.components.values():
            self.reached[plan.assessment.reason] += 1
            if plan.recovery.reason:
                self.reached[plan.recovery.reason] += 1
            if plan.recovery.exhausted:
                # The end that nobody has to wait for in vain: it has a name, a time and is told.
                assert plan.recovery.next_action_at is not None
                assert self._stalled(done)

    def _stalled(self, done: Pass) -> bool:
        # Where nothing new is said, what was read still stands: it may be older than what is stored.
        said = done.report.status or done.snapshot.resource.status.raw
        return any(row["type"] == "Stalled" for row in said["conditions"])

    def _one(self, done: Pass, action: Recover) -> None:
        """One step of recovery: on a root, within the budget, and not against the kubelet."""
        system = self.cluster.system
        attempt = action.attempt
        if attempt is None:
            self.reached["debt noted"] += 1
            assert not action.evict
            assert action.rollback is None
            return
        self.reached["resumed" if action.resume else "restarted"] += 1
        self.reached[str(attempt.action)] += 1
        pods = [self.cluster.pods.get(target.name) for target in action.evict]
        assert not self.fresh or not any(pod and pod.waiting for pod in pods), "the kubelet's back-off"
        if action.resume:
            return
        for edge in system.components[action.component].dependencies:
            if edge.required and edge.on_unhealthy is not OnUnhealthy.IGNORE:
                state = str(done.plan.components[edge.name].assessment.state)
                assert state in ("Healthy", "Degraded", "Completed"), "acted on a symptom"
        suspension = done.plan.suspension
        if suspension is not None and suspension.reason == "Infrastructure":
            self.reached["careful attempt"] += 1
            assert done.now - suspension.since >= system.recovery.retry_exhausted_every
        self._budget(action, system.recovery)
        if self.fresh:
            self._step(done, action, str(attempt.action))

    def _step(self, done: Pass, action: Recover, step: str) -> None:
        """What each step of the ladder is allowed to do, by the cluster's own truth before it was taken."""
        system = self.cluster.system
        component = system.components[action.component]
        pods = {pod.uid: pod for views in done.snapshot.pods.values() for pod in views}
        here = [pod for pod in pods.values() if pod.component == component.name and not pod.deleting]
        evicted = {pods[target.uid].component for target in action.evict}
        nodes = self.cluster.nodes
        assert all(nodes.get(pod.node, True) for pod in here if not pod.ready), "acted on a lost node"
        if step != "RestartPod":
            assert component.kind is ComponentType.SERVICE or step == "RestartDependents"
        match step:
            case "RestartPod":
                assert evicted == {component.name}
                assert len(action.evict) == 1
            case "RescheduleElsewhere":
                assert component.storage is None
                assert any(ready and name not in {pod.node for pod in here} for name, ready in nodes.items())
                assert not evicted
            case "RollbackComponent":
                live = done.snapshot.workloads[action.workload].revision
                assert action.rollback is not None
                assert annotations(action.rollback)[names.REVISION_ANNOTATION] != live
                assert annotations(action.rollback)[names.ROLLED_BACK_FROM_ANNOTATION] == live
            case "RestartDependents":
                for name in evicted:
                    edges = {edge.name: edge for edge in system.components[name].dependencies}
                    assert edges[component.name].required
                    assert edges[component.name].on_unhealthy is not OnUnhealthy.IGNORE
                well = ("Healthy", "Degraded", "Completed")
                states = {name: str(plan.assessment.state) for name, plan in done.plan.components.items()}
                stay = [name for name in system.components if name not in evicted and states[name] in well]
                assert len(stay) * 100 >= len(system.components) * system.recovery.min_healthy_percent
            case _:
                assert step in ("RolloutRestart", "RestartOnRecovery")

    def _is_busy(self, done: Pass, name: str) -> bool:
        """By the cluster's own truth: a young attempt, and not as many pods ready as there shall be."""
        component = self.cluster.system.components[name]
        workload = self.cluster.workload(name)
        attempts = history.parse(annotations(workload or {}).get(names.RECOVERY_ANNOTATION, ""))
        if not attempts or done.now >= attempts[-1].at + component.start_deadline:
            return False
        last = attempts[-1]
        alive = [p for p in self.cluster.pods.values() if p.component == name and not p.deleting]
        gone = all(p.uid not in last.evicted for p in alive) and bool(last.evicted)
        return gone and sum(1 for p in alive if p.ready) < component.replicas

    def _budget(self, action: Recover, policy: Any) -> None:
        assert action.attempt is not None
        same = [a for a in action.history if a.generation == action.attempt.generation]
        for attempt in same:
            asked = max((at for at in self.retries.get(action.component, ()) if at <= attempt.at), default=T0)
            window = [a for a in same if max(attempt.at - policy.window, asked - _TICK) < a.at <= attempt.at]
            assert len(window) <= policy.max_actions
        same = [a for a in same if a.counts]
        if len(same) > 1 and same[-1].number > 1 and action.attempt.counts:
            assert same[-1].at - same[-2].at >= ladder.jittered(policy, same[-2].number, action.workload_uid)
        if action.attempt.after_exhaustion:
            self.reached["tried after exhaustion"] += 1
            assert same[-1].at - same[-2].at >= policy.retry_exhausted_every

    def _fixpoint(self) -> None:
        """Applied and looked at again, the plan has nothing more to do, and the report nothing more to say."""
        if self.cluster.resource is None:
            return
        for look in range(1, 9):
            again = self.cluster.reconcile()
            assert again is not None
            # An eviction is a request: the pod that is still there is asked again. And what is no longer wanted
            # may go as soon as those above it were asked to do without; of the revisions that are kept the oldest
            # goes when a new one is there.
            rest = [
                action
                for action in again.plan.actions
                if not (isinstance(action, Recover) and action.resume)
                and not (isinstance(action, Delete) and action.ref.kind == "ControllerRevision")
                and action.component in self.cluster.system.components
            ]
            states = {
                name: (str(plan.assessment.state), plan.assessment.reason)
                for name, plan in again.plan.components.items()
            }
            assert not rest or look < self.looks, (
                [(type(action).__name__, action.component) for action in rest],
                states,
            )
            if not again.plan.actions:
                break
        last = self.cluster.reconcile()
        assert last is not None
        said, then = again.report.status or {}, last.report.status or {}
        assert last.report.status is None, {
            key: (said.get(key), then.get(key)) for key in then if said.get(key) != then[key]
        }
        assert not last.report.events
        self.reached["fixpoint"] += 1

    @invariant()
    def deletion_ends(self) -> None:
        """Twice the deadline after the deletion the finalizer is gone, whatever happened."""
        if getattr(self, "deleted_at", None) is None or self.cluster.resource is None:
            return
        limit = self.deleted_at + 2 * timedelta(seconds=30) + timedelta(seconds=1)
        if self.cluster.now > limit and self.fresh:
            self.cluster.faults = []
            self._pass()
            assert self.cluster.resource is None

    # -- in a fair environment everything ends well ------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "cluster"):
            return
        cluster = self.cluster
        cluster.forget()
        self.fresh = True
        cluster.broken = {name: how for name, how in cluster.broken.items() if how == "stuck"}
        cluster.bad = set()
        cluster.nodes = dict.fromkeys(cluster.nodes, True)
        for pod in cluster.pods.values():
            pod.hung = pod.grey = False
        self._try_again()
        if self.deleted_at is None and cluster.resource is not None:
            self._converges()
            cluster.delete_resource()
        self._ends()

    def _try_again(self) -> None:
        """What was rolled back stays so, is named and told of, until somebody asks for its revision again."""
        cluster = self.cluster
        if self.deleted_at is not None or cluster.resource is None:
            return
        for _ in range(75):
            cluster.tick(1)
            self._pass()
            if not any(cluster.came_back(name) for name in cluster.system.components):
                return
        rows = cluster.resource["status"]["components"]
        left = {row["name"]: row for row in rows if cluster.stands_in(row["name"])}
        told = {alert.get("subject") for alert in cluster.resource["status"].get("alerts", ())}
        for name, row in left.items():
            assert row["state"] not in ("Healthy", "Completed"), row
            assert "last good one" in row["message"], row
            assert name in told or row.get("causedBy"), (row, told)
        self.reached["left at its last good revision"] += len(left)
        self._retry("*")

    def _retry(self, named: str) -> None:
        cluster = self.cluster
        assert cluster.resource is not None
        cluster.resource["metadata"]["annotations"] = {
            names.RETRY_ANNOTATION: f"{named} {stamp(cluster.now)}"
        }
        for name in cluster.system.components if named == "*" else (named,):
            self.retries.setdefault(name, []).append(cluster.now.replace(microsecond=0))

    def _converges(self) -> None:
        cluster = self.cluster
        longest = cluster.system.recovery.retry_exhausted_every + timedelta(seconds=240)
        end = cluster.now + longest
        while cluster.now < end:
            cluster.tick(1)
            done = self._pass()
            assert done is not None
            failed = {
                name
                for name, component in cluster.system.components.items()
                if component.kind is ComponentType.JOB and done.plan.components[name].assessment.failed
            }
            if failed:
                self.reached["job failed"] += 1
                assert any(c["type"] == "Stalled" for c in cluster.resource["status"]["conditions"])
                return
            if cluster.all_well() and not done.plan.actions and self._is_ready():
                self.reached["converged"] += 1
                return
        status = cluster.resource["status"] if cluster.resource else {}
        raise AssertionError(f"does not converge: {status.get('summary')}; {status.get('components')}")

    def _is_ready(self) -> bool:
        assert self.cluster.resource is not None
        conditions = self.cluster.resource["status"]["conditions"]
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    def _ends(self) -> None:
        cluster = self.cluster
        for _ in range(70):
            if cluster.resource is None:
                break
            order = self._teardown_order()
            done = cluster.reconcile()
            if done is not None and done.plan.teardown is not None and not done.plan.teardown.forced:
                self._reverse(done, order)
            cluster.tick(1)
        assert cluster.resource is None, "the finalizer is still there"
        cluster.broken = {}
        for _ in range(3):
            cluster.tick(1)
        orphaned = cluster.system.teardown.on_deadline == "Orphan"
        assert not cluster.objects or orphaned, cluster.objects.keys()
        self.reached["ended"] += 1

    def _teardown_order(self) -> dict[str, set[str]]:
        """Who depends on whom among what still runs, by the workloads' own word."""
        return {
            obj["metadata"]["labels"][names.COMPONENT_LABEL]: set(
                annotations(obj).get(names.DEPENDS_ON_ANNOTATION, "").split(",")
            )
            for ref, obj in self.cluster.objects.items()
            if ref.kind in WORKLOAD_KINDS and self.cluster.runs(ref)
        }

    def _reverse(self, done: Pass, needs: dict[str, set[str]]) -> None:
        removing = any(isinstance(action, RemoveFinalizer) for action in done.plan.actions)
        for action in done.plan.actions:
            stops = isinstance(action, Delete) and action.ref.kind in WORKLOAD_KINDS and not removing
            if stops or isinstance(action, ScaleDown):
                above = [name for name, needed in needs.items() if action.component in needed]
                assert not above, f"{action.component} stops before {above}"
                self.reached["stopped in order"] += 1
