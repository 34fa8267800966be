"""Names that the cluster sees: the API group, labels, annotations, field managers, the finalizer.

Everything another program may select on, or that must never change between two
versions of the operator, is written here once.
"""

from typing import Final

GROUP: Final = "alluse.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "AllUseSystem"
LIST_KIND: Final = "AllUseSystemList"
PLURAL: Final = "allusesystems"
SINGULAR: Final = "allusesystem"
SHORT_NAME: Final = "aus"
CATEGORY: Final = "all"
CRD_NAME: Final = f"{PLURAL}.{GROUP}"

#: Recommended labels of Kubernetes, on every child.
NAME_LABEL: Final = "app.kubernetes.io/name"
INSTANCE_LABEL: Final = "app.kubernetes.io/instance"
GROUP_LABEL: Final = "app.kubernetes.io/component"
PART_OF_LABEL: Final = "app.kubernetes.io/part-of"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
VERSION_LABEL: Final = "app.kubernetes.io/version"
PART_OF: Final = SINGULAR
MANAGED_BY: Final = "allusesystem-operator"

#: Our own labels, on every child. Together they are the selector of a component's
#: workload, Service, NetworkPolicy and PodDisruptionBudget; selectors are immutable.
SYSTEM_LABEL: Final = f"{GROUP}/system"
COMPONENT_LABEL: Final = f"{GROUP}/component"
#: On the pod template only: which rendered revision a pod belongs to.
REVISION_LABEL: Final = f"{GROUP}/revision"

#: Hash of what needs new pods when it changes, on the workload (equal to the pod's label).
REVISION_ANNOTATION: Final = f"{GROUP}/revision"
#: History of recovery attempts (JSON), on the workload, under a field manager of its own.
RECOVERY_ANNOTATION: Final = f"{GROUP}/recovery"

#: Of the pod template, under the recovery field manager: when all pods were last to be replaced.
RESTARTED_AT_ANNOTATION: Final = f"{GROUP}/restarted-at"
#: On a workload that went back to an earlier revision: the revision that did not become healthy.
ROLLED_BACK_FROM_ANNOTATION: Final = f"{GROUP}/rolled-back-from"
#: On a ControllerRevision that holds what a workload was when it was last healthy.
KEPT_LABEL: Final = f"{GROUP}/kept"
#: On the AllUseSystem, set by a person: "<component or *> <RFC 3339 time>" wipes the record of recovery.
RETRY_ANNOTATION: Final = f"{GROUP}/retry"
#: In the selector of a Service that shall lead nowhere; no pod bears it.
ISOLATED_LABEL: Final = f"{GROUP}/isolated"

#: Names of the components that a component depends on (comma list), on the workload.
DEPENDS_ON_ANNOTATION: Final = f"{GROUP}/depends-on"
#: Hash of an object's own wanted content, on every object: tells an edit by somebody else
#: from a change of what is wanted.
APPLIED_ANNOTATION: Final = f"{GROUP}/applied"

#: One field manager for each writer, so that one never takes back what another wrote.
FIELD_MANAGER: Final = "allusesystem-operator"
RECOVERY_FIELD_MANAGER: Final = "allusesystem-operator-recovery"
STATUS_FIELD_MANAGER: Final = "allusesystem-operator-status"

#: Present only while an ordered teardown is wanted.
FINALIZER: Final = f"{GROUP}/teardown"

#: The claim template of a component that keeps state.
STATE_VOLUME: Final = "state"

#: A StatefulSet puts `-<hash>` on the name for its revision label (63 characters at
#: most) and `-<ordinal>` for its pods; a Job adds five characters and a dash.
OBJECT_NAME_MAX_LENGTH: Final = 52
COMPONENT_NAME_MAX_LENGTH: Final = 40


def object_name(system: str, component: str) -> str:
    """Name of a component's objects. The system leads, so that two systems can share a namespace."""
    return f"{system}-{component}"
