"""Condition types and the reasons that conditions and components carry, each with the time to use it.

Reasons are for programs and dashboards: they are never renamed within a version.
The sentence beside a reason is for people and may change.

How conditions are read (kstatus, Argo CD, Flux, `kubectl wait`):

* Only `Stalled=True` means failed. While the system converges, Ready is *Unknown*
  (False would read as broken); it is False only when something is wrong.
* Reconciling, Stalled and RecoverySuspended are present only while they are True.
* Ready, Available, Degraded and SpecValid are present from the first pass on.
* A pass that changes nothing leaves all of them alone.
"""

from enum import StrEnum


class ConditionType(StrEnum):
    #: Everything that should run is Healthy or Completed (Optional components aside), for this generation.
    READY = "Ready"
    #: Every Critical component works (Healthy or Degraded). What a caller of the system asks.
    AVAILABLE = "Available"
    #: The operator is bringing the system to the wanted state: starting, changing, recovering, stopping.
    RECONCILING = "Reconciling"
    #: It will not get further by itself in the near future: people should look.
    STALLED = "Stalled"
    #: Something that had started does not work or works with something missing.
    DEGRADED = "Degraded"
    #: The spec makes sense. While False nothing is changed and what runs goes on running.
    SPEC_VALID = "SpecValid"
    #: Nothing is restarted, because the trouble is not the components' own. Present only while True.
    RECOVERY_SUSPENDED = "RecoverySuspended"


class Reason(StrEnum):
    """Reasons of the conditions."""

    # Ready
    #: All components that count are Healthy or Completed.
    ALL_COMPONENTS_READY = "AllComponentsReady"
    #: Ready=Unknown: components are starting or waiting for each other, within their deadlines.
    STARTING = "Starting"
    #: Ready=Unknown: a new revision of some component is on its way.
    UPDATING = "Updating"
    #: Ready=Unknown: a component failed and is being recovered.
    RECOVERING = "Recovering"
    #: A component that counts is Unhealthy, Failed or Blocked.
    COMPONENTS_NOT_READY = "ComponentsNotReady"
    #: Being deleted.
    TERMINATING = "Terminating"
    #: What the operator knows is too old to decide anything (also Available, Degraded).
    OBSERVATION_STALE = "ObservationStale"

    # Available
    #: All Critical components work.
    CRITICAL_COMPONENTS_AVAILABLE = "CriticalComponentsAvailable"
    #: A Critical component does not work (yet).
    CRITICAL_COMPONENTS_UNAVAILABLE = "CriticalComponentsUnavailable"

    # Degraded
    #: Degraded=False.
    NO_COMPONENT_DEGRADED = "NoComponentDegraded"
    #: Degraded=True: the message names the components.
    COMPONENTS_DEGRADED = "ComponentsDegraded"

    # Stalled
    #: Not ready at `startup.deadlineSeconds` after the start began.
    STARTUP_DEADLINE_EXCEEDED = "StartupDeadlineExceeded"
    #: A component used up `recovery.intensity` and is now only tried at long intervals.
    RECOVERY_BUDGET_EXHAUSTED = "RecoveryBudgetExhausted"
    #: A Job that others wait for has failed.
    JOB_FAILED = "JobFailed"
    #: The API server refuses an object of ours for a reason that a retry does not change (quota, policy).
    APPLY_REFUSED = "ApplyRefused"
    #: Teardown went past its deadline.
    TEARDOWN_DEADLINE_EXCEEDED = "TeardownDeadlineExceeded"

    # RecoverySuspended
    #: Most of the system is unwell at once: the trouble is taken to be the infrastructure's.
    INFRASTRUCTURE = "Infrastructure"
    #: Pods of the system are on nodes that are not ready.
    NODES_NOT_READY = "NodesNotReady"

    # SpecValid (SpecValid=False is also the reason of Stalled and Ready=False)
    #: SpecValid=True.
    SPEC_ACCEPTED = "SpecAccepted"
    #: SpecValid=False: the message names each field, what is wrong, and what to do.
    SPEC_INVALID = "SpecInvalid"


