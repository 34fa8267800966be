"""What a user writes: the spec of `AllUseSystem`, typed once.

The CustomResourceDefinition and the reference page are generated from these
classes: their docstrings are what `kubectl explain` prints.

Layers. A component is put together from up to three layers: the catalog entry
(profile WS1), the entry in `spec.components`, and the entry in the selected
environment. Therefore every field of a component is optional here and carries *no*
default in the CustomResourceDefinition: the API server would store such a default,
and it would then look like the user's own wish and hide the layer below.
`COMPONENT_DEFAULTS` and `HEALTH_DEFAULTS` hold what applies when no layer speaks.
"""

from alluse_operator.api.spec.alerts import (
    ROUTES_DEFAULT,
    AlertRouteSpec,
    AlertSeverity,
    AlertsSpec,
    DependencyInhibition,
)
from alluse_operator.api.spec.component import (
    ALL_COMPONENTS,
    COMPONENT_DEFAULTS,
    HEALTH_DEFAULTS,
    RESERVED_VARIABLE_PREFIX,
    RESERVED_VARIABLES,
    SMALLEST_CLAIM,
    SMALLEST_MEMORY,
    ComponentOverride,
    ComponentSpec,
    ComponentType,
    Criticality,
    Dependency,
    DependencyCondition,
    HealthSpec,
    Management,
    OnUnhealthy,
    Requirement,
    ResourceAmounts,
    ResourcesSpec,
    StorageSpec,
)
from alluse_operator.api.spec.recovery import (
    LADDER_DEFAULT,
    BackoffSpec,
    IntensitySpec,
    RecoveryAction,
    RecoveryBudgetSpec,
    RecoverySpec,
    RungSpec,
)
from alluse_operator.api.spec.system import (
    BUILT_IN_ENVIRONMENTS,
    AllUseSystemSpec,
    EnvironmentSpec,
    ImageSpec,
    InterlockSpec,
    OnDeadline,
    Profile,
    PullPolicy,
    StartupSpec,
    TeardownOrder,
    TeardownSpec,
)
from alluse_operator.api.spec.values import (
    CONFIG_KEY,
    DNS_LABEL,
    MAX_COMPONENTS,
    MAX_DEPENDENCIES,
    MAX_INTERLOCKS,
    ComponentName,
    ObjectName,
    Quantity,
)

__all__ = [
    "ALL_COMPONENTS",
    "BUILT_IN_ENVIRONMENTS",
    "COMPONENT_DEFAULTS",
    "CONFIG_KEY",
    "DNS_LABEL",
    "HEALTH_DEFAULTS",
    "LADDER_DEFAULT",
    "MAX_COMPONENTS",
    "MAX_DEPENDENCIES",
    "MAX_INTERLOCKS",
    "RESERVED_VARIABLES",
    "RESERVED_VARIABLE_PREFIX",
    "ROUTES_DEFAULT",
    "SMALLEST_CLAIM",
    "SMALLEST_MEMORY",
    "AlertRouteSpec",
    "AlertSeverity",
    "AlertsSpec",
    "AllUseSystemSpec",
    "BackoffSpec",
    "ComponentName",
    "ComponentOverride",
    "ComponentSpec",
    "ComponentType",
    "Criticality",
    "Dependency",
    "DependencyCondition",
    "DependencyInhibition",
    "EnvironmentSpec",
    "HealthSpec",
    "ImageSpec",
    "IntensitySpec",
    "InterlockSpec",
    "Management",
    "ObjectName",
    "OnDeadline",
    "OnUnhealthy",
    "Profile",
    "PullPolicy",
    "Quantity",
    "RecoveryAction",
    "RecoveryBudgetSpec",
    "RecoverySpec",
    "Requirement",
    "ResourceAmounts",
    "ResourcesSpec",
    "RungSpec",
    "StartupSpec",
    "StorageSpec",
    "TeardownOrder",
    "TeardownSpec",
]
