"""The OpenAPI 3.1 document of a component, made from its endpoints."""

import re
from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from alluse.runtime.service import Endpoint
from alluse.schemas.base import DISCLAIMER, Problem

_REF: Final = "#/components/schemas/{model}"
_PARAMETER: Final = re.compile(r"\{([a-z_]+)\}")
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_STATUS_TEXT: Final = {
    400: "The message cannot be read",
    403: "The configuration forbids it",
    404: "There is no such thing",
    409: "The present state, or missing data, stands against it",
    413: "The body is too large",
    422: "Fields are wrong; `errors` names them",
    500: "The component failed",
    501: "Not part of this version",
    503: "Something that is needed is missing",
    504: "The time was spent",
}
_ALWAYS: Final = (500, 503, 504)


def document(name: str, purpose: str, version: str, endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Describe the endpoints; types of requests and answers appear once under `components`."""
    listed = list(endpoints)
    schemas = _schemas(listed)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in listed:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": name,
            "version": version,
            "description": f"{purpose[:1].upper()}{purpose[1:]}. {DISCLAIMER.capitalize()}.",
        },
        "paths": paths,
        "components": {"schemas": schemas["$defs"]},
    }


def _schemas(endpoints: list[Endpoint]) -> dict[str, Any]:
    wanted: dict[tuple[type[BaseModel], str], None] = {(Problem, "serialization"): None}
    for endpoint in endpoints:
        for model in (endpoint.request, endpoint.params):
            if model is not None:
                wanted[(model, "validation")] = None
        if endpoint.answer is not None:
            wanted[(endpoint.answer, "serialization")] = None
    refs, definitions = models_json_schema(list(wanted), ref_template=_REF)  # type: ignore[arg-type]
    return {"$defs": definitions["$defs"], "refs": refs}


def _ref(schemas: dict[str, Any], model: type[BaseModel], mode: str) -> dict[str, Any]:
    schema: dict[str, Any] = schemas["refs"][(model, mode)]
    return schema


def _operation(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    has_body = endpoint.method in _WITH_BODY
    operation: dict[str, Any] = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "parameters": _parameters(endpoint, schemas),
        "responses": _responses(endpoint, schemas),
    }
    if has_body and endpoint.media_type != "application/json":
        operation["requestBody"] = {
            "required": True,
            "content": {endpoint.media_type: {"schema": {"type": "string", "minLength": 1}}},
        }
    elif has_body and endpoint.request is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(schemas, endpoint.request, "validation")}},
        }
    return operation


def _operation_id(endpoint: Endpoint) -> str:
    words = re.sub(r"[^a-zA-Z0-9]+", "_", endpoint.path.replace("{", "by_")).strip("_")
    return f"{endpoint.method.lower()}_{words}"


def _parameters(endpoint: Endpoint, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    in_path = _PARAMETER.findall(endpoint.path)
    model = endpoint.params if endpoint.method in _WITH_BODY else endpoint.request
    properties: dict[str, Any] = {}
    required: list[str] = []
    if model is not None:
        schema = _definition(schemas, model)
        properties, required = schema.get("properties", {}), schema.get("required", [])
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": properties.get(name, {"type": "string", "minLength": 1}),
        }
        for name in in_path
    ]
    parameters += [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in properties.items()
        if name not in in_path
    ]
    if endpoint.changes_state and endpoint.method == "POST":
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "maxLength": 128},
                "description": "Repeating the request under the same key within 24 h has no second effect.",
            }
        )
    return parameters


def _definition(schemas: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    reference = _ref(schemas, model, "validation")
    definition: dict[str, Any] = schemas["$defs"][reference["$ref"].rsplit("/", 1)[1]]
    return definition


def _responses(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": endpoint.summary or "Done"}
    if endpoint.answer is not None:
        success["content"] = {"application/json": {"schema": _ref(schemas, endpoint.answer, "serialization")}}
    nothing = {"description": "Nothing to tell"}
    responses: dict[str, Any] = {
        str(status): nothing if status == 204 and endpoint.answer is not None else success
        for status in (endpoint.status, *endpoint.also)
    }
    statuses = {*endpoint.errors, *_ALWAYS}
    if endpoint.request is not None or endpoint.params is not None:
        statuses.add(422)
    if endpoint.method in _WITH_BODY:
        statuses |= {400, 413}
    for status in sorted(statuses):
        responses[str(status)] = {
            "description": _STATUS_TEXT.get(status, "Problem"),
            "content": {"application/problem+json": {"schema": _ref(schemas, Problem, "serialization")}},
        }
    return responses
