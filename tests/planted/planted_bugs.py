"""Proof that the tests bite: each of these bugs is planted, one at a time, and a named test must fail.

`python tests/planted/planted_bugs.py [--only WORD] [--jobs N]` prints one line a bug and fails if one survives,
or if a bug no longer fits the source (then the source has changed: plant it again).
"""

from __future__ import annotations

import argparse
import sys

from planting import Bug, Outcome, plant

MACHINE = "tests/property/test_cluster_machine.py::TestCluster"
ALERTS = "tests/property/test_alerts.py"
PLAN = "tests/property/test_plan.py"
RECOVERY = "tests/property/test_recovery.py"
CAUSES = "tests/unit/core/test_causes.py"
DRIFT = "tests/unit/core/test_drift.py"
EDGES = "tests/unit/core/test_edges.py"
HEALTH = "tests/unit/core/test_health.py"
INTERLOCKS = "tests/unit/core/test_interlocks.py"
LADDER = "tests/unit/core/test_ladder.py"
PLANNER = "tests/unit/core/test_planner.py"
TEARDOWN = "tests/unit/core/test_teardown.py"
TROUBLES = "tests/unit/core/test_troubles.py"
APPLIER = "tests/unit/shell/test_applier.py"
CLIENT = "tests/unit/shell/test_client.py"
DISPATCHER = "tests/unit/shell/test_dispatcher.py"
HTTP_SERVER = "tests/components/runtime/test_http_server.py"
MONITOR = "tests/components/health_monitor/test_health_monitor.py"
ROLLED_BACK = "tests/unit/core/test_rolled_back.py"
SILENCE = "tests/components/runtime/test_silence.py"
SYSTEM_ALERTS = "tests/unit/core/test_alerts_of_a_system.py"
STORE = "tests/components/runtime/test_store.py"
TOGETHER = "tests/components/agent/test_together.py"
JOURNAL = "tests/unit/shell/test_journal.py"
MIRROR = "tests/unit/shell/test_mirror.py"
PROBER = "tests/unit/shell/test_prober.py"
RECOVERY_WRITES = "tests/unit/shell/test_recovery_writes.py"
WRITES = "tests/unit/shell/test_writes.py"

