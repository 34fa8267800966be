"""The configuration as components read it: layers, types, and what is left out."""

import ast
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.contract import COMPONENTS
from alluse.runtime.configuration import (
    Config,
    LocalLayers,
    coerce,
    flatten,
    merged,
    nested,
    read_variables,
)
from alluse.runtime.packaged import KEYS, packaged, reads
from alluse.schemas.protocol import Protocol
from alluse.schemas.settings import Settings, size_in_bytes

COMPONENTS_ROOT = Path(__file__).parents[3] / "components"

names = st.text(st.characters(codec="ascii", categories=("Ll",)), min_size=1, max_size=4)
leaves = st.one_of(st.integers(), st.booleans(), st.text(max_size=5), st.lists(st.integers(), max_size=2))
trees = st.recursive(
    st.dictionaries(names, leaves, min_size=1, max_size=4),
    lambda inner: st.dictionaries(names, st.one_of(leaves, inner), min_size=1, max_size=4),
    max_leaves=12,
)


@given(trees)
def test_flat_and_nested_say_the_same(tree: dict[str, object]) -> None:
    assert nested(dict(flatten(tree))) == tree


@given(trees, trees)
def test_the_upper_layer_wins_and_nothing_is_lost(below: dict[str, object], above: dict[str, object]) -> None:
    before = json.dumps([below, above])
    both = dict(flatten(merged(below, above)))
    assert dict(flatten(above)).items() <= both.items()
    for key, value in flatten(below):
        parents = {".".join(key.split(".")[:end]) for end in range(1, key.count(".") + 2)}
        above_leaves = dict(flatten(above))
        if not any(leaf == key or leaf in parents or leaf.startswith(f"{key}.") for leaf in above_leaves):
            assert both[key] == value
    assert json.dumps([below, above]) == before


def _read_keys() -> list[re.Pattern[str]]:
    """Every text in the code that may be a key; what an f-string fills in may be anything."""
    own = {"packaged.py", "settings.py"}
    found = []
    for path in (COMPONENTS_ROOT / "alluse").rglob("*.py"):
        if path.name in own:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                pieces = [
                    re.escape(str(each.value)) if isinstance(each, ast.Constant) else r"\w+"
                    for each in node.values
                ]
                if re.match(r"[a-z_]+\\\.", pieces[0]):
                    found.append(re.compile("".join(pieces)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
                found.append(re.compile(re.escape(node.value)))
    return found


def test_every_packaged_key_is_read_by_somebody() -> None:
    """A key that nobody reads would promise what does not happen."""
    read = _read_keys()
    assert [key for key in KEYS if not any(each.fullmatch(key) for each in read)] == []


@pytest.mark.parametrize("environment", ["development", "test", "production", "staging"])
def test_packaged_values_are_valid(environment: str) -> None:
    tree = nested({**packaged(environment)}) | {"protocol": Protocol().model_dump(mode="json")}
    settings = Settings.model_validate(tree)
    assert settings.system.environment == environment
    assert settings.development.test_mode is (environment in ("development", "test"))


def test_the_table_and_the_model_have_the_same_keys() -> None:
    tree = nested({**packaged("production")}) | {"protocol": Protocol().model_dump(mode="json")}
    dumped = Settings.model_validate(tree).model_dump(mode="json", by_alias=True)
    del dumped["protocol"]
    assert set(dict(flatten(dumped))) == set(KEYS)


def test_every_reader_is_a_component() -> None:
    for key in KEYS.values():
        assert set(key.readers) <= set(COMPONENTS), key.name
        assert key.readers, key.name


def test_protocol_is_served_to_those_who_compute_with_it() -> None:
    assert reads("position-sizer", "protocol.accounts.GEN_ACC.share")
    assert not reads("production-logger", "protocol.accounts.GEN_ACC.share")
    assert not reads("position-sizer", "no.such.key")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("system.debug", "true", True),
        ("system.debug", "Off", False),
        ("performance.cache.max_size", "12", 12),
        ("monitoring.metrics.collection_interval", "0.5", 0.5),
        ("logging.outputs", "file, console", ["file", "console"]),
        ("logging.outputs", '["file"]', ["file"]),
        ("logging.level", "INFO", "INFO"),
        ("protocol.sector_cap", "0.3", 0.3),
        ("protocol.sectors.KO", "Staples", "Staples"),
    ],
)
def test_text_becomes_what_the_key_wants(key: str, text: str, value: object) -> None:
    got = coerce(key, text)
    assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize(
    ("key", "text"),
    [("system.debug", "maybe"), ("performance.cache.max_size", "1.5"), ("health.cpu_threshold", "much")],
)
def test_text_that_cannot_be_read_says_what_is_wanted(key: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"{key} wants"):
        coerce(key, text)


def test_variables_use_two_underscores_between_parts() -> None:
    variables = {
        "ALL_USE__MONITORING__HEALTH__CHECK_INTERVAL": "15",
        "ALL_USE_ENV": "test",
        "ALL_USE__": "x",
        "OTHER": "y",
    }
    assert read_variables(variables) == {"monitoring.health.check_interval": "15"}


def config(tmp_path: Path, values: dict[str, object], variables: dict[str, str] | None = None) -> Config:
    (tmp_path / "config.json").write_text(json.dumps(values))
    return Config("production", LocalLayers(tmp_path, variables or {}))


def test_what_the_pod_sets_itself_wins_over_what_all_share(tmp_path: Path) -> None:
    it = config(
        tmp_path,
        {"logging": {"level": "ERROR"}, "performance": {"async": {"max_workers": "3"}}},
        {"ALL_USE__LOGGING__LEVEL": "DEBUG"},
    )
    it.take({"logging": {"level": "WARNING", "format": "text"}}, 7, "config-manager")
    assert (it.text("logging.level"), it.text("logging.format")) == ("DEBUG", "text")
    assert it.integer("performance.async.max_workers") == 3
    assert it.number("monitoring.health.check_interval") == 30
    assert it.revision == 7


def test_unknown_keys_are_named_and_left_out(tmp_path: Path) -> None:
    it = config(tmp_path, {"loging.level": "ERROR", "system.debug": "maybe"})
    assert it.text("logging.level") == "INFO"
    assert len(it.problems) == 2
    assert "there is no configuration key loging.level" in it.problems
    with pytest.raises(KeyError):
        it.get("loging.level")


@pytest.mark.parametrize("text", ["nonsense", "[1]", '"x"'])
def test_a_file_that_cannot_be_read_is_named_and_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    it = Config("production", LocalLayers(tmp_path, {}))
    assert "config.json" in it.problems[0]
    assert it.text("logging.level") == "INFO"


def test_listeners_hear_of_every_change_and_one_that_fails_is_named(tmp_path: Path) -> None:
    it = config(tmp_path, {})
    heard: list[int] = []
    it.on_change(lambda: heard.append(it.revision))

    def fail() -> None:
        if it.revision:
            raise ValueError("no such size")

    it.on_change(fail)
    it.take({}, 3, "config-manager")
    assert heard == [0, 3]
    assert it.unused == ("a value cannot be used: no such size",)


@pytest.mark.parametrize(
    ("text", "size"), [("10MB", 10 << 20), ("1.5 kb", 1536), ("2GB", 2 << 30), ("512", 512)]
)
def test_sizes(text: str, size: int) -> None:
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "MB", "10 apples", "-1MB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        size_in_bytes(text)
