"""Puts the layers of the configuration together and checks the result. Reads files, keeps nothing.

Later layers win: packaged values, packaged values of the environment, `base.yaml`, `<environment>.yaml`,
the ConfigMap's `config.json`, the variables `ALL_USE__…`, run-time overrides. A layer holds leaves by
dotted key; a leaf may be a whole list.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from pydantic import ValidationError

from alluse.runtime.configuration import (
    Tree,
    coerce,
    flatten,
    nested,
    read_config_map,
    read_variables,
)
from alluse.runtime.dispatch import refused
from alluse.runtime.packaged import KEYS, PROTOCOL, packaged
from alluse.schemas.base import FieldProblem
from alluse.schemas.protocol import Protocol
from alluse.schemas.settings import Settings

#: Keys whose values come only from the environment and are never shown.
SECRETS: Final = frozenset({"monitoring.alerts.webhook_secret"})
MASK: Final = "***"
MAX_BRACKETS: Final = 500

PACKAGED: Final = "packaged"
CONFIG_MAP: Final = "configmap"
VARIABLES: Final = "environment"
OVERRIDES: Final = "override"


class Layer(NamedTuple):
    """Leaves that one place sets."""

    name: str
    values: Mapping[str, Any]


class LayerError(Exception):
    """The layers do not make a configuration; `problems` names each wrong key."""

    def __init__(self, problems: Iterable[FieldProblem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{problem.field}: {problem.msg}" for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Effective:
    """A whole and valid configuration."""

    settings: Settings
    #: Canonical values, nested, as JSON has them.
    tree: Tree
    #: The same by dotted key.
    leaves: Mapping[str, Any]
    #: Dotted key -> name of the layer that set it.
    sources: Mapping[str, str]


def packaged_layers(environment: str) -> list[Layer]:
    """What the program brings along; keys that the environment changes form a layer of their own."""
    base = {key.name: key.base for key in KEYS.values()}
    base.update(flatten({PROTOCOL: Protocol().model_dump(mode="json")}))
    special = {key: value for key, value in packaged(environment).items() if value != base[key]}
    return [Layer(PACKAGED, base), Layer(f"{PACKAGED}:{environment}", special)]


def file_layers(config_dir: Path, environment: str) -> list[Layer]:
    """`base.yaml`, `<environment>.yaml` and the ConfigMap, as far as they exist.

    Raises LayerError naming the file that cannot be read.
    """
    layers = []
    for name in ("base.yaml", f"{environment}.yaml"):
        path = config_dir / name
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise LayerError([FieldProblem(field=name, msg=str(error))]) from None
        layers.append(Layer(name, read_yaml(text, name)))
    try:
        if values := read_config_map(config_dir):
            layers.append(Layer(CONFIG_MAP, values))
    except ValueError as error:
        raise LayerError([FieldProblem(field=CONFIG_MAP, msg=str(error))]) from None
    return layers


def read_yaml(text: str, name: str) -> dict[str, Any]:
    """The leaves of a YAML mapping.

    Aliases are refused, because they let a small text stand for an enormous one, and so are brackets by
    the hundred, over which the parser's time grows with their square. Raises LayerError.
    """
    if text.count("[") + text.count("{") > MAX_BRACKETS:
        raise LayerError([FieldProblem(field=name, msg=f"holds more than {MAX_BRACKETS} brackets")])
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise LayerError([FieldProblem(field=name, msg="YAML aliases are not accepted")])
        tree = yaml.safe_load(text)
        if tree is None:
            return {}
        if not isinstance(tree, dict):
            raise LayerError([FieldProblem(field=name, msg="must hold a mapping of keys to values")])
        return dict(flatten(_with_text_keys(tree)))
    except yaml.YAMLError as error:
        raise LayerError([FieldProblem(field=name, msg=f"is not YAML: {_one_line(error)}")]) from None
    except (RecursionError, ValueError) as error:
        raise LayerError([FieldProblem(field=name, msg=f"cannot be read: {_one_line(error)}")]) from None


def variable_layer(environ: Mapping[str, str]) -> Layer:
    """The variables `ALL_USE__…`."""
    return Layer(VARIABLES, read_variables(environ))


def assemble(layers: Iterable[Layer], environment: str) -> Effective:
    """Lay the layers over each other and check the result. Raises LayerError."""
    leaves: dict[str, Any] = {}
    sources: dict[str, str] = {}
    problems: list[FieldProblem] = []
    spelling: dict[str, str] = {}
    for layer in layers:
        for given, value in layer.values.items():
            key = spelling.get(given.lower(), given)
            if key in SECRETS and layer.name not in (PACKAGED, VARIABLES):
                problems.append(
                    FieldProblem(field=key, msg=f"is a secret: set it by a variable, not in {layer.name}")
                )
                continue
            try:
                leaves[key] = coerce(key, value)
            except ValueError as error:
                problems.append(FieldProblem(field=key, msg=str(error)))
                continue
            sources[key] = layer.name
            if layer.name == PACKAGED:
                spelling[key.lower()] = key
    # The environment that was chosen is a fact; no layer may tell another.
    leaves["system.environment"] = environment
    if problems:
        raise LayerError(problems)
    try:
        settings = Settings.model_validate(nested(leaves))
    except ValidationError as error:
        raise LayerError(refused(error).errors) from None
    tree = settings.model_dump(mode="json", by_alias=True)
    return Effective(settings, tree, dict(flatten(tree)), _known_sources(tree, sources))


def _known_sources(tree: Tree, sources: Mapping[str, str]) -> dict[str, str]:
    """The layer of each leaf; a value that a model filled in is packaged."""
    return {key: sources.get(key, PACKAGED) for key, _ in flatten(tree)}


def _with_text_keys(tree: Mapping[Any, Any]) -> Tree:
    return {
        str(key): _with_text_keys(value) if isinstance(value, Mapping) else value
        for key, value in tree.items()
    }


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
