"""How layers become one configuration, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from alluse.services.config_manager.layers import (
    OVERRIDES,
    Layer,
    LayerError,
    assemble,
    file_layers,
    packaged_layers,
    read_yaml,
    variable_layer,
)

INTERVAL = "monitoring.health.check_interval"


def put_together(*layers: Layer, environment: str = "production") -> Any:
    return assemble([*packaged_layers(environment), *layers], environment)


@pytest.mark.parametrize(
    ("layers", "value", "source"),
    [
        ((), 30, "packaged"),
        ((("base.yaml", 31),), 31, "base.yaml"),
        ((("base.yaml", 31), ("production.yaml", 32)), 32, "production.yaml"),
        ((("production.yaml", 32), ("configmap", "33")), 33, "configmap"),
        ((("configmap", "33"), ("environment", "34")), 34, "environment"),
        ((("environment", "34"), (OVERRIDES, 35)), 35, OVERRIDES),
    ],
)
def test_the_later_layer_wins_and_is_named(
    layers: tuple[tuple[str, object], ...], value: float, source: str
) -> None:
    got = put_together(*(Layer(name, {INTERVAL: set_}) for name, set_ in layers))
    assert (got.leaves[INTERVAL], got.sources[INTERVAL]) == (value, source)


def test_development_has_its_own_packaged_values() -> None:
    got = put_together(environment="development")
    assert (got.leaves[INTERVAL], got.sources[INTERVAL]) == (60, "packaged:development")
    assert got.settings.warnings() == [
        "performance.memory.max_memory_mb: 256 MB cannot hold sixteen components; 500 MB or more can"
    ]


def test_a_variable_finds_its_key_whatever_the_case() -> None:
    variables = {"ALL_USE__PROTOCOL__ACCOUNTS__GEN_ACC__MAX_POSITION": "0.1"}
    got = put_together(variable_layer(variables))
    assert got.settings.protocol.accounts["GEN_ACC"].max_position == 0.1
    assert got.sources["protocol.accounts.GEN_ACC.max_position"] == "environment"


def test_the_environment_is_what_was_chosen() -> None:
    got = put_together(Layer("base.yaml", {"system.environment": "development"}))
    assert got.settings.system.environment == "production"


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"monitoring.health.chek_interval": 3}, "monitoring.health.chek_interval", "Extra inputs"),
        ({INTERVAL: "soon"}, INTERVAL, "wants a number"),
        ({INTERVAL: 0}, INTERVAL, "greater than or equal to 1"),
        ({"monitoring.health.timeout_seconds": 45}, "monitoring.health", "must be below check_interval"),
        ({"monitoring.health.fast_interval": 45}, "monitoring.health", "must not be above"),
        ({"logging.level": "LOUD"}, "logging.level", "Input should be 'DEBUG'"),
        ({"logging.rotation.max_size": "1GB"}, "logging.rotation", "from 1MB to 100MB"),
        ({"logging.rotation.max_size": "big"}, "logging.rotation", "is not a size"),
        ({"deployment.metrics_path": "metrics"}, "deployment.metrics_path", "should match pattern"),
        ({"performance.async.timeout_seconds": 0.05}, "body", "must be above the soft budget"),
        ({"system.debug": True}, "body", "system.debug must be false in production"),
        ({"development.test_mode": True}, "body", "development.test_mode must be false"),
        ({"security.log_sanitization": False}, "body", "security.log_sanitization must be true"),
        (
            {"protocol.accounts.GEN_ACC.share": 0.5},
            "protocol",
            "shares must sum to 1",
        ),
        (
            {"protocol.accounts.GEN_ACC.delta_band.low": 0.6},
            "protocol.accounts.GEN_ACC.delta_band",
            "must be below its high end",
        ),
        (
            {"monitoring.alerts.webhook_secret": "s3cret"},
            "monitoring.alerts.webhook_secret",
            "is a secret: set it by a variable",
        ),
    ],
)
def test_what_is_refused_names_its_key(values: dict[str, object], field: str, message: str) -> None:
    with pytest.raises(LayerError) as raised:
        put_together(Layer("base.yaml", values))
    (problem,) = raised.value.problems
    assert problem.field == field
    assert message in problem.msg
    assert "s3cret" not in str(raised.value)


def test_development_may_do_what_production_must_not() -> None:
    got = put_together(Layer("base.yaml", {"system.debug": True}), environment="development")
    assert got.settings.system.debug


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "is not YAML"),
        ("- a\n- b", "must hold a mapping"),
        ("a: &x [1]\nb: *x", "aliases are not accepted"),
        ("[" * 5000, "more than 500 brackets"),
        ("a: " + "[" * 400, "is not YAML"),
        ("a: 2024-99-99", "cannot be read"),
    ],
)
def test_yaml_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(LayerError, match=message):
        read_yaml(text, "base.yaml")


def test_empty_yaml_is_an_empty_layer() -> None:
    assert read_yaml("# nothing\n", "base.yaml") == {}


def test_files_are_read_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("logging: {level: ERROR}")
    (tmp_path / "test.yaml").write_text("logging: {level: WARNING}")
    (tmp_path / "production.yaml").write_text("logging: {level: CRITICAL}")
    (tmp_path / "config.json").write_text('{"logging": {"level": "DEBUG"}}')
    layers = file_layers(tmp_path, "test")
    assert [(layer.name, dict(layer.values)) for layer in layers] == [
        ("base.yaml", {"logging.level": "ERROR"}),
        ("test.yaml", {"logging.level": "WARNING"}),
        ("configmap", {"logging.level": "DEBUG"}),
    ]


@pytest.mark.parametrize(("name", "text"), [("config.json", "{"), ("base.yaml", "a: ]")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(LayerError, match=name.replace(".", r"\.")):
        file_layers(tmp_path, "test")
