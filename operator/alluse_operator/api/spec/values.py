"""Values of the spec that are one string each, with the patterns and bounds that the API server checks."""

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, StringConstraints

from alluse_operator.api.names import COMPONENT_NAME_MAX_LENGTH

MAX_COMPONENTS: Final = 32
MAX_DEPENDENCIES: Final = MAX_COMPONENTS - 1
MAX_ENVIRONMENTS: Final = 8
MAX_CONFIG_KEYS: Final = 256
MAX_INTERLOCKS: Final = 8

DNS_LABEL: Final = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
CONFIG_KEY: Final = r"^[a-z][a-z0-9_]*([.][a-z0-9_]+)*$"
_TAG = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
_REPOSITORY = r"^[a-z0-9]([-a-z0-9._:/]*[a-z0-9])?$"
_IMAGE = r"^[a-z0-9][-a-z0-9._:/]*(:[A-Za-z0-9_][-A-Za-z0-9_.]*)?(@sha256:[0-9a-f]{64})?$"
_QUANTITY = r"^([0-9]+([.][0-9]+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
_PATH = r"^/[-A-Za-z0-9._~/%]*$"
ENV_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
_OBJECT_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
DATA_KEY = r"^[-._a-zA-Z0-9]+$"


def _quantity(value: Any) -> Any:
    """YAML reads `cpu: 1` as a number; Kubernetes takes that for the quantity "1"."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


ComponentName = Annotated[
    str, StringConstraints(pattern=DNS_LABEL, min_length=1, max_length=COMPONENT_NAME_MAX_LENGTH)
]
EnvironmentName = Annotated[str, StringConstraints(pattern=DNS_LABEL, min_length=1, max_length=40)]
#: A component that may be called, or all of them.
CalledName = Annotated[
    str,
    StringConstraints(
        pattern=r"^([*]|[a-z]([-a-z0-9]*[a-z0-9])?)$", min_length=1, max_length=COMPONENT_NAME_MAX_LENGTH
    ),
]
GroupName = Annotated[str, StringConstraints(pattern=DNS_LABEL, min_length=1, max_length=63)]
#: Also a label value (`app.kubernetes.io/version`): hence 63 characters, not a tag's 128.
ImageTag = Annotated[str, StringConstraints(pattern=_TAG, min_length=1, max_length=63)]
ImageRepository = Annotated[str, StringConstraints(pattern=_REPOSITORY, min_length=1, max_length=255)]
ImageReference = Annotated[str, StringConstraints(pattern=_IMAGE, min_length=1, max_length=400)]
ObjectName = Annotated[str, StringConstraints(pattern=_OBJECT_NAME, min_length=1, max_length=253)]
Quantity = Annotated[
    str,
    BeforeValidator(_quantity),
    StringConstraints(pattern=_QUANTITY, min_length=1, max_length=20),
    # pydantic leaves the pattern out of the schema when a validator comes before it.
    Field(json_schema_extra={"x-kubernetes-int-or-string": True, "pattern": _QUANTITY}),
]
HttpPath = Annotated[str, StringConstraints(pattern=_PATH, min_length=1, max_length=200)]
Argument = Annotated[str, StringConstraints(max_length=1024)]
ConfigValue = Annotated[str, StringConstraints(max_length=1024)]
