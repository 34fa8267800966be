"""Whether a live object still says what we want: a subset comparison.

The API server adds defaults, and other managers add fields of their own, so "equal" would never be true.
What we name must be there with our value; what we do not name is nobody's business here. Where we *stop*
naming a field, the annotation `alluse.io/applied` (a hash of the wanted object, part of it) differs, and
the server-side apply that follows removes the field.

Lists follow the API's own merge rules: a list of items with a key is compared item by item and may hold
further items of others; every other list is atomic and must match as a whole.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from alluse_operator.core.objects import Object

#: Lists that server-side apply merges item by item, by the field they sit in; several names: a compound key.
_KEYED_LISTS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
#: `ports` is keyed in a Service and in a container, and atomic in a NetworkPolicy.
_PORT_KEYS: Mapping[str, tuple[str, ...]] = {
    "Service": ("port", "protocol"),
    "Deployment": ("containerPort", "protocol"),
    "StatefulSet": ("containerPort", "protocol"),
    "Job": ("containerPort", "protocol"),
}
_KEY_DEFAULTS = {"protocol": "TCP"}

#: Maps whose values are quantities: "1000m" and "1" are the same.
_QUANTITY_MAPS = frozenset({"requests", "limits"})
_QUANTITY_FIELDS = frozenset({"sizeLimit"})
_QUANTITY = re.compile(r"^([+-]?[0-9.]+)(?:[eE]([+-]?[0-9]+)|([numkMGTPE]?)|([KMGTPE]i))$")
_DECIMAL_POWERS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_POWERS = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def drift(desired: Object, live: Object) -> tuple[str, ...]:
    """Paths in `desired` that `live` does not have, or has with another value; empty: no drift."""
    kind = str(desired.get("kind", ""))
    return tuple(_differences(kind, {**desired, "status": None}, live, "", ""))


def _differences(kind: str, want: Any, have: Any, path: str, field: str) -> Iterator[str]:
    if want == have:
        return
    if field.endswith(("selector", "Selector")) and _is_mapping(want):
        # Atomic, and here "nothing named" means "everything": a further label would change whom it selects.
        if want or not _is_empty(have):
            yield path
        return
    if _is_empty(want):
        if want is not None and not _is_empty(have) and not _is_mapping(want):
            yield path
        return
    if _is_mapping(want):
        have = {} if have is None else have
        if not _is_mapping(have):
            yield path
            return
        for key, value in want.items():
            if key in have and value == have[key]:
                # Nearly always, and decided without leaving C.
                continue
            yield from _differences(kind, value, have.get(key), _join(path, key), _child_field(field, key))
    elif isinstance(want, Sequence) and not isinstance(want, str):
        yield from _list_differences(kind, want, have, path, field)
    elif not _same_scalar(want, have, field):
        yield path


def _list_differences(kind: str, want: Sequence[Any], have: Any, path: str, field: str) -> Iterator[str]:
    if not isinstance(have, Sequence) or isinstance(have, str):
        yield path
        return
    keys = _PORT_KEYS.get(kind, ()) if field == "ports" else _KEYED_LISTS.get(field, ())
    if keys:
        found = {_item_key(item, keys): item for item in have if _is_mapping(item)}
        for item in want:
            key = _item_key(item, keys)
            where = f"{path}[{','.join(str(part) for part in key)}]"
            if key in found:
                yield from _differences(kind, item, found[key], where, "")
            else:
                yield where
        return
    if len(want) != len(have):
        yield path
        return
    for index, (wanted, live) in enumerate(zip(want, have, strict=True)):
        yield from _differences(kind, wanted, live, f"{path}[{index}]", "")


def _item_key(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key, _KEY_DEFAULTS.get(key)) for key in keys)


def _child_field(field: str, key: str) -> str:
    """The name that decides how the child compares; values of a quantity map inherit the map's."""
    return field if field in _QUANTITY_MAPS else key


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _is_mapping(value: Any) -> bool:
    """The exact type first: asking an abstract class takes ten times as long."""
    return type(value) is dict or isinstance(value, Mapping)


def _is_empty(value: Any) -> bool:
    """The API server drops empty values, so "not there" and "empty" are one."""
    return value is None or (isinstance(value, Mapping | list | tuple) and not value)


def _same_scalar(want: Any, have: Any, field: str) -> bool:
    if isinstance(want, bool) or isinstance(have, bool):
        # False is the zero value, which the API server may leave out.
        return want is have or (want is False and have is None)
    if field in _QUANTITY_MAPS or field in _QUANTITY_FIELDS:
        amounts = quantity(want), quantity(have)
        if None not in amounts:
            return amounts[0] == amounts[1]
    if want in ("", 0) and have is None:
        return True
    return type(want) is type(have) and bool(want == have)


def quantity(value: Any) -> Decimal | None:
    """A Kubernetes quantity as a number, or None if it is none."""
    match = _QUANTITY.match(str(value)) if isinstance(value, str | int) else None
    if match is None:
        return None
    try:
        number = Decimal(match[1])
    except ArithmeticError:
        return None
    if match[4]:
        return number * (Decimal(2) ** _BINARY_POWERS[match[4]])
    return number.scaleb(int(match[2]) if match[2] else _DECIMAL_POWERS[match[3] or ""])
