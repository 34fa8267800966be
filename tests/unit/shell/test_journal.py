"""The journal: what is worth keeping, that it can be decided again, that it stays small, and who may read it."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from alluse_operator import server
from alluse_operator.core import observation, outline
from alluse_operator.core.desired import Identity
from alluse_operator.core.journal import Before, Ring, reasons, troubles
from alluse_operator.core.observation import Observation
from alluse_operator.core.plan import Mode
from alluse_operator.core.planner import make_plan
from alluse_operator.core.resolve import resolve
from alluse_operator.journal import Journal
from alluse_operator.metrics import Metrics
from alluse_operator.replay import main, replay
from alluse_operator.resources.build import build_all
from builders import at, make_live, make_pod, make_resource
from decided import DEFAULTS, KEY, SPEC, SYSTEM, decide, recorded, seen


def test_what_was_looked_at_comes_back_from_json_as_it_was() -> None:
    given = seen(failures=3)
    text = json.dumps(observation.encode(given))
    assert observation.decode(json.loads(text)) == given


def test_a_restart_can_be_decided_again_and_nothing_of_it_is_lost() -> None:
    given = seen(failures=3)
    plan = decide(given)
    record = recorded(given)
    assert [row["type"] for row in record["outline"]["actions"]] == ["RestartPod"]
    assert any("RestartPod of first" in why for why in record["why"])
    assert outline.describe(replay(record)) == outline.describe(plan) == record["plan"]


def test_at_another_time_another_decision_may_be_made() -> None:
    record = recorded(seen(failures=3))
    later = replay(record, timedelta(minutes=5))
    assert later.mode is Mode.UNTRUSTED
    assert outline.digest(outline.describe(later)) != record["digest"]


def test_the_command_says_whether_it_is_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = recorded(seen(failures=3))
    path = tmp_path / "decision.json"
    path.write_text(json.dumps(record))
    assert main([str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"Same: {record['digest']}")
    record["inputs"]["probes"][0]["failures"] = 1
    path.write_text(json.dumps({**record, "version": "0.9.9"}))
    assert main([str(path)]) == 1
    said = capsys.readouterr().out
    assert said.startswith("Different: ")
    assert "of operator 0.9.9" in said
    assert re.search(r'-\s+"reason": "ProbeFailed"', said)
    assert main([str(path), "--later", "300"]) == 0
    assert json.loads(capsys.readouterr().out)["mode"] == "Untrusted"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "inputs": {"pods": 3}}'])
def test_what_is_no_record_is_refused_in_a_sentence(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "decision.json"
    path.write_text(text)
    assert main([str(path)]) == 2
    assert main([str(tmp_path / "not-there")]) == 2
    assert "decision.json: " in capsys.readouterr().err


def test_routine_is_not_kept() -> None:
    journal = Journal(metrics=Metrics(), version="1")
    nothing_there = Observation(
        make_resource(SYSTEM, spec=SPEC, finalizers=()), (), (), (), at(99), timedelta(seconds=100)
    )
    for given in (nothing_there, seen(), seen()):
        journal.note(KEY, given, DEFAULTS, decide(given), at(100))
    assert len(journal.ring) == 0


def test_a_trouble_is_kept_when_it_comes_changes_and_goes() -> None:
    journal = Journal(metrics=Metrics(), version="1")
    silent = replace(seen(failures=3), probes=())
    for given in (seen(), silent, seen(failures=3), seen(failures=3), seen()):
        journal.note(KEY, given, DEFAULTS, decide(given), at(100))
    kept = [record["why"] for record in journal.ring.summaries(str(KEY))]
    assert kept == [
        ["first: Unhealthy ProbeFailed -> well"],
        ["RestartPod of first"],
        ["first: well -> Unhealthy ProbeFailed", "RestartPod of first"],
    ]
    assert list(journal.ring.summaries("shop/other")) == []


def test_a_change_of_mode_is_kept() -> None:
    plan = decide(seen(), at(500))
    assert plan.mode is Mode.UNTRUSTED
    assert reasons(plan, Before())[0] == "mode Run -> Untrusted"
    assert reasons(plan, Before(Mode.UNTRUSTED, troubles(plan))) == []


# -- bounded ------------------------------------------------------------------------------------------------


def noise(number: int, size: int) -> Mapping[str, Any]:
    random.seed(number)
    text = random.randbytes(size // 2).hex()
    return {
        "id": str(number), "time": "t", "system": f"shop/{number % 2}", "why": [], "digest": "d", "inputs": text
    }  # fmt: skip


def test_the_oldest_make_room() -> None:
    ring = Ring(most_records=10, most_bytes=10**9)
    for number in range(25):
        assert ring.add(noise(number, 100))
    assert [record["id"] for record in ring.summaries()] == [str(number) for number in range(24, 14, -1)]
    assert ring.get("14") is None
    assert ring.get("15") == noise(15, 100)


def test_whatever_comes_it_holds_no_more_than_it_may() -> None:
    ring = Ring(most_records=10**6, most_bytes=100_000)
    for number in range(200):
        ring.add(noise(number, random.Random(number).choice([10, 1000, 30_000])))
        assert ring.size <= 100_000
        assert ring.size == sum(kept.size for kept in ring._kept)
    assert not ring.add(noise(1000, 400_000)), "larger than all that may be held"
    assert len(ring) > 0


def test_sixteen_components_cost_little() -> None:
    """A record of the whole ALL-USE system, so that some hundred fit."""
    wanted = resolve(Identity("shop", "demo", "uid-demo", 1), {}, DEFAULTS)
    built = build_all(wanted)
    objects = tuple(make_live(obj) for one in built.values() for obj in one.all)
    pods = tuple(
        make_pod(one.workload, f"{name}-0", ended=("Error", 1, at(98))) for name, one in built.items()
    )
    given = Observation(make_resource(wanted), objects, pods, (), at(99), timedelta(seconds=100))
    journal = Journal(metrics=Metrics(), version="1")
    journal.note(KEY, given, DEFAULTS, make_plan(wanted, built, given.read(), at(100)), at(100))
    assert len(journal.ring) == 1
    assert journal.ring.size < 40_000


# -- read over HTTP -----------------------------------------------------------------------------------------


async def test_it_is_read_on_the_loopback_address_alone() -> None:
    journal = Journal(metrics=Metrics(), version="1")
    given = seen(failures=3)
    journal.note(KEY, given, DEFAULTS, decide(given), at(100))

    async def plan(name: str) -> Mapping[str, Any] | None:
        if name == "shop/away":
            raise server.Unavailable("this process does not lead")
        return outline.outline(decide(given), at(100)) if name == "shop/demo" else None

    runner = await server.start_explaining(0, ring=journal.ring, plan=plan)
    [(host, port)] = runner.addresses
    assert host == "127.0.0.1"
    base = f"http://{host}:{port}"
    async with aiohttp.ClientSession(base) as session:

        async def get(path: str) -> tuple[int, Any]:
            async with session.get(path) as answer:
                return answer.status, await answer.json()

        status, listed = await get("/journal?system=shop/demo")
        assert (status, [record["system"] for record in listed["records"]]) == (200, ["shop/demo"])
        assert (await get("/journal?system=shop/other"))[1] == {"records": []}
        status, record = await get(f"/journal/{listed['records'][0]['id']}")
        assert outline.digest(outline.describe(replay(record))) == listed["records"][0]["digest"]
        assert (await get("/journal/99"))[0] == 404
        status, found = await get("/plan?system=shop/demo")
        assert status == 200
        assert found["actions"][0] | {"target": ""} == {
            "type": "RestartPod",
            "component": "first",
            "target": "",
            "reason": "ProbeFailed",
            "message": "evicts Pod/first-0",
        }
        assert (await get("/plan?system=shop/other"))[0] == 404
        assert (await get("/plan"))[0] == 400
        assert await get("/plan?system=shop/away") == (503, {"detail": "this process does not lead"})
    await runner.cleanup()


async def test_a_taken_port_is_said() -> None:
    async def plan(_: str) -> None:
        return None

    runner = await server.start_explaining(0, ring=Ring(), plan=plan)
    with pytest.raises(OSError, match="address already in use"):
        await server.start_explaining(server.port_of(runner), ring=Ring(), plan=plan)
    await runner.cleanup()
