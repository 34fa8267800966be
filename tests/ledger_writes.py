"""Writers that book and talk without a pause until memory-manager is killed under them.

ledger = Ledger(port)
ledger.open()
answered = ledger.write_until_killed(kill, life=0)
...                                              # it starts again
ledger.holds(answered)
"""

import http.client
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

USER = "u1"
BOOKED = 1.25
OPENED = 50_000
WRITERS = 4
#: Answers after which the process is killed.
ENOUGH = 40


@dataclass
class Ledger:
    """One user's accounts as the writers left them. `port` is where memory-manager answers now."""

    port: int
    _path: str = ""
    #: Keys of everything that was tried and done in the end.
    keys: set[str] = field(default_factory=set)

    def open(self) -> None:
        opened = self._exchange("PUT", f"/v1/users/{USER}/accounts", {"initial_investment": OPENED})[1]
        self._path = f"/v1/users/{USER}/accounts/{opened['accounts'][0]['account_id']}/entries"

    def write_until_killed(self, kill: Callable[[], object], life: int) -> dict[str, int]:
        """Four writers at once, killed under them; the status of every write by its key, 0 for no answer."""
        answered: dict[str, int] = {}
        enough = threading.Event()

        def write(writer: int) -> None:
            for number in range(10_000):
                key = f"{life}-{writer}-{number}"
                answered[key] = self._book(key)
                if not answered[key]:
                    return
                if sum(status > 0 for status in list(answered.values())) >= ENOUGH:
                    enough.set()

        writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        assert enough.wait(60)
        kill()
        for writer in writers:
            writer.join(30)
        assert set(answered.values()) <= {0, 200, 201}, answered
        return answered

    def holds(self, answered: dict[str, int]) -> None:
        """All that was answered is there; what was not is done once by being repeated under its key."""
        done = {key for key, status in answered.items() if status}
        assert done <= self._stored()
        assert all(self._book(key) in (200, 201) for key in answered)
        self.keys |= set(answered)
        assert self._stored() == self.keys

    def _stored(self) -> set[str]:
        """The keys of everything that is stored, each once, and the balances right."""
        export = self._exchange("GET", f"/v1/users/{USER}/export", None)[1]
        booked = [each["ref"] for each in export["entries"] if each["kind"] == "premium"]
        turns = [each["turn_id"] for each in export["decisions"]]
        assert len({*booked, *turns}) == len(booked) + len(turns)
        total = self._exchange("GET", f"/v1/users/{USER}/accounts", None)[1]["total_balance"]
        assert total == OPENED + BOOKED * len(booked)
        return {*booked, *turns}

    def _book(self, key: str) -> int:
        """Every other write is a whole turn."""
        if int(key.rpartition("-")[2]) % 2:
            turn = {
                "turn_id": key,
                "message": "how risky?",
                "reply": "not very",
                "intent": "assess_risk",
                "decision": {"action": "assess", "response_type": "risk"},
            }
            return self._exchange("POST", f"/v1/users/{USER}/turns", turn, key)[0]
        return self._exchange("POST", self._path, {"amount": BOOKED, "kind": "premium", "ref": key}, key)[0]

    def _exchange(self, method: str, path: str, body: Any, key: str = "") -> tuple[int, Any]:
        """Status and answer; 0 when the connection ended without one."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"content-type": "application/json", **({"Idempotency-Key": key} if key else {})}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            return 0, None
        finally:
            connection.close()