BUGS = (
    Bug(
        "components start before what they require",
        "core/gate.py",
        "        if dependency.meets(edge.condition):",
        "        if True or dependency.meets(edge.condition):",
        MACHINE,
    ),
    Bug(
        "a dependency in an older revision counts as healthy",
        "core/health/chain.py",
        "healthy=verdict.healthy and sight.current and",
        "healthy=verdict.healthy and",
        f"{PLANNER}::test_a_new_revision_goes_providers_first",
    ),
    Bug(
        "a lost dependency stops what runs",
        "core/workloads.py",
        "        if live is not None and live.deleting:\n            return\n",
        "        if live is not None and live.deleting:\n            return\n"
        "        if live is not None and any(\n"
        "            not self.draft.assessments[e.name].healthy for e in sight.component.dependencies\n"
        "        ):\n"
        "            self.draft.workload_actions.append(Delete(sight.component.name, live.ref, live.uid))\n"
        "            return\n",
        MACHINE,
    ),
    Bug(
        "an unhealthy component is restarted although its dependency is the root",
        "core/rescue.py",
        "            if self.around.assessments[edge.name].state not in WELL:\n                return edge.name",
        "            if False:\n                return edge.name",
        f"{LADDER}::test_one_root_that_takes_all_with_it_is_treated",
    ),
    Bug(
        "any number of components recovers at the same time",
        "core/rescue.py",
        "        full = len(others) >= self.system.recovery.max_concurrent",
        "        full = False",
        f"{LADDER}::test_one_recovery_at_a_time_until_the_successor_is_ready",
    ),
    Bug(
        "a recovery under way takes no place in the budget",
        "core/rescue.py",
        "    return until if until > now and (to_do or to_come) else None",
        "    return None",
        f"{LADDER}::test_one_recovery_at_a_time_until_the_successor_is_ready",
    ),
    Bug(
        "one attempt more than the budget",
        "core/recovery.py",
        "    if len(counted) < policy.max_actions:",
        "    if len(counted) <= policy.max_actions:",
        f"{RECOVERY}::test_no_window_holds_more_attempts_than_the_budget",
    ),
    Bug(
        "no pause between attempts",
        "core/recovery.py",
        "        not_before = run[-1].at + ladder.jittered(policy, run[-1].number, about.seed)",
        "        not_before = run[-1].at",
        f"{RECOVERY}::test_a_component_that_always_fails_again_is_treated_within_its_budget",
    ),
    Bug(
        "all that failed together is restarted together",
        "core/ladder.py",
        "    return pause(policy, number) * permille // 1000",
        "    return pause(policy, number)",
        f"{RECOVERY}::test_the_pauses_of_a_crowd_differ",
    ),
    Bug(
        "a recorded attempt is made a second time instead of resumed",
        "core/recovery.py",
        "        if about.unfinished and is_to_resume(last, now):",
        "        if False:",
        f"{RECOVERY}::test_a_recorded_attempt_whose_pod_is_still_there_is_resumed_and_not_counted_again",
    ),
    Bug(
        "exhausted for ever: the next attempt moves away with the clock",
        "core/recovery.py",
        "        return run[-1].at + every",
        "        return now + every",
        f"{RECOVERY}::test_whoever_waits_until_t_acts_at_t",
    ),
    Bug(
        "the ladder never leaves its first step",
        "core/ladder.py",
        "        if rung.action in applicable and made < rung.attempts:",
        "        if rung.action in applicable:",
        f"{RECOVERY}::test_a_component_that_always_fails_again_is_treated_within_its_budget",
    ),
    Bug(
        "the ladder goes back to a step that did not help",
        "core/ladder.py",
        "    for rung in ladder[reached:]:",
        "    for rung in ladder:",
        f"{RECOVERY}::test_no_step_below_the_highest_that_was_tried_is_taken",
    ),
    Bug(
        "a rollout is not given the time to help",
        "core/recovery.py",
        "        if last.action in ladder.SLOW_STEPS and now < effect_by:",
        "        if False:",
        f"{RECOVERY}::test_a_step_that_takes_time_is_given_it",
    ),
    Bug(
        "a retry does not empty the budget",
        "core/recovery.py",
        "        and (retried_at is None or a.at >= retried_at)",
        "        and True",
        f"{RECOVERY}::test_a_retry_gives_a_clean_record",
    ),
    Bug(
        "a symptom is treated in the moment in which its root gets well",
        "core/recovery.py",
        "    if about.held_until is not None and now < about.held_until:",
        "    if False:",
        f"{LADDER}::test_a_symptom_is_given_time_after_its_root_and_then_treated_itself",
    ),
    Bug(
        "a symptom is taken for a root when its root is two steps away",
        "core/causes.py",
        "found[name] = frozenset().union(*below) or frozenset((name,))",
        "found[name] = frozenset(t for t in edges[name] if t in sick) or frozenset((name,))",
        f"{CAUSES}::test_a_symptom_names_its_roots_in_order_and_a_root_itself",
    ),
    Bug(
        "restarts go on while most of the system is sick",
        "core/diagnosis.py",
        "    infrastructure = is_infrastructure(bad, len(edges), system.recovery.min_healthy_percent)",
        "    infrastructure = False",
        f"{LADDER}::test_most_of_the_system_sick_suspends_recovery_and_ends_with_care",
    ),
    Bug(
        "the first of all that go down at once is restarted",
        "core/diagnosis.py",
        "for name in (*sick, *doubtful)} if sick else {}",
        "for name in sick} if sick else {}",
        f"{LADDER}::test_checks_that_begin_to_fail_hold_the_first_action_back",
    ),
    Bug(
        "one root that takes all with it is given up as infrastructure",
        "core/causes.py",
        "    return len({root for roots in causes.values() for root in roots}) > 1",
        "    return True",
        f"{LADDER}::test_one_root_that_takes_all_with_it_is_treated",
    ),
    Bug(
        "a lost node is not seen behind the trouble of its pods",
        "core/diagnosis.py",
        "    lost = {name: sights[name].lost_node for name in unwell if sights[name].lost_node}",
        "    lost: dict[str, str] = {}",
        f"{LADDER}::test_nothing_is_done_about_pods_on_a_lost_node",
    ),
    Bug(
        "writing the record takes back the rollout before it",
        "core/steps.py",
        "        template=overlay.carried(around.snapshot.objects.get(workload.ref, {})),",
        "        template={},",
        f"{LADDER}::test_the_ladder_is_climbed_to_the_safe_state_and_tried_again_but_rarely",
    ),
    Bug(
        "a way back that was lost in a crash is not made good",
        "core/steps.py",
        "    return bool(_left_of(last, around)) or _way_back(sight, last, around) is not None",
        "    return bool(_left_of(last, around))",
        f"{LADDER}::test_a_crash_between_the_record_and_the_way_back_is_made_good",
    ),
    Bug(
        "a bad revision is rolled out again after the way back",
        "core/rollback.py",
        "    if annotations(_live(workload, snapshot)).get(ROLLED_BACK_FROM_ANNOTATION) != wanted_revision:",
        "    if True:",
        f"{LADDER}::test_a_new_revision_that_turns_out_bad_is_rolled_back_and_left_at_that",
    ),
    Bug(
        "a restart that is owed is forgotten once its dependency has recovered",
        "core/edges.py",
        "            if edge.name in known:\n                yield known[edge.name]\n            elif",
        "            if",
        f"{EDGES}::test_a_restart_is_owed_once_and_paid_once_whenever_the_operator_dies",
    ),
    Bug(
        "a restart that is owed is paid again and again",
        "core/steps.py",
        "    return replace(plain, history=record, debts=(), attempt=attempt",
        "    return replace(plain, history=record, attempt=attempt",
        f"{EDGES}::test_a_restart_is_owed_once_and_paid_once_whenever_the_operator_dies",
    ),
    Bug(
        "stops what others stand on before them",
        "core/edges.py",
        "        name in system.components[other].dependency_names() and _runs(sights[other])",
        "        False",
        f"{EDGES}::test_stop_goes_in_reverse_order_and_comes_back_through_the_start_gate",
    ),
    Bug(
        "the grace of an edge begins anew with each state of its dependency",
        "core/losses.py",
        "    return min(begun, since) if begun is not None else since",
        "    return since",
        f"{INTERLOCKS}::test_the_limit_counts_from_the_loss_of_health_and_not_from_the_latest_state",
    ),
    Bug(
        "an interlock stays open while nobody knows",
        "core/interlocks.py",
        "        elif plan.assessment.state not in WELL:",
        "        elif plan.assessment.state not in WELL and plan.assessment.state != 'Unknown':",
        f"{INTERLOCKS}::test_a_gate_is_open_only_while_what_it_stands_on_can_be_relied_upon",
    ),
    Bug(
        "the kubelet's back-off is cut short",
        "core/health/words.py",
        "    return partly(sight, ComponentState.UNHEALTHY, reason, message, evidence)",
        "    pod = sight.unready[0].uid if sight.unready else ''\n"
        "    return partly(sight, ComponentState.UNHEALTHY, reason, message, evidence, suspect=pod)",
        MACHINE,
    ),
    Bug(
        "acts on what is too old to be trusted",
        "core/planner.py",
        "    if not snapshot.trusted(now):",
        "    if False:",
        f"{PLAN}::test_what_is_too_old_leads_to_no_action",
    ),
    Bug(
        "takes over the children of others",
        "core/ownership.py",
        "        return controller == identity.uid",
        "        return True",
        f"{PLAN}::test_children_of_others_are_never_touched",
    ),
    Bug(
        "the finalizer is forgotten",
        "core/planner.py",
        "        if wanted and not held:",
        "        if False:",
        f"{PLAN}::test_the_finalizer_is_there_before_any_child",
    ),
    Bug(
        "stops what others still need",
        "core/teardown.py",
        "        if not removal.dependants_left(name, left, tuple(left)):",
        "        if True:",
        f"{TEARDOWN}::test_what_nobody_needs_stops_first_and_is_deleted_with_the_system",
    ),
    Bug(
        "who is told to stop has stopped",
        "core/observed.py",
        "self.replicas == 0 and self.settled",
        "self.replicas == 0",
        f"{TEARDOWN}::test_who_is_scaled_to_nothing_has_stopped_when_its_controller_and_its_pods_say_so",
    ),
    Bug(
        "a refusal to scale down is taken for success",
        "cluster/actions.py",
        "            if error.status == 422 and current is not None and uid_of(current) == action.uid:",
        "            if False:",
        "tests/unit/shell/test_writes.py::test_a_policy_that_forbids_to_scale_down_is_told_of",
    ),
    Bug(
        "an operator that is broken off while it starts leaves its port open",
        "application.py",
        "            await http.cleanup()",
        "            pass",
        "tests/unit/shell/test_server.py::"
        "test_an_operator_that_is_broken_off_while_it_starts_leaves_no_port_open",
    ),
    Bug(
        "who leads again does not say so",
        "application.py",
        "        self._metrics.leader.set(1)",
        "        pass",
        "tests/unit/shell/test_server.py::"
        "test_who_leads_again_before_its_old_term_has_ended_says_that_it_leads",
    ),
    Bug(
        "the line of the cause does not name the node",
        "core/words.py",
        "    if outside := [name for name in worst.plan.causes if name not in components]:",
        "    if outside := []:",
        "tests/unit/core/test_ladder.py::test_nothing_is_done_about_pods_on_a_lost_node",
    ),
    Bug(
        "a deletion that waits for ever",
        "core/teardown.py",
        "    if done or now >= end or",
        "    if done or",
        f"{PLAN}::test_a_deletion_ends_by_twice_its_deadline",
    ),
    Bug(
        "a map is deleted while a pod still reads it",
        "core/supporting.py",
        "    used = frozenset(_in_use(component, rest, snapshot))",
        "    used: frozenset[str] = frozenset()",
        f"{PLAN}::test_a_stray_child_is_adopted_and_a_shared_map_is_kept_until_nobody_reads_it",
    ),
    Bug(
        "an edited number is no drift",
        "core/drift.py",
        "    return type(want) is type(have) and bool(want == have)",
        "    return isinstance(want, int) or (type(want) is type(have) and bool(want == have))",
        f"{DRIFT}::test_drift",
    ),
    Bug(
        "the status is written in every pass",
        "core/report.py",
        "    unchanged = said == before.raw",
        "    unchanged = False",
        f"{PLAN}::test_a_fair_cluster_starts_in_order_and_then_rests",
    ),
    Bug(
        "conditions forget when they changed",
        "core/conditions.py",
        "    kept = before is not None and before.status is verdict.status",
        "    kept = False",
        f"{PLAN}::test_a_fair_cluster_starts_in_order_and_then_rests",
    ),
    Bug(
        "a new operator starts every wait anew",
        "core/gate.py",
        "_waiting_since(edge, previous) or began_at",
        "began_at",
        f"{PLANNER}::test_a_wait_goes_on_where_the_status_left_it",
    ),
    Bug(
        "a preferred dependency is waited for without end",
        "core/gate.py",
        "        if not edge.required and (wait.overdue or dependency.failed):",
        "        if not edge.required and dependency.failed:",
        f"{PLANNER}::test_a_preferred_dependency_is_given_up_at_the_deadline_and_not_before",
    ),
    Bug(
        "a pod that failed its probes counts as healthy once the prober is silent",
        "core/health/probes.py",
        "    if not silent:\n        return None",
        "    if True:\n        return None",
        f"{HEALTH}::test_what_is_seen_has_a_name",
    ),
    Bug(
        "one failed check restarts a pod",
        "core/sight.py",
        "            and reading.failures >= self.component.health.unhealthy_after",
        "            and reading.failures >= 1",
        f"{HEALTH}::test_what_is_seen_has_a_name",
    ),
    # -- in the shell around the core --
    Bug(
        "a deed without its record",
        "cluster/actions.py",
        "        if not action.resume:\n            record",
        "        if False:\n            record",
        f"{RECOVERY_WRITES}::test_a_restart_is_recorded_before_it_is_made",
    ),
    Bug(
        "the pod that has taken the sick one's name is evicted",
        "cluster/client.py",
        '        options: dict[str, Any] = {"preconditions": {"uid": uid}}',
        "        options: dict[str, Any] = {}",
        f"{CLIENT}::test_what_is_sent",
    ),
    Bug(
        "a record takes away what recovery has put into the pod template",
        "cluster/actions.py",
        "            if action.template:",
        "            if False:",
        f"{RECOVERY_WRITES}::test_a_rollout_is_recorded_and_done_by_one_write",
    ),
    Bug(
        "a write is tried again for ever",
        "cluster/writes.py",
        "                if not error.transient or attempt >= self.retries.attempts:",
        "                if not error.transient:",
        f"{WRITES}::test_an_outage_ends_as_a_transient_outcome_within_a_few_seconds",
    ),
    Bug(
        "the answer to a write is not learnt from",
        "cluster/writes.py",
        "        if self._mirror.wrote(kind, answer):",
        "        if False:",
        f"{APPLIER}::test_what_is_under_way_is_neither_sent_twice_nor_overtaken_by_its_workload",
    ),
    Bug(
        "an operator that no longer leads writes on",
        "cluster/writes.py",
        "            if not self._leading():",
        "            if False:",
        f"{APPLIER}::test_without_the_lease_nothing_is_written",
    ),
    Bug(
        "a healthy revision is given up without being kept",
        "cluster/applier.py",
        "if _is_workload(one) and one.component in unkept]:",
        "if False]:",
        f"{RECOVERY_WRITES}::test_a_workload_keeps_its_revision_while_that_cannot_be_kept",
    ),
    Bug(
        "what arrives late takes the place of what is newer",
        "cluster/mirror.py",
        "(known is not None and _identity(known)[1] >= version):",
        "(known is not None and _identity(known)[1] == version):",
        f"{MIRROR}::test_a_watch_event_wakes_its_system_once",
    ),
    Bug(
        "each heartbeat of a node wakes those on it",
        "cluster/nodes.py",
        "        return known is not None and known[1].ready != view.ready",
        "        return known is not None",
        f"{MIRROR}::test_a_node_wakes_those_with_pods_on_it_when_its_readiness_changes",
    ),
    Bug(
        "a deep check follows wherever a component sends it",
        "cluster/prober.py",
        "allow_redirects=False",
        "allow_redirects=True",
        f"{PROBER}::test_the_answer_is_judged",
    ),
    Bug(
        "the journal grows for ever",
        "core/journal.py",
        "while len(self._kept) > self._most_records or self.size > self._most_bytes:",
        "while len(self._kept) > self._most_records:",
        f"{JOURNAL}::test_whatever_comes_it_holds_no_more_than_it_may",
    ),
    Bug(
        "an alert is told again while it is on its way",
        "core/alerts.py",
        "if row.state is AlertState.PENDING or self._is_on_its_way(row, NoticeKind.FIRING):",
        "if row.state is AlertState.PENDING:",
        f"{ALERTS}::test_whoever_was_told_of_a_beginning_is_told_of_the_end",
    ),
    Bug(
        "an alert is repeated with every pass",
        "core/alerts.py",
        "    return row.notified_at + policy.repeat\n",
        "    return row.notified_at\n",
        f"{ALERTS}::test_whoever_was_told_of_a_beginning_is_told_of_the_end",
    ),
    Bug(
        "those who may have heard of trouble are not told that it is over",
        "core/alerts.py",
        "    return _union(row.sinks, row.offered)\n",
        "    return row.sinks\n",
        f"{ALERTS}::test_whoever_was_told_of_a_beginning_is_told_of_the_end",
    ),
    Bug(
        "an alert ends while its component only starts again",
        "core/alerts.py",
        "        if component in self._situation.unsettled:\n            return row\n",
        "",
        f"{ALERTS}::test_a_component_that_starts_again_is_not_well_yet",
    ),
    Bug(
        "a symptom has an alert of its own",
        "core/troubles.py",
        "for root in causes or (name,):",
        "for root in (name,):",
        f"{TROUBLES}::test_a_root_with_its_symptoms_is_one_trouble_as_bad_as_the_worst_of_them",
    ),
    Bug(
        "nobody is told of a spec that makes no sense",
        "core/troubles.py",
        "            return Situation(troubles=(_senseless(plan, before, now),), frozen=True)",
        "            return Situation(frozen=True)",
        f"{SYSTEM_ALERTS}::test_a_spec_that_makes_no_sense_is_told_and_its_end_too",
    ),
    Bug(
        "what was rolled back is left to itself",
        "core/workloads.py",
        "                left = rollback.as_left(objects, live, self.draft.snapshot)",
        "                left = None",
        f"{ROLLED_BACK}::test_somebody_s_edit_of_it_is_put_right_at_once",
    ),
    Bug(
        "who stands on what was rolled back never starts again",
        "core/workloads.py",
        "            known = {**known, **self.draft.standing}",
        "            pass",
        f"{ROLLED_BACK}::test_who_was_stopped_with_it_comes_back_although_it_is_not_in_the_revision_that_is_wanted",
    ),
    Bug(
        "a new revision is put on top of a provider that was rolled back",
        "core/workloads.py",
        "        if live is None or live.revision == objects.revision:\n            known",
        "        if True:\n            known",
        f"{ROLLED_BACK}::test_a_new_revision_of_who_stands_on_it_waits_until_it_has_its_own",
    ),
    Bug(
        "a restart that is owed comes on top of the component's own recovery",
        "core/rescue.py",
        "        if name in self.busy:\n",
        "        if False:\n",
        f"{EDGES}::test_a_restart_that_is_owed_waits_until_the_component_s_own_recovery_has_ended",
    ),
    Bug(
        "a rollout leads back to the node that the component was moved from",
        "core/overlay.py",
        '    return restarted(at, _avoided(mapping_at(workload, "spec", "template", "spec", "affinity")))',
        "    return restarted(at)",
        f"{EDGES}::test_a_restart_that_is_owed_does_not_lead_back_to_the_node_that_the_component_was_moved_from",
    ),
    Bug(
        "the way back of before is carried on after a retry",
        "core/recovery.py",
        "last.pod_uid == trouble.suspect and not dropped:",
        "last.pod_uid == trouble.suspect:",
        f"{ROLLED_BACK}::test_a_retry_is_no_reason_to_go_on_with_the_way_back_of_before",
    ),
    Bug(
        "a way back in the moment of a retry is undone by it",
        "core/rollback.py",
        "made[-1] >= retried_at",
        "made[-1] > retried_at",
        f"{ROLLED_BACK}::test_a_way_back_in_the_moment_of_a_retry_comes_after_it",
    ),
    Bug(
        "a restart that is owed is made on a lost node",
        "core/rescue.py",
        "            or self.diagnosis.on_lost_node(name)\n",
        "",
        f"{EDGES}::test_a_restart_that_is_owed_waits_for_the_node_of_the_component",
    ),
    Bug(
        "an operator that has lost its lease goes on to show what it knew",
        "application.py",
        "            self._metrics.forget_systems()\n",
        "",
        "tests/unit/shell/test_server.py::test_who_does_not_lead_any_more_shows_nothing_of_the_systems",
    ),
    Bug(
        "what somebody has edited is kept as the way back",
        "cluster/actions.py",
        "if data is None or not is_sealed(data):",
        "if data is None:",
        f"{RECOVERY_WRITES}::test_nothing_is_kept_of_a_workload_that_somebody_has_edited",
    ),
    Bug(
        "what was kept of a component that has come back is missed by nobody",
        "core/workloads.py",
        "                    self._keep_again(name, live)\n",
        "",
        f"{ROLLED_BACK}::test_what_it_runs_is_kept_again_when_somebody_deletes_what_was_kept",
    ),
    Bug(
        "a stop that meets a new spec loses the way back",
        "core/workloads.py",
        "                self._keep(name, sight.workload)",
        "                pass",
        f"{ROLLED_BACK}::test_what_ran_well_is_kept_when_a_stop_meets_a_new_spec",
    ),
    Bug(
        "the bad revision is kept in the name of the good one",
        "cluster/actions.py",
        " and _revision(live) == _revision(action.obj)",
        "",
        f"{RECOVERY_WRITES}::test_nothing_is_kept_of_a_workload_that_has_another_revision_by_now",
    ),
    Bug(
        "what an answer tells of others' doings calls for no other pass",
        "cluster/writes.py",
        "        if self._mirror.wrote(kind, answer):\n            self._surprised.add(key)\n",
        "        self._mirror.wrote(kind, answer)\n",
        f"{APPLIER}::test_news_in_an_answer_calls_for_another_pass",
    ),
    Bug(
        "after a conflict the object of another is written over",
        "cluster/actions.py",
        "            if not owns(identity, current):",
        "            if False:",
        f"{WRITES}::test_an_object_of_somebody_else_with_our_name_is_left_alone",
    ),
    Bug(
        "a wake during a pass is lost",
        "dispatcher.py",
        "            slot.running = False\n",
        "            slot.running = False\n            slot.woken.clear()\n",
        f"{DISPATCHER}::test_passes_of_one_system_never_overlap_and_a_wake_during_a_pass_leads_to_one_more",
    ),
    Bug(
        "a wake in the last pass of a system that is made again is lost",
        "dispatcher.py",
        "                if not slot.woken.is_set():\n",
        "                if True:\n",
        f"{DISPATCHER}::test_a_wake_in_the_last_pass_of_a_gone_system_is_not_lost",
    ),
    Bug(
        "a listing that is old brings back what is gone",
        "cluster/mirror.py",
        "version <= shelf.gone.get(uid, -1) or (known",
        "(known",
        f"{MIRROR}::test_a_stale_listing_brings_nothing_back",
    ),
    # -- in the components --
    Bug(
        "whoever answers others is taken to be gone",
        "alluse/runtime/silence.py",
        "wait.quiet_s + passed if wait.answers == ear.answers else 0.0",
        "wait.quiet_s + passed",
        f"{SILENCE}::test_who_answers_others_is_busy_and_worth_waiting_for",
    ),
    Bug(
        "on a machine that is late the others are given no more time",
        "alluse/runtime/silence.py",
        "LOOK_S * min(1.0, LOOK_S / (now - ear.looked_at)) ** 2",
        "now - ear.looked_at",
        f"{SILENCE}::test_the_slower_we_are_the_longer_we_wait",
    ),
    Bug(
        "time in which we stood still is the others' silence",
        "alluse/runtime/silence.py",
        "LOOK_S * min(1.0, LOOK_S / (now - ear.looked_at)) ** 2",
        "max(LOOK_S, now - ear.looked_at)",
        f"{SILENCE}::test_time_in_which_we_did_not_listen_is_nobodys_silence",
    ),
    Bug(
        "ten users wait one after the other for the same dead part",
        "alluse/runtime/silence.py",
        "            ear.closed_until = loop.time() + AGAIN_S\n            raise",
        "            raise",
        f"{SILENCE}::test_after_a_moment_one_tries_again_for_all",
    ),
    Bug(
        "what was asked once is answered from memory",
        "alluse/services/enhanced_agent/together.py",
        "        del self._asking[question]\n",
        "",
        f"{TOGETHER}::test_those_who_ask_at_once_share_an_answer_and_the_next_asks_anew",
    ),
    Bug(
        "who asked first takes the answer of the others away when he goes",
        "alluse/services/enhanced_agent/together.py",
        "        return await asyncio.shield(asking)",
        "        return await asking",
        f"{TOGETHER}::test_the_first_may_go",
    ),
    Bug(
        "what a look has found is put down after what a later one found",
        "alluse/services/health_monitor/monitor.py",
        "        async def one(name: str) -> None:\n            found = await look(name)\n",
        "        looks = asyncio.gather(*(look(name) for name in names))\n\n"
        "        async def one(name: str) -> None:\n            found = dict(zip(names, await looks))[name]\n",
        f"{MONITOR}::test_what_a_look_found_does_not_wait_for_the_others",
    ),
    Bug(
        "a client that is refused is reset while it still sends",
        "alluse/runtime/http_server.py",
        "        self._timer = self._loop.call_later(LINGER_S, self._transport.close)",
        "        self._transport.close()",
        f"{HTTP_SERVER}::test_a_refused_client_may_go_on_sending_and_is_not_reset",
    ),
    Bug(
        "success is told before the commit",
        "alluse/runtime/group_commit.py",
        "            asked.result = asked.work(db)\n",
        "            asked.result = asked.work(db)\n"
        "            asked.told.get_loop().call_soon_threadsafe(\n"
        "                _tell, [_Asked(asked.work, asked.told, asked.result)]\n"
        "            )\n",
        f"{STORE}::test_when_the_commit_fails_nobody_is_told_of_success",
    ),
    Bug(
        "one write that fails takes those beside it along",
        "alluse/runtime/group_commit.py",
        '            db.execute("ROLLBACK TO one")\n',
        "            raise\n",
        f"{STORE}::test_writes_at_the_same_time_share_a_commit_and_fail_alone",
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default="", help="only bugs whose title has this word")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    chosen = parser.parse_args()
    bugs = [bug for bug in BUGS if chosen.only in bug.title]
    if not bugs:
        parser.error(f"no planted bug has {chosen.only!r} in its title")
    caught = 0

    def tell(outcome: Outcome) -> None:
        nonlocal caught
        caught += outcome.caught
        verdict = "caught" if outcome.caught else "SURVIVED"
        test = outcome.bug.caught_by.removeprefix("tests/")
        print(
            f"{verdict:9}{outcome.seconds:6.1f} s  {outcome.bug.title}  [{test}] {outcome.remark}", flush=True
        )

    plant(bugs, chosen.jobs, tell)
    print(f"{caught} of {len(bugs)} planted bugs caught")
    return int(caught < len(bugs))


if __name__ == "__main__":
    sys.exit(main())
