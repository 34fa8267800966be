"""Flags and environment: what is taken, what is refused, and that the words help."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alluse_operator.arguments import PREFIX
from alluse_operator.errors import SettingsError
from alluse_operator.settings import parse


def test_nothing_said_serves_all_namespaces_with_a_lease() -> None:
    settings = parse([], {})
    assert settings.namespaces == ()
    assert settings.leader_election
    assert settings.lease.duration == timedelta(seconds=15)
    assert (settings.http_port, settings.log_format) == (8080, "json")
    assert settings.component_image == "alluse/components"


def test_the_environment_speaks_where_no_flag_does() -> None:
    environment = {
        PREFIX + "WATCH_NAMESPACES": "team-a, team-b",
        PREFIX + "NAMESPACE": "ops",
        PREFIX + "POD_NAME": "operator-1",
        PREFIX + "COMPONENT_IMAGE": "images/parts",
        PREFIX + "COMPONENT_VERSION": "2.0.0",
        PREFIX + "HTTP_PORT": "9090",
        PREFIX + "LEADER_ELECTION": "false",
    }
    settings = parse(["--component-version", "3.0.0"], environment)
    assert settings.namespaces == ("team-a", "team-b")
    assert (settings.operator_namespace, settings.lease_namespace) == ("ops", "ops")
    assert settings.identity.startswith("operator-1_")
    assert (settings.defaults.component_image, settings.defaults.version) == ("images/parts", "3.0.0")
    assert settings.http_port == 9090
    assert not settings.leader_election
    assert parse(["--namespace", "c", "--namespace", "d,c"], environment).namespaces == ("c", "d")


@pytest.mark.parametrize(
    ("said", "environment", "expected"),
    [("auto", {}, False), ("auto", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, True), ("true", {}, True)],
)
def test_pods_are_asked_where_they_can_be_reached(
    said: str, environment: dict[str, str], expected: bool
) -> None:
    assert parse(["--deep-checks", said], environment).deep_checks is expected


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["--namespace", "team-*"], {}, "--namespace: 'team-\\*' is not the name of a namespace"),
        (["--lease-renew-seconds", "20"], {}, "--lease-renew-seconds < --lease-duration-seconds"),
        (["--lease-retry-seconds", "0"], {}, "0 < --lease-retry-seconds"),
        (["--http-port", "70000"], {}, "--http-port: 70000"),
        ([], {PREFIX + "LOG_FORMAT": "xml"}, "ALLUSE_OPERATOR_LOG_FORMAT: 'xml' is none of json, text"),
    ],
)
def test_what_cannot_work_is_named(arguments: list[str], environment: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        parse(arguments, environment)


def test_the_help_names_every_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"], {})
    text = capsys.readouterr().out
    assert ended.value.code == 0
    for variable in (
        "WATCH_NAMESPACES",
        "COMPONENT_IMAGE",
        "LEASE_NAME",
        "HTTP_PORT",
        "LOG_LEVEL",
        "KUBECONFIG",
    ):
        assert PREFIX + variable in text
    assert "curl localhost:8080/readyz" in text
