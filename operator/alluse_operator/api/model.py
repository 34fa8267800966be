"""How the types of the resource are written, in the spec as in the status."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class ResourceModel(BaseModel):
    """Frozen, camelCase on the wire, unknown fields refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )


def list_by(key: str) -> dict[str, Any]:
    """Schema of a list whose items merge one by one, by this field, under server-side apply."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


BY_NAME: Final = list_by("name")
#: A list without repetitions, merged item by item.
AS_SET: Final[dict[str, Any]] = {"x-kubernetes-list-type": "set"}
#: A list that one writer holds as a whole.
ATOMIC: Final[dict[str, Any]] = {"x-kubernetes-list-type": "atomic"}


def filled_in(model: type[ResourceModel]) -> Any:
    """A field that the API server fills in with all its defaults, so that people see what applies."""
    defaults = model().model_dump(mode="json", by_alias=True)
    return Field(default_factory=model, json_schema_extra={"default": defaults})