class ComponentReason(StrEnum):
    """Reasons of a component's state."""

    #: Waiting: a dependency's condition does not hold; `waitingFor` names it.
    WAITING_FOR_DEPENDENCIES = "WaitingForDependencies"
    #: Waiting: `startup.maxParallel` components are starting already.
    WAITING_FOR_SLOT = "WaitingForSlot"
    #: Blocked: a Required dependency is missing past `startDeadlineSeconds`.
    DEPENDENCY_DEADLINE_EXCEEDED = "DependencyDeadlineExceeded"
    #: Blocked or Failed: a Job that it needs has failed.
    DEPENDENCY_FAILED = "DependencyFailed"
    #: Starting: the objects are about to be created, or were created a moment ago.
    CREATED = "Created"
    #: Starting: pods of a new revision take the place of the old ones.
    ROLLING_OUT = "RollingOut"
    #: Starting: a pod exists but no node has been found for it.
    UNSCHEDULABLE = "Unschedulable"
    #: Starting or Unhealthy: the image cannot be pulled.
    IMAGE_PULL_FAILED = "ImagePullFailed"
    #: Starting or Unhealthy: the container cannot be made (a missing Secret or key, a bad volume).
    CONTAINER_CONFIG_ERROR = "ContainerConfigError"
    #: Starting: running, but the startup or readiness probe has not passed yet.
    NOT_YET_READY = "NotYetReady"
    #: Starting: good, but not yet for `healthyForSeconds`.
    SETTLING = "Settling"
    #: Healthy.
    HEALTHY = "Healthy"
    #: Degraded: the deep check answers `degraded`.
    REPORTS_DEGRADED = "ReportsDegraded"
    #: Degraded: some but not all of its replicas are available.
    REPLICAS_MISSING = "ReplicasMissing"
    #: Unhealthy: it was ready and is not any more.
    NOT_READY = "NotReady"
    #: Unhealthy: the container ended and the kubelet starts it again.
    CRASHED = "Crashed"
    #: Unhealthy: it keeps crashing; the kubelet waits before the next start.
    CRASH_LOOP = "CrashLoop"
    #: Unhealthy: `unhealthyAfter` deep checks in a row failed.
    PROBE_FAILED = "ProbeFailed"
    #: Unhealthy: not healthy within `startDeadlineSeconds` of its creation.
    START_DEADLINE_EXCEEDED = "StartDeadlineExceeded"
    #: Unhealthy: the workload that was there is gone (ObserveOnly), or its pods are.
    MISSING = "Missing"
    #: Recovering: a recovery attempt is under way.
    RECOVERY_IN_PROGRESS = "RecoveryInProgress"
    #: Unhealthy: the next attempt waits for its back-off.
    RECOVERY_BACKOFF = "RecoveryBackoff"
    #: Unhealthy: other components are under recovery and the budget is used.
    RECOVERY_BUDGET_IN_USE = "RecoveryBudgetInUse"
    #: Unhealthy: `recovery.intensity` is used up.
    RECOVERY_BUDGET_EXHAUSTED = "RecoveryBudgetExhausted"
    #: Unhealthy: nothing is done because a dependency is the root of it.
    DEPENDENCY_UNHEALTHY = "DependencyUnhealthy"
    #: Unhealthy: nothing is done because the trouble is not the components' own.
    INFRASTRUCTURE = "Infrastructure"
    #: Unhealthy: the ladder is used up; nothing more is done for now.
    SAFE_STATE = "SafeState"
    #: Unhealthy: the container ended because it used more memory than its limit.
    OUT_OF_MEMORY = "OutOfMemory"
    #: Unhealthy or Recovering: its pod was evicted from the node, or ended with it.
    EVICTED = "Evicted"
    #: Unhealthy: the node of its pod is not ready, or gone.
    NODE_UNREACHABLE = "NodeUnreachable"
    #: Unhealthy: it keeps losing and regaining its health.
    FLAPPING = "Flapping"
    #: Degraded: it answers its deep check, but takes long.
    SLOW = "Slow"
    #: Degraded: its pods are ready and its Service does not lead to them.
    NOT_IN_SERVICE = "NotInService"
    #: Degraded: taken out of its Service, because a dependency is unwell.
    ISOLATED = "Isolated"
    #: Degraded: it runs an earlier revision, because the wanted one did not become healthy.
    ROLLED_BACK = "RolledBack"
    #: Stopping or Stopped: because a dependency is unwell.
    STOPPED_WITH_DEPENDENCY = "StoppedWithDependency"
    #: Unknown: what is known is too old.
    OBSERVATION_STALE = "ObservationStale"
    #: Stopping.
    STOPPING = "Stopping"
    #: Completed.
    JOB_COMPLETED = "JobCompleted"
    #: Starting: the Job runs.
    JOB_RUNNING = "JobRunning"
    #: Failed.
    JOB_FAILED = "JobFailed"
    #: Starting, Unhealthy or Blocked: the API server refuses one of its objects.
    APPLY_REFUSED = "ApplyRefused"
    #: Blocked: an object with one of its names exists and belongs to somebody else.
    NAME_CONFLICT = "NameConflict"
    #: Unhealthy: quota, Pod Security or an admission webhook refuses its pods.
    POD_REFUSED = "PodRefused"
    #: Blocked: its storage was changed, which a StatefulSet does not allow.
    STORAGE_IMMUTABLE = "StorageImmutable"
    #: Stopping: no longer in the spec, or disabled.
    REMOVED = "Removed"
    #: Disabled: `enabled: false`.
    DISABLED = "Disabled"
