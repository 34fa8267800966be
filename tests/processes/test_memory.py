"""memory-manager as a process that is killed in the middle of its writes."""

import http.client
import json
import threading
from pathlib import Path
from typing import Any

from component_processes import Cluster, Process

BOOKED = 1.25


def post(process: Process, path: str, body: Any, key: str) -> int:
    """The status, or 0 when the connection ended without an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=5)
    try:
        connection.request(
            "POST", path, json.dumps(body), {"content-type": "application/json", "Idempotency-Key": key}
        )
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _write_until_killed(memory: Process, path: str, life: int) -> dict[str, int]:
    """Four writers at once, killed under them after forty answers; the status of every write by its key."""
    answered: dict[str, int] = {}
    enough = threading.Event()

    def write(writer: int) -> None:
        for number in range(10_000):
            key = f"{life}-{writer}-{number}"
            answered[key] = _book(memory, path, key)
            if not answered[key]:
                return
            if sum(status > 0 for status in list(answered.values())) >= 40:
                enough.set()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    assert enough.wait(60)
    memory.kill()
    for writer in writers:
        writer.join(30)
    return answered


def test_a_kill_in_the_middle_of_writes_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    """All that was answered is there afterwards; what was not is done once by being repeated under its key."""
    with Cluster(tmp_path, {"ALL_USE_ENV": "test"}) as cluster:
        memory = cluster.start("memory-manager")
        memory.wait_ready()
        opened = memory.request("PUT", "/v1/users/u1/accounts", {"initial_investment": 50_000})[1]
        path = f"/v1/users/u1/accounts/{opened['accounts'][0]['account_id']}/entries"
        keys: set[str] = set()
        for life in range(2):
            answered = _write_until_killed(memory, path, life)
            assert set(answered.values()) <= {0, 200, 201}
            memory = cluster.start("memory-manager")
            memory.wait_ready()
            done = {key for key, status in answered.items() if status}
            assert done <= _stored(memory)
            for key in answered:
                assert _book(memory, path, key) in (200, 201)
            keys |= set(answered)
            assert _stored(memory) == keys
        memory.stop()


def _stored(memory: Process) -> set[str]:
    """The keys of everything that is stored, each once, and the balances right."""
    export = memory.get("/v1/users/u1/export")[1]
    booked = [each["ref"] for each in export["entries"] if each["kind"] == "premium"]
    turns = [each["turn_id"] for each in export["decisions"]]
    assert len({*booked, *turns}) == len(booked) + len(turns)
    total = memory.get("/v1/users/u1/accounts")[1]["total_balance"]
    assert total == 50_000 + BOOKED * len(booked)
    return {*booked, *turns}


def _book(memory: Process, path: str, key: str) -> int:
    """Every other write is a whole turn."""
    if int(key.rpartition("-")[2]) % 2:
        turn = {
            "turn_id": key,
            "message": "how risky?",
            "reply": "not very",
            "intent": "assess_risk",
            "decision": {"action": "assess", "response_type": "risk"},
        }
        return post(memory, "/v1/users/u1/turns", turn, key)
    return post(memory, path, {"amount": BOOKED, "kind": "premium", "ref": key}, key)
