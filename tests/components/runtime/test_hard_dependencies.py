"""Hard dependencies: what a component waits for before it is ready, and what a loss means."""

from pathlib import Path
from typing import Any

import pytest

from alluse.runtime import dependencies
from alluse.runtime.http_client import HttpReply
from alluse.runtime.http_server import HttpRequest
from alluse.runtime.service import Service
from health_reports import checks, report
from inprocess import System, component, until


class Manager:
    """Plays config-manager for production-logger's hard dependency."""

    def __init__(self) -> None:
        self.ready = False
        self.live = True
        self.asked: list[str] = []

    def __call__(self, request: HttpRequest) -> HttpReply:
        self.asked.append(request.path)
        if request.path == "/health/ready":
            return HttpReply(200 if self.ready else 503, {}, b"{}")
        if request.path == "/health/live":
            return HttpReply(200 if self.live else 503, {}, b"{}")
        return HttpReply(503, {}, b"{}")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FAST_S", "STEADY_S", "RECHECK_S"):
        monkeypatch.setattr(dependencies, name, 0.01)


@pytest.mark.usefixtures("quick")
async def test_ready_waits_for_the_hard_dependency_to_be_ready(tmp_path: Path) -> None:
    system, manager = System(), Manager()
    async with component(Service(name="production-logger"), tmp_path, system=system, ready=False) as it:
        await until(lambda: not it.runtime._opening, "it is open")
        ready = await it.get("/health/ready")
        assert (ready.status, len(ready.json["reasons"])) == (503, 1)
        assert "config-manager" in ready.json["reasons"][0]
        system.played["config-manager"] = manager
        await until(lambda: "/health/ready" in manager.asked, "it asked")
        assert not it.runtime.board.readiness().ready
        status, _ = await report(it)
        assert status == 200, "a missing dependency is no illness: nobody must restart for it"
        manager.ready = True
        await until(lambda: it.runtime.board.readiness().ready, "it is ready")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("needs", "stays"), [("always", False), ("start", True)])
async def test_a_dependency_that_is_lost(tmp_path: Path, needs: Any, stays: bool) -> None:
    system, manager = System(), Manager()
    manager.ready = True
    system.played["config-manager"] = manager
    service: Service[None] = Service(name="production-logger", needs_hard=needs)
    async with component(service, tmp_path, system=system) as it:
        manager.ready = False
        asked = len(manager.asked)
        await until(lambda: len(manager.asked) > asked + 5, "it looked again")
        assert it.runtime.board.readiness().ready, "not being ready is the dependency's own affair"
        manager.live = False
        await until(lambda: it.runtime.dependencies.missing(), "the loss is noticed")
        assert it.runtime.board.readiness().ready is stays
        status, body = await report(it)
        assert (status, checks(body)["hard-dependencies"][0]) == (200, "degraded")
        manager.live = True
        await until(lambda: it.runtime.board.readiness().ready, "it comes back")
