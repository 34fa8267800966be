"""Pydantic models become structural schemas, or are refused."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from alluse_operator.api.schema import UnstructuralSchemaError, paragraph, structural_schema
from alluse_operator.api.spec import Quantity


class Inner(BaseModel):
    """What is inside."""

    model_config = ConfigDict(extra="forbid")
    size: int = Field(ge=1, le=3)


class Outer(BaseModel):
    """What is
    outside."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    inner: Inner | None = None
    """The field
    wins."""
    plain: Inner
    always: Literal["x"] = "x"
    some: Annotated[
        tuple[Inner, ...], Field(max_length=4, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = ()
    words: Annotated[dict[str, Annotated[str, Field(max_length=9)]], Field(max_length=5)] | None = None
    amount: Quantity | None = None


INNER = {
    "type": "object",
    "properties": {"size": {"type": "integer", "minimum": 1, "maximum": 3}},
    "required": ["size"],
}


def test_everything_that_is_not_structural_is_said_in_other_words() -> None:
    assert structural_schema(Outer) == {
        "type": "object",
        "description": "What is outside.",
        "required": ["plain"],
        "properties": {
            "inner": {**INNER, "description": "The field wins."},
            "plain": {**INNER, "description": "What is inside."},
            "always": {"type": "string", "enum": ["x"], "default": "x"},
            "some": {
                "type": "array",
                "items": {**INNER, "description": "What is inside."},
                "maxItems": 4,
                "x-kubernetes-list-type": "atomic",
                "default": [],
            },
            "words": {
                "type": "object",
                "maxProperties": 5,
                "additionalProperties": {"type": "string", "maxLength": 9},
            },
            "amount": {
                "x-kubernetes-int-or-string": True,
                "anyOf": [{"type": "integer"}, {"type": "string"}],
                "maxLength": 20,
                "pattern": "^([0-9]+([.][0-9]+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$",
            },
        },
    }


class TwoTypes(BaseModel):
    either: int | str


class Exclusive(BaseModel):
    more_than: int = Field(gt=0)


@pytest.mark.parametrize(("model", "words"), [(TwoTypes, "union"), (Exclusive, "exclusiveMinimum")])
def test_what_has_no_structural_form_is_refused_with_its_place(model: type[BaseModel], words: str) -> None:
    with pytest.raises(UnstructuralSchemaError, match=rf"{model.__name__}\.\w+: .*{words}"):
        structural_schema(model)


def test_a_docstring_becomes_one_paragraph() -> None:
    assert paragraph("One\n    two\n\n    three.") == "One two three."
