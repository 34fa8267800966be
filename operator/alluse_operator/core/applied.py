"""What one field manager has applied of an object, read back from the object's `managedFields`.

Server-side apply keeps a record of who owns which field (structured merge diff, "FieldsV1"): `f:name` is a
field, `k:{...}` an item of a list by its keys, `v:...` an item of a set by its value, `.` the thing itself.
What a manager owns with its value is what it applied last, without the server's defaults and without what
others have added.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from alluse_operator.core.objects import Object, metadata


def applied_by(manager: str, obj: Object) -> Object | None:
    """The object as `manager` would have to apply it again to own the same; None: it has applied nothing."""
    for entry in metadata(obj).get("managedFields") or ():
        applies = entry.get("operation") == "Apply" and not entry.get("subresource")
        if entry.get("manager") == manager and applies:
            found = _extract(entry.get("fieldsV1") or {}, obj)
            meta = metadata(obj)
            identity = {name: meta[name] for name in ("name", "namespace") if name in meta}
            return {
                "apiVersion": obj["apiVersion"],
                "kind": obj["kind"],
                **found,
                "metadata": {**found.get("metadata", {}), **identity},
            }
    return None


def _extract(fields: Mapping[str, Any], value: Any) -> Any:
    parts = {name: sub for name, sub in fields.items() if name != "."}
    if not parts:
        return type(value)() if "." in fields and isinstance(value, dict | list) else value
    if isinstance(value, Mapping):
        named = {name.removeprefix("f:"): sub for name, sub in parts.items() if name.startswith("f:")}
        return {name: _extract(sub, value[name]) for name, sub in named.items() if name in value}
    if isinstance(value, list):
        items = []
        for item in value:
            sub = next((sub for name, sub in parts.items() if _names(name, item)), None)
            if sub is not None:
                items.append(_extract(sub, item))
        return items
    return value


def _names(part: str, item: Any) -> bool:
    """Whether `k:{...}` or `v:...` means this item."""
    kind, _, text = part.partition(":")
    wanted: Any = json.loads(text) if kind in ("k", "v") else {}
    if kind == "k" and isinstance(item, Mapping):
        # A key that the item leaves out has its default, which is never what the others differ in.
        return all(item.get(name, value) == value for name, value in wanted.items())
    return kind == "v" and bool(wanted == item)
