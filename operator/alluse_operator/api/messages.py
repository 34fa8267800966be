"""The sentences that a person gets about a spec: what is wrong, and what to do.

The API server says them at `kubectl apply` (rules), the operator says them in the
condition SpecValid (validation): the same words for the same mistake.
"""

from typing import Final

from alluse_operator.api.names import OBJECT_NAME_MAX_LENGTH
from alluse_operator.api.spec import BUILT_IN_ENVIRONMENTS, HEALTH_DEFAULTS, MAX_COMPONENTS

# -- the whole system ------------------------------------------------------------------------------

SYSTEM_NAME: Final = (
    "must be a DNS label that begins with a letter (lower case letters, digits and '-'), because the "
    "Services of the components are named after it"
)
SYSTEM_NAME_LENGTH: Final = (
    "is too long: '<system>-<component>' names the objects of each component and may have "
    f"{OBJECT_NAME_MAX_LENGTH} characters; shorten the name of the system or of the component"
)
ENVIRONMENT: Final = (
    f"the environment is neither built in ({', '.join(BUILT_IN_ENVIRONMENTS)}) nor declared in environments"
)
ENVIRONMENT_REMEDY: Final = "correct the name or declare it"
CUSTOM_EMPTY: Final = "profile Custom has no components of its own: list at least one, or use profile WS1"
TOO_MANY: Final = (
    f"a system has at most {MAX_COMPONENTS} components, those of the catalog included: split the rest off "
    "into a second system"
)

# -- references and the graph ----------------------------------------------------------------------

UNKNOWN_DEPENDENCY: Final = "dependsOn names a component that the system does not have"
UNKNOWN_CALL: Final = "calls names a component that the system does not have"
UNKNOWN_OVERRIDE: Final = "an environment changes a component that the system does not have"
UNKNOWN_REMEDY: Final = "correct the name or add the component to spec.components"
UNKNOWN_INTERLOCK: Final = "an interlock names a component that the system does not have"
INTERLOCK_SELF: Final = "an interlock cannot require the component that it guards: remove it from requires"
PREFERRED_EDGE: Final = (
    "onUnhealthy Isolate, Restart and Stop are for Required dependencies: make it Required, or use Ignore or "
    "Hold"
)
SAFE_STATE_LAST: Final = "SafeState ends the ladder: put it last"
SELF_DEPENDENCY: Final = "a component cannot depend on itself: remove the entry"
SELF_CALL: Final = "a component need not be allowed to call itself: remove the entry"
CYCLE: Final = "the dependencies form a cycle, so that none of these could start"
CYCLE_REMEDY: Final = "remove one of the dependsOn entries (calls needs no order)"
DISABLED: Final = "a Required dependency is disabled"
DISABLED_REMEDY: Final = "enable it, disable the dependant too, or make the dependency Preferred"

# -- what goes with what ---------------------------------------------------------------------------

COMPLETED_SERVICE: Final = (
    "condition Completed is for components of type Job only, because a Service never completes: use Healthy "
    "or Started"
)
HEALTHY_JOB: Final = (
    "condition Healthy is for components of type Service only, because a Job never becomes Healthy: use "
    "Completed or Started"
)
#: By the field that a Job cannot have.
JOB_FIELDS: Final = {
    "storage": "a Job cannot have storage, because its pods come and go: remove it",
    "health": "a Job has no health check, it is Completed or Failed: remove it",
    "port": "a Job has no port, because nothing calls it: remove it",
    "replicas": "a Job runs one pod: remove replicas",
}
JOB_OVERRIDE: Final = "a Job has no storage, health, port or replicas: remove them from the environment"
CATALOG_JOB: Final = (
    "the components of the catalog are Services: give your Job a name of its own, or use profile Custom"
)
ONE_REPLICA: Final = (
    "a component of the catalog that keeps state runs exactly one replica, because a second one would not "
    "share it: set replicas to 1"
)
IMAGE_MISSING: Final = "components that are not in the catalog have neither image nor command"
IMAGE_REMEDY: Final = (
    "set image (or spec.image.repository), or a command that the image of the ALL-USE components can run"
)

# -- ranges ----------------------------------------------------------------------------------------

TIMEOUT: Final = (
    f"timeoutSeconds (default {HEALTH_DEFAULTS.timeout_seconds}) must not be more than periodSeconds "
    f"(default {HEALTH_DEFAULTS.period_seconds}), because a check must have ended before the next "
    "one begins: lower the timeout or raise the period"
)
#: By resource.
LIMIT_BELOW_REQUEST: Final = {
    "cpu": "limits.cpu is below requests.cpu: raise the limit or lower the request",
    "memory": "limits.memory is below requests.memory: raise the limit or lower the request",
}
MEMORY_SMALL: Final = "memory is in bytes and needs at least 4Mi: did you leave out the unit (Mi, Gi)?"
SIZE_SMALL: Final = "size is in bytes and needs at least 1Mi: did you leave out the unit (Mi, Gi)?"
STORAGE_CHANGED: Final = (
    "storage cannot be changed, because the claim template of a StatefulSet is immutable: give the component "
    "a new name, or delete the system and create it again"
)
STOP_GRACE: Final = (
    "stopGraceSeconds is longer than teardown.deadlineSeconds, at which the component would be killed all "
    "the same: lower it, or raise the deadline"
)
BACKOFF: Final = "initialSeconds must not be more than maxSeconds: lower it, or raise maxSeconds"

# -- environment variables and configuration -------------------------------------------------------

ENV_SOURCE: Final = "set exactly one of value and secretKeyRef"
ENV_RESERVED: Final = (
    "the operator sets this variable itself (ALLUSE_..., ALL_USE_ENV, POD_NAME, POD_NAMESPACE, POD_IP): "
    "choose another name; for configuration use config, or variables ALL_USE__SECTION__KEY"
)
CONFIG_KEYS: Final = (
    "keys are dotted names of lower case letters, digits and '_', such as monitoring.health.check_interval: "
    "correct the key"
)
CONFIG_NESTING: Final = "is a value and at the same time the beginning of other keys: rename one of them"
