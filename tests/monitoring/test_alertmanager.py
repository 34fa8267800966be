"""A real Alertmanager with the generated inhibit rules: one notification for a root with seven dependants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from tools.generate import files, monitoring

from alertmanagers import Alertmanager
from alluse_operator.api.spec import AlertSeverity
from alluse_operator.cluster.alerting.configuration import SinkSettings, SinkType
from alluse_operator.cluster.alerting.messages import Message
from alluse_operator.cluster.alerting.sinks import Sent, build
from alluse_operator.core.notices import AlertName, Notice, NoticeKind
from receivers import Delivery, Receiver

DEPENDANTS = tuple(f"dependant-{number}" for number in range(7))
STAR = {"root": [], **{name: ["root"] for name in DEPENDANTS}}
NOW = datetime.now(UTC)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


def configuration(receiver: Receiver, inhibit_rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Groups by system, so that all that could be told of one system would be one notification."""
    return {
        "route": {
            "receiver": "pager",
            "group_by": ["namespace", "system"],
            "group_wait": "1s",
            "group_interval": "1s",
            "repeat_interval": "1h",
        },
        "receivers": [{"name": "pager", "webhook_configs": [{"url": receiver.url, "send_resolved": True}]}],
        "inhibit_rules": inhibit_rules,
    }


def unhealthy(component: str, role: str = "", *, over: bool = False) -> dict[str, Any]:
    """As Prometheus sends what its rule says."""
    labels = {
        "alertname": monitoring.UNHEALTHY,
        "namespace": "shop",
        "system": "demo",
        "component": component,
        "severity": "critical",
    }
    return {
        "labels": {**labels, **({"role": role} if role else {})},
        "annotations": {"summary": f"{component} does not work"},
        # Of an alert that began longer ago than `group_wait`, Alertmanager tells at once.
        "startsAt": datetime.now(UTC).isoformat(),
        "endsAt": (datetime.now(UTC) + (timedelta(0) if over else timedelta(hours=1))).isoformat(),
    }


def told(deliveries: list[Delivery], status: str) -> list[list[str]]:
    """The components in each notification of a status."""
    documents = [delivery.document for delivery in deliveries]
    return [
        sorted(alert["labels"]["component"] for alert in document["alerts"])
        for document in documents
        if document["status"] == status
    ]


def feed_and_end(manager: Alertmanager, receiver: Receiver, alerts: list[tuple[str, str]]) -> list[Delivery]:
    """Hand alerts in, wait for what is told of them, end them all, and wait for that, too."""
    manager.post([unhealthy(*alert) for alert in alerts])
    receiver.until(lambda found: told(found, "firing"), "a notification")
    manager.post([unhealthy(*alert, over=True) for alert in alerts])
    receiver.until(lambda found: told(found, "resolved"), "its end")
    return receiver.deliveries


@pytest.mark.parametrize(
    "roles", [("root", "symptom"), ("", "")], ids=["by the operator's verdict", "by the graph"]
)
def test_a_root_with_seven_dependants_is_one_notification(
    programs: dict[str, Path], receiver: Receiver, tmp_path: Path, roles: tuple[str, str]
) -> None:
    rules = monitoring.inhibit_rules(STAR)
    alerts = [*((name, roles[1]) for name in DEPENDANTS), ("root", roles[0])]
    with Alertmanager(programs["alertmanager"], tmp_path, configuration(receiver, rules)) as manager:
        manager.post([unhealthy(*alert) for alert in alerts])
        receiver.until(lambda found: told(found, "firing"), "a notification")
        states = {alert["labels"]["component"]: alert["status"]["state"] for alert in manager.alerts()}
        assert states == {"root": "active", **dict.fromkeys(DEPENDANTS, "suppressed")}
        deliveries = feed_and_end(manager, receiver, alerts)
    assert told(deliveries, "firing") == [["root"]]
    [over] = told(deliveries, "resolved")
    assert "root" in over
    assert len(deliveries) == 2


def test_without_the_rules_all_eight_would_be_told(
    programs: dict[str, Path], receiver: Receiver, tmp_path: Path
) -> None:
    """The test above would notice."""
    alerts = [(name, "") for name in STAR]
    with Alertmanager(programs["alertmanager"], tmp_path, configuration(receiver, [])) as manager:
        deliveries = feed_and_end(manager, receiver, alerts)
    assert told(deliveries, "firing") == [sorted(STAR)]


def test_the_built_in_graph_s_rules_are_taken_and_leave_other_systems_alone(
    programs: dict[str, Path], receiver: Receiver, tmp_path: Path
) -> None:
    rules = yaml.safe_load(files.INHIBIT_RULES.read_text())["inhibit_rules"]
    root, symptom, stranger = (
        unhealthy("market-analyzer"),
        unhealthy("enhanced-agent"),
        unhealthy("enhanced-agent"),
    )
    stranger["labels"]["system"] = "another"
    with Alertmanager(programs["alertmanager"], tmp_path, configuration(receiver, rules)) as manager:
        manager.post([root, symptom, stranger])
        receiver.until(lambda found: len(told(found, "firing")) == 2, "a notification of each system")
        by_system = {
            delivery.document["groupLabels"]["system"]: told([delivery], "firing")[0]
            for delivery in receiver.deliveries
        }
    assert by_system == {"demo": ["market-analyzer"], "another": ["enhanced-agent"]}


async def test_the_operator_s_own_sink_begins_raises_and_ends_an_alert(
    programs: dict[str, Path], receiver: Receiver, tmp_path: Path
) -> None:
    first = Notice(
        key="0123456789abcdef-1-0-firing",
        fingerprint="0123456789abcdef",
        name=AlertName.COMPONENT_NOT_WELL,
        subject="root",
        kind=NoticeKind.FIRING,
        severity=AlertSeverity.WARNING,
        message="root Unhealthy (ProbeFailed: HTTP 503)",
        since=NOW,
        made_at=NOW,
        sinks=("manager",),
        affects=DEPENDANTS,
    )
    worse = replace(first, severity=AlertSeverity.CRITICAL, told_severity=AlertSeverity.WARNING)
    over = replace(
        worse, kind=NoticeKind.RESOLVED, told_severity=AlertSeverity.CRITICAL, resolved_at=datetime.now(UTC)
    )
    with Alertmanager(programs["alertmanager"], tmp_path, configuration(receiver, [])) as manager:
        async with aiohttp.ClientSession() as session:
            sink = build(SinkSettings("manager", SinkType.ALERTMANAGER, url=manager.url), session)

            async def send(notice: Notice) -> list[str]:
                assert await sink.send(Message("shop", "demo", (notice,))) == Sent()
                return [alert["labels"]["severity"] for alert in manager.alerts()]

            assert await send(first) == ["warning"]
            assert await send(worse) == ["critical"]
            receiver.until(lambda found: told(found, "firing"), "a notification")
            assert await send(over) == []
            receiver.until(lambda found: told(found, "resolved"), "its end")
