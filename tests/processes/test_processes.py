"""Real processes on loopback: start, stop, death, hanging, and the four that the others lean on together."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alluse.contract import STOP_SECONDS
from component_processes import Cluster, Process, wait_for

TEST_MODE = {"ALL_USE_ENV": "test"}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path, {**TEST_MODE, "ALL_USE__MONITORING__HEALTH__FAST_INTERVAL": "1"}) as running:
        yield running


def test_a_component_alone_starts_serves_and_stops(cluster: Cluster) -> None:
    alone = cluster.start("alert-manager")
    alone.wait_ready()
    assert alone.get("/health/live")[1] == {"component": "alert-manager", "status": "alive"}
    status, report = alone.get("/health")
    assert (status, report["status"]) == (200, "degraded")
    assert alone.get("/info")[1]["name"] == "alert-manager"
    assert "alluse_selftest_ok 1" in alone.get("/metrics")[1]
    assert alone.stop() < STOP_SECONDS
    lines = [json.loads(line) for line in alone.log.splitlines() if line.startswith("{")]
    assert all({"timestamp", "level", "component", "message"} <= line.keys() for line in lines)


def test_who_asks_early_is_answered_as_soon_as_it_is_ready(cluster: Cluster) -> None:
    """The port is there long before the rest is loaded, and the first answer is a yes."""
    analyzer = cluster.start("market-analyzer")
    assert wait_for(lambda: analyzer.status("/health/ready", timeout_s=20.0), "the port is there") == 200


def test_a_hard_dependency_is_waited_for_and_may_die(cluster: Cluster) -> None:
    logger = cluster.start("production-logger")
    wait_for(lambda: logger.status("/health/live") == 200, "it lives")
    status, body = logger.get("/health/ready")
    assert (status, "config-manager" in str(body["reasons"])) == (503, True)
    manager = cluster.start("config-manager")
    logger.wait_ready()
    manager.kill()
    wait_for(lambda: logger.status("/health/ready") == 503, "the loss is noticed", 10)
    assert logger.status("/health/live") == 200
    assert logger.status("/health") == 200
    cluster.start("config-manager")
    logger.wait_ready()
    assert logger.stop() < STOP_SECONDS


def test_a_stop_lets_running_requests_finish(cluster: Cluster) -> None:
    manager = cluster.start("config-manager")
    manager.wait_ready()
    answers: list[int] = []

    def watch() -> None:
        answers.append(manager.request("GET", "/v1/watch?since=1&timeout_s=20", timeout_s=15)[0])

    watching = threading.Thread(target=watch)
    watching.start()
    wait_for(lambda: "alluse_inflight 2" in manager.get("/metrics")[1], "the request runs")
    assert manager.stop() < STOP_SECONDS
    watching.join(5)
    assert answers == [204]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_in_the_middle_of_the_start(cluster: Cluster, number: signal.Signals) -> None:
    """Not ready yet is no reason to hang or to end with an error."""
    logger = cluster.start("production-logger")
    wait_for(lambda: logger.status("/health/live") == 200, "it lives")
    logger.process.send_signal(number)
    assert logger.process.wait(STOP_SECONDS) == 0


def test_a_component_that_hangs_does_not_answer(cluster: Cluster) -> None:
    victim = cluster.start("alert-manager")
    victim.wait_ready()
    assert victim.request("POST", "/admin/fault", {"fault": "hang", "seconds": 300})[0] == 202
    wait_for(lambda: victim.status("/health/live", timeout_s=1.0) == 0, "it hangs", 10)
    victim.process.send_signal(signal.SIGTERM)
    with pytest.raises(Exception, match="timed out"):
        victim.process.wait(0.5)
    victim.kill()


def test_an_exit_loop_lasts_over_its_starts_and_ends(cluster: Cluster) -> None:
    victim = cluster.start("alert-manager")
    victim.wait_ready()
    fault = {"fault": "exit", "seconds": 3600, "loop": True}
    assert victim.request("POST", "/admin/fault", fault)[0] == 202
    assert victim.process.wait(10) == 1
    again = cluster.start("alert-manager")
    assert again.process.wait(20) == 1
    assert "fault injected: exit" in again.log
    (again.state / "fault-exit-until").write_text("0")
    cluster.start("alert-manager").wait_ready()


def test_faults_must_be_enabled(tmp_path: Path) -> None:
    with Cluster(tmp_path, {"ALL_USE_ENV": "production", "ALLUSE_FAULTS": ""}) as cluster:
        safe = cluster.start("alert-manager")
        safe.wait_ready()
        assert safe.request("POST", "/admin/fault", {"fault": "exit"})[0] == 404
        safe.stop()


def test_a_wrong_environment_is_said_at_once(tmp_path: Path) -> None:
    nobody = Process("nobody", 1, tmp_path, {})
    assert nobody.process.wait(20) == 2
    assert "ALLUSE_COMPONENT is 'nobody'" in nobody.log


def test_a_port_in_use_is_said_at_once(cluster: Cluster) -> None:
    first = cluster.start("alert-manager")
    first.wait_ready()
    second = Process("alert-manager", first.port, cluster.directory / "second", {})
    assert second.process.wait(20) == 1
    assert f"cannot listen on port {first.port}" in second.log


def test_the_four_together(cluster: Cluster) -> None:
    """Configuration reaches everybody, logs and metrics arrive, a death is seen, a return too."""
    names = ("config-manager", "production-logger", "metrics-collector", "health-monitor", "alert-manager")
    manager, logger, collector, monitor, alerts = (cluster.start(name) for name in names)
    for process in (manager, logger, collector, monitor, alerts):
        process.wait_ready()

    change = {"value": "WARNING", "reason": "quiet, please"}
    assert manager.request("PUT", "/v1/overrides/logging.level", change)[0] == 200
    revision = manager.get("/v1/config/logging.level")[1]["revision"]
    for process in (logger, collector, monitor, alerts):
        wait_for(
            lambda process=process: process.get("/health")[1]["config_revision"] == revision,
            f"{process.name} has the change",
        )

    def logged() -> bool:
        return all(name in logger.get("/v1/stats")[1]["by_component"] for name in names)

    wait_for(logged, "all of them have logged")
    wait_for(
        lambda: {t["component"] for t in collector.get("/v1/targets")[1]["targets"] if t["up"]} >= set(names),
        "all of them are scraped",
    )
    health = "/v1/health/alert-manager"
    wait_for(
        lambda: monitor.get(health)[1]["health"]["status"] in ("healthy", "degraded"), "it is seen alive"
    )
    died = time.monotonic()
    alerts.kill()
    wait_for(lambda: monitor.get(health)[1]["health"]["status"] == "unreachable", "its death is seen", 20)
    assert time.monotonic() - died < 20
    cluster.start("alert-manager").wait_ready()
    wait_for(
        lambda: monitor.get(health)[1]["health"]["status"] in ("healthy", "degraded"),
        "its return is seen",
        20,
    )

    manager.kill()
    manager = cluster.start("config-manager")
    manager.wait_ready()
    found = manager.get("/v1/config/logging.level")[1]
    assert (found["value"], found["revision"]) == ("WARNING", revision), "an override survives kill -9"
    for process in cluster.running.values():
        if process.process.poll() is None:
            assert process.stop() < STOP_SECONDS


def test_a_backup_is_made_while_it_runs_and_restored_while_it_does_not(cluster: Cluster) -> None:
    manager = cluster.start("config-manager")
    manager.wait_ready()
    path = "/v1/overrides/logging.level"
    assert manager.request("PUT", path, {"value": "ERROR", "reason": "before"})[0] == 200
    copy = cluster.directory / "copy.db"
    assert manager.command("backup", str(copy)).returncode == 0
    assert manager.request("PUT", path, {"value": "CRITICAL", "reason": "after"})[0] == 200
    refused = manager.command("restore", str(copy))
    assert (refused.returncode, "is in use" in refused.stderr) == (1, True)
    manager.stop()
    restored = manager.command("restore", str(copy))
    assert (restored.returncode, "is restored" in restored.stdout) == (0, True)
    manager = cluster.start("config-manager")
    manager.wait_ready()
    assert manager.get("/v1/config/logging.level")[1]["value"] == "ERROR"
    nothing = manager.command("restore", str(cluster.directory / "none.db"))
    assert (nothing.returncode, "there is no backup" in nothing.stderr) == (1, True)
    assert manager.command("nonsense").returncode == 2
