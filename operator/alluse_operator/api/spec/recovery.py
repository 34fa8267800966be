"""What is done about a component that fails: the ladder, its pauses and its budget."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from alluse_operator.api.model import ResourceModel, filled_in, list_by
from alluse_operator.api.spec.values import MAX_COMPONENTS


class RecoveryAction(StrEnum):
    RESTART_POD = "RestartPod"
    ROLLOUT_RESTART = "RolloutRestart"
    RESCHEDULE_ELSEWHERE = "RescheduleElsewhere"
    ROLLBACK_COMPONENT = "RollbackComponent"
    RESTART_DEPENDENTS = "RestartDependents"
    SAFE_STATE = "SafeState"


class BackoffSpec(ResourceModel):
    """Pause between two recovery attempts on the same component."""

    initial_seconds: int = Field(default=1, ge=1, le=3600)
    """Pause after the first attempt."""
    factor: int = Field(default=2, ge=1, le=10)
    """What the pause is multiplied with after each further attempt."""
    max_seconds: int = Field(default=300, ge=1, le=86400)
    """Longest pause. Not less than `initialSeconds`."""


class IntensitySpec(ResourceModel):
    """How often one component may be acted on before the operator gives up for a while."""

    max_actions: int = Field(default=5, ge=1, le=50)
    """Actions within the window; after that the component is left in its safe state and the system is
    Stalled."""
    window_seconds: int = Field(default=600, ge=10, le=86400)
    """Length of the window."""


class RecoveryBudgetSpec(ResourceModel):
    """How much of the system may be under recovery at once."""

    max_concurrent: int = Field(default=1, ge=1, le=MAX_COMPONENTS)
    """Components that may be under recovery at the same time."""
    min_healthy_percent: int = Field(default=50, ge=0, le=100)
    """When fewer of the components than this are well, and not all of the trouble comes from one of them,
    the cause is taken to be the infrastructure: nothing is restarted, and one alert is sent."""


class RungSpec(ResourceModel):
    """One step of the recovery ladder."""

    action: RecoveryAction
    """What is done. RestartPod: the sick pod is evicted. RolloutRestart: all pods are replaced, as by
    `kubectl rollout restart`. RescheduleElsewhere: the same, preferring other nodes (not with `storage`,
    and only if there is another node). RollbackComponent: the workload goes back to its last good revision
    (only within ten minutes of a change). RestartDependents: the pods of the components that require this
    one are restarted. SafeState: nothing more is done, interlocks that require it close, people are told."""
    attempts: int = Field(default=1, ge=1, le=10)
    """How often, before the next step is taken."""


#: The ladder where the spec does not give one.
LADDER_DEFAULT: Final = (
    RungSpec(action=RecoveryAction.RESTART_POD, attempts=2),
    RungSpec(action=RecoveryAction.ROLLOUT_RESTART),
    RungSpec(action=RecoveryAction.RESCHEDULE_ELSEWHERE),
    RungSpec(action=RecoveryAction.ROLLBACK_COMPONENT),
    RungSpec(action=RecoveryAction.RESTART_DEPENDENTS),
    RungSpec(action=RecoveryAction.SAFE_STATE),
)


class RecoverySpec(ResourceModel):
    """What the operator does about a component that is Unhealthy and the root of the trouble: it climbs a
    ladder of actions, with a growing pause between them and within a budget."""

    ladder: Annotated[
        tuple[RungSpec, ...],
        Field(
            min_length=1,
            max_length=len(RecoveryAction),
            json_schema_extra=list_by("action"),
        ),
    ] = LADDER_DEFAULT
    """Steps in the order in which they are taken, each action once. A step that does not apply is passed
    over. Being healthy for `resetAfterSeconds` leads back to the first."""
    backoff: BackoffSpec = filled_in(BackoffSpec)
    """Pause between two attempts."""
    intensity: IntensitySpec = filled_in(IntensitySpec)
    """Attempts before giving up for a while."""
    budget: RecoveryBudgetSpec = filled_in(RecoveryBudgetSpec)
    """Recoveries at the same time."""
    reset_after_seconds: int = Field(default=600, ge=10, le=86400)
    """A component that was healthy for so long starts again with a clean record."""
    retry_exhausted_every_seconds: int = Field(default=3600, ge=60, le=604800)
    """After giving up, one more attempt is made at this interval. A change of the spec ends it at once."""
