"""The configuration as a component reads it, and how layers of it are put together.

Values live in one nested mapping; a dotted key is a path in it. Who sets a value, in ascending weight:
packaged values, what config-manager serves (or the last copy of it), the component's own ConfigMap, the
variables `ALL_USE__…`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from alluse import contract
from alluse.runtime.packaged import KEYS, PROTOCOL, packaged

Tree = dict[str, Any]

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a nested mapping by dotted key. An empty mapping is a leaf."""
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def plant(tree: Tree, key: str, value: Any) -> None:
    """Set one dotted key, making the mappings on its way; a leaf in the way is replaced."""
    *parents, leaf = key.split(".")
    for name in parents:
        below = tree.get(name)
        if not isinstance(below, dict):
            below = tree[name] = {}
        tree = below
    tree[leaf] = value


def nested(values: Mapping[str, Any]) -> Tree:
    """The nested form of dotted keys."""
    tree: Tree = {}
    for key, value in values.items():
        plant(tree, key, value)
    return tree


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Tree:
    """Both trees in one; where they meet in a leaf, `above` wins. Neither is changed."""
    tree = {name: merged(value, {}) if isinstance(value, Mapping) else value for name, value in below.items()}
    for name, value in above.items():
        if isinstance(value, Mapping):
            under = tree.get(name)
            tree[name] = merged(under if isinstance(under, Mapping) else {}, value)
        else:
            tree[name] = value
    return tree


def dig(tree: Mapping[str, Any], key: str) -> Any:
    """The value or the mapping at a dotted key. Raises KeyError naming the whole key."""
    node: Any = tree
    for name in key.split("."):
        if not isinstance(node, Mapping) or name not in node:
            raise KeyError(key)
        node = node[name]
    return node


def coerce(key: str, value: Any) -> Any:
    """Text for a known key as the type of its packaged value; other values are returned as they are.

    ConfigMaps and environment variables hold only text. Raises ValueError saying what the key wants.
    """
    if not isinstance(value, str):
        return value
    if key not in KEYS:
        return _literal(value)
    wanted = KEYS[key].base
    text = value.strip()
    if isinstance(wanted, bool):
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise ValueError(f"{key} wants true or false, not {value!r}")
    if isinstance(wanted, int | float):
        try:
            return int(text) if isinstance(wanted, int) else float(text)
        except ValueError:
            kind = "a whole number" if isinstance(wanted, int) else "a number"
            raise ValueError(f"{key} wants {kind}, not {value!r}") from None
    if isinstance(wanted, list):
        if text.startswith("["):
            return _literal(text)
        return [part.strip() for part in text.split(",") if part.strip()]
    return value


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def read_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """`ALL_USE__A__B=x` as `{"a.b": "x"}`; other variables are left alone."""
    prefix = contract.CONFIG_VARIABLE_PREFIX
    return {
        name[len(prefix) :].replace("__", ".").lower(): value
        for name, value in sorted(environ.items())
        if name.startswith(prefix) and len(name) > len(prefix)
    }


def read_config_map(directory: Path) -> dict[str, Any]:
    """The leaves of `config.json`; nothing when there is no such file.

    Raises ValueError naming the file when it cannot be read as an object.
    """
    path = directory / contract.CONFIG_FILE
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(tree, dict):
        raise ValueError(f"{path}: must hold a JSON object")
    return dict(flatten(tree))


class LocalLayers:
    """What this pod itself sets: its ConfigMap and its variables, checked against the known keys."""

    def __init__(self, config_dir: Path, environ: Mapping[str, str]) -> None:
        self.values: dict[str, Any] = {}
        #: Sentences about what was left out, for the health report.
        self.problems: list[str] = []
        layers: list[Mapping[str, Any]] = []
        try:
            layers.append(read_config_map(config_dir))
        except ValueError as error:
            self.problems.append(str(error))
        layers.append(read_variables(environ))
        for layer in layers:
            for key, value in layer.items():
                self._take(key, value)

    def _take(self, key: str, value: Any) -> None:
        if key not in KEYS and not key.startswith(f"{PROTOCOL}."):
            self.problems.append(f"there is no configuration key {key}")
            return
        try:
            self.values[key] = coerce(key, value)
        except ValueError as error:
            self.problems.append(str(error))


class Config:
    """The effective configuration of one component. Reading is cheap; do it where the value is used."""

    def __init__(self, environment: str, local: LocalLayers | None = None) -> None:
        self.environment = environment
        self.problems: tuple[str, ...] = tuple(local.problems) if local else ()
        #: Sentences about values that a listener could not use.
        self.unused: tuple[str, ...] = ()
        self._local = dict(local.values) if local else {}
        self._tree: Tree = {}
        self._listeners: list[Callable[[], None]] = []
        self.revision = 0
        #: Where the shared values come from: `packaged`, `last-good` or `config-manager`.
        self.source = "packaged"
        self.take({}, 0, "packaged")

    def take(self, shared: Mapping[str, Any], revision: int, source: str) -> None:
        """Replace what is shared by all (nested mapping) and tell the listeners."""
        tree = merged(nested(packaged(self.environment)), shared)
        for key, value in self._local.items():
            plant(tree, key, value)
        self._tree = tree
        self.revision, self.source = revision, source
        self.unused = ()
        for listener in self._listeners:
            try:
                listener()
            except (ValueError, KeyError, TypeError) as error:
                self.unused += (f"a value cannot be used: {error}",)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every change, and once now."""
        self._listeners.append(listener)
        listener()

    def get(self, key: str) -> Any:
        """The value at a dotted key. Raises KeyError for a key that does not exist."""
        return dig(self._tree, key)

    def number(self, key: str) -> float:
        return float(self.get(key))

    def integer(self, key: str) -> int:
        return int(self.get(key))

    def flag(self, key: str) -> bool:
        return bool(self.get(key))

    def text(self, key: str) -> str:
        return str(self.get(key))

    def strings(self, key: str) -> list[str]:
        return [str(value) for value in self.get(key)]

    def section(self, key: str) -> Tree:
        """The mapping below a key; empty where nothing is set."""
        try:
            value = self.get(key)
        except KeyError:
            return {}
        return value if isinstance(value, dict) else {}
