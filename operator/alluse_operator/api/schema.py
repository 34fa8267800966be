"""Pydantic model -> structural OpenAPI v3 schema, as the API server accepts it.

The JSON schema that pydantic writes is not structural: it has `$ref`, `anyOf` with
null, `const`, `title`, `additionalProperties: false` and exclusive bounds. All of it
is said in other words here, or refused loudly when there are no other words.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

#: Keywords that mean the same in both worlds.
_KEPT = frozenset(
    {
        "type", "format", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems",
        "maxItems", "maxProperties", "minProperties", "required", "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
    }
)  # fmt: skip
#: Keywords that say nothing which the API server should know.
_DROPPED = frozenset({"title", "examples", "$defs", "additionalProperties"})


class UnstructuralSchemaError(TypeError):
    """A model uses a construction that a structural schema cannot express; change the model."""


def structural_schema(model: type[BaseModel]) -> Schema:
    """The structural schema of a model. Field names are the aliases (camelCase).

    Raises UnstructuralSchemaError for unions other than `X | None` and for unknown keywords.
    """
    raw = model.model_json_schema(by_alias=True, mode="validation")
    schema = _rewrite(raw, raw.get("$defs", {}), model.__name__)
    schema["description"] = paragraph(model.__doc__ or "")
    return schema


def paragraph(text: str) -> str:
    """A docstring as one paragraph: it is wrapped for reading the code, not for terminals."""
    return " ".join(inspect.cleandoc(text).split())


def _rewrite(node: Mapping[str, Any], definitions: Mapping[str, Any], where: str) -> Schema:
    node = _resolve(node, definitions, where)
    result: Schema = {}
    if "description" in node:
        result["description"] = paragraph(node["description"])
    if node.get("x-kubernetes-int-or-string"):
        result["x-kubernetes-int-or-string"] = True
        result["anyOf"] = [{"type": "integer"}, {"type": "string"}]
        result |= {key: node[key] for key in ("pattern", "maxLength") if key in node}
        return result
    for key, value in node.items():
        if key in _KEPT:
            result[key] = value
        elif key == "const":
            result["enum"] = [value]
        elif key == "default":
            if value is not None:
                result["default"] = value
        elif key == "items":
            result["items"] = _rewrite(value, definitions, f"{where}[]")
        elif key == "properties":
            result["properties"] = {
                name: _rewrite(each, definitions, f"{where}.{name}") for name, each in value.items()
            }
        elif key not in _DROPPED and key not in {"description", "x-kubernetes-int-or-string"}:
            raise UnstructuralSchemaError(f"{where}: no structural form of {key!r}: {value!r}")
    if isinstance(node.get("additionalProperties"), Mapping):
        result["additionalProperties"] = _rewrite(node["additionalProperties"], definitions, f"{where}.*")
    return result


def _resolve(node: Mapping[str, Any], definitions: Mapping[str, Any], where: str) -> Schema:
    """Put references and `X | None` in place; what the field says wins over what its type says."""
    merged = dict(node)
    while "anyOf" in merged or "$ref" in merged or "allOf" in merged:
        if "$ref" in merged:
            target = definitions[merged.pop("$ref").rsplit("/", 1)[-1]]
        else:
            key = "anyOf" if "anyOf" in merged else "allOf"
            choices = [each for each in merged.pop(key) if each != {"type": "null"}]
            if len(choices) != 1:
                raise UnstructuralSchemaError(f"{where}: a union of several types: {choices!r}")
            target = choices[0]
        merged = {**target, **merged}
    return merged
