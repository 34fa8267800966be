"""The operator as a process, with a real receiver: one page for a root, none twice, and the end of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tools.cluster.controlplane import ControlPlane

import specs
from alluse_operator.cluster.kinds import POD
from apiserver import ApiServer
from operators import OperatorProcess
from receivers import Delivery, Receiver, is_genuine
from sickness import pods_of, sicken
from watching import Watcher

KEY = "planted-key-4242"
DEPENDANTS = tuple(f"dependant-{number}" for number in range(7))
ROUTES = [
    {"severity": severity, "sinks": ["pager", "nobody"]} for severity in ("Critical", "Warning", "Info")
]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture
def watcher(plane: ControlPlane) -> Iterator[Watcher]:
    """A system that is not made yet. Afterwards it is not there for the next operator."""
    api = ApiServer(plane)
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "alerts"}}
    assert api.request("POST", "/api/v1/namespaces", body).ok
    watcher = Watcher(api, "alerts")
    yield watcher
    watcher.edit({"metadata": {"finalizers": None}})
    watcher.delete()


def sinks(tmp_path: Path, receiver: Receiver) -> str:
    """The file that the chart renders, with its Secret."""
    key, file = tmp_path / "hmac", tmp_path / "sinks.json"
    key.write_text(KEY)
    file.write_text(json.dumps({"pager": {"type": "webhook", "url": receiver.url, "hmacKeyFile": str(key)}}))
    return str(file)


def told(deliveries: list[Delivery], status: str) -> list[dict[str, Any]]:
    return [alert for d in deliveries for alert in d.document["alerts"] if alert["status"] == status]


def test_one_page_for_a_root_with_seven_dependants(
    plane: ControlPlane, watcher: Watcher, receiver: Receiver, tmp_path: Path
) -> None:
    spec = specs.custom(
        specs.component("root"),
        *(specs.component(name, "root") for name in DEPENDANTS),
        alerts={"routes": ROUTES},
        recovery={"ladder": [{"action": "SafeState", "attempts": 1}]},
    )
    file = sinks(tmp_path, receiver)
    with OperatorProcess(plane.kubeconfig, tmp_path, "--alert-sinks", file) as operator:
        operator.wait_until_leading()
        watcher.create(spec)
        watcher.until_ready()
        for name in ("root", *DEPENDANTS):
            sicken(watcher, name)
        receiver.until(lambda found: told(found, "firing"), "the page")
        watcher.until(
            lambda: (
                [row.get("notifiedAt") for row in watcher.status().get("alerts", ())][:1] not in ([], [None])
            ),
            "its delivery is recorded",
        )
        for metric, labels in (
            ("allusesystem_alerts", {"system": "demo"}),
            ("allusesystem_alerts_sent_total", {"sink": "pager"}),
            ("allusesystem_component_root", {"component": "root"}),
        ):
            watcher.until(lambda m=metric, of=labels: operator.metric(m, **of) == 1.0, f"{metric} counts one")  # type: ignore[misc]
        watcher.until(
            lambda: (
                sum(operator.metric("allusesystem_component_root", component=name) for name in DEPENDANTS)
                == 0
            ),
            "no dependant counts as a root",
        )
        operator.kill()
    with OperatorProcess(plane.kubeconfig, tmp_path, "--alert-sinks", file) as operator:
        operator.wait_until_leading()
        [row] = watcher.status()["alerts"]
        assert (row["subject"], row["state"]) == ("root", "Firing")
        assert set(row["affects"]) == set(DEPENDANTS)
        for name in ("root", *DEPENDANTS):
            for pod in pods_of(watcher, name).values():
                watcher.delete(POD, pod["metadata"]["name"])
        receiver.until(lambda found: told(found, "resolved"), "its end")
        watcher.until(lambda: not watcher.status().get("alerts"), "nothing is owed any more")
        [unknown] = watcher.until(
            lambda: watcher.told("AlertSinkUnknown"), "an Event tells of the unknown sink"
        )
        assert "nobody" in unknown["message"]
        assert watcher.condition("SpecValid")["status"] == "True"
        watcher.until(lambda: watcher.told("AlertFiring"), "an Event in its place")
        log = operator.tail(4000)
    [firing], [resolved] = told(receiver.deliveries, "firing"), told(receiver.deliveries, "resolved")
    assert firing["subject"] == resolved["subject"] == "root"
    assert firing["fingerprint"] == resolved["fingerprint"]
    assert (firing["severity"], firing["recoveryExhausted"]) == ("Critical", True)
    assert set(firing["affects"]) == set(DEPENDANTS)
    seen: set[str] = set()
    for delivery in receiver.deliveries:
        assert is_genuine(KEY.encode(), delivery.headers, delivery.body, time.time(), seen)
    for text in (log, json.dumps(watcher.get()), json.dumps(watcher.events())):
        assert KEY not in text
