"""Killed in the middle of a write: what was answered with success is there after the restart."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from component_processes import Cluster, Process


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path, {"ALL_USE_ENV": "test"}) as running:
        yield running


def send_and_kill(process: Process, method: str, path: str, body: object) -> None:
    """Send a request and kill the process without waiting for its answer."""
    raw = json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", process.port)) as connection:
        connection.sendall(head.encode() + raw)
        process.kill()


def test_peaks_of_drawdown_protection(cluster: Cluster) -> None:
    """Peaks rise without a pause; whenever the process dies, the last answered one is kept."""
    value = 1_000.0
    for answered in (5, 23, 60):
        process = cluster.start("drawdown-protection")
        process.wait_ready()
        if value > 1_000:
            _, kept = process.get("/v1/portfolios/book")
            assert kept["peak_value"] in (value, value + 1), "the one in flight may have been written"
        for _ in range(answered):
            value += 1
            status, found = process.request("POST", "/v1/check", {"portfolio_id": "book", "cash": value})
            assert (status, found["peak_value"]) == (200, value)
        send_and_kill(process, "POST", "/v1/check", {"portfolio_id": "book", "cash": value + 1})


def test_watched_portfolios_of_the_risk_monitor(cluster: Cluster) -> None:
    """Portfolio, peak, flows and results are one write: after a kill they belong together."""
    value, revision = 1_000.0, 0
    for answered in (3, 11):
        process = cluster.start("portfolio-risk-monitor")
        process.wait_ready()
        if revision:
            _, kept = process.get("/v1/portfolios/book?history=1000")
            assert kept["revision"] in (revision, revision + 1)
            assert kept["peak_value"] == kept["portfolio"]["total_value"] == 1_000 + kept["revision"]
            assert kept["net_flows"] == kept["revision"]
            assert len(kept["history"]) >= revision
        for _ in range(answered):
            value, revision = value + 1, revision + 1
            body = {"portfolio_id": "book", "cash": value, "net_flows": revision}
            status, found = process.request("PUT", "/v1/portfolios/book", body)
            assert (status, found["revision"]) == (201 if revision == 1 else 200, revision)
            assert found["assessment"]["overall_risk_level"] == "Low"
        following = {"portfolio_id": "book", "cash": value + 1, "net_flows": revision + 1}
        send_and_kill(process, "PUT", "/v1/portfolios/book", following)
