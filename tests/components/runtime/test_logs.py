"""Log records: their fields, what is masked, where they go, and what happens when nobody takes them."""

import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.contract import COMPONENTS
from alluse.runtime import shipping
from alluse.runtime.http_client import HttpReply
from alluse.runtime.http_server import HttpRequest
from alluse.runtime.identity import Identity
from alluse.runtime.logs import Logs
from alluse.runtime.masking import MASK, hashed_user, mask_record, mask_text
from alluse.runtime.service import Service
from alluse.runtime.trace import Trace, current
from inprocess import System, component, until


def logs(**settings: Any) -> tuple[Logs, io.StringIO]:
    out = io.StringIO()
    made = Logs(Identity(facts=COMPONENTS["position-sizer"], pod="sizer-0"), out)
    made.configure(**{"level": "DEBUG", "format_": "json", "console": True, "sanitize": True, **settings})
    return made, out


def test_a_record_has_all_its_fields() -> None:
    made, out = logs()
    token = current.set(Trace(trace_id="a" * 32, request_id="r", user_id="jane"))
    try:
        made.logger("sizing").warning("too big", name="sizing.blocked", duration_ms=3, symbol="KO")
    finally:
        current.reset(token)
    record = json.loads(out.getvalue())
    assert record.pop("timestamp").endswith("Z")
    assert record.pop("line") > 0
    assert record == {
        "level": "WARNING",
        "component": "position-sizer",
        "logger": "sizing",
        "message": "too big",
        "module": "test_logs",
        "function": "test_a_record_has_all_its_fields",
        "trace_id": "a" * 32,
        "user_id": hashed_user("jane"),
        "event": "sizing.blocked",
        "duration_ms": 3,
        "symbol": "KO",
        "pod": "sizer-0",
    }


def test_an_exception_is_part_of_its_record() -> None:
    made, out = logs()
    try:
        raise ValueError("why")
    except ValueError:
        made.logger().exception("failed")
    record = json.loads(out.getvalue())
    assert record["level"] == "ERROR"
    assert record["exception"].endswith("ValueError: why")


def test_levels_are_kept_and_can_be_lowered_for_a_while() -> None:
    made, out = logs(level="WARNING")
    made.logger().info("not shown")
    made.set_level_for("DEBUG", 60)
    made.logger().debug("shown")
    made.set_level_for("DEBUG", 0)
    made.logger().debug("not shown any more")
    assert [json.loads(line)["message"] for line in out.getvalue().splitlines()] == ["shown"]


def test_what_libraries_log_looks_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made, out = logs()
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    try:
        made.capture_standard_logging()
        logging.getLogger("asyncio").warning("slow %s", "callback")
        logging.getLogger("asyncio").info("not shown")
    finally:
        root.setLevel(level)
    (record,) = [json.loads(line) for line in out.getvalue().splitlines()]
    assert (record["level"], record["logger"], record["message"]) == ("WARNING", "asyncio", "slow callback")


def test_the_text_form_is_for_people() -> None:
    made, out = logs(format_="text")
    made.logger().info("listening", port=8080)
    assert out.getvalue().rstrip().endswith("INFO     position-sizer: listening port=8080 pod=sizer-0")


def test_a_closed_output_is_no_failure() -> None:
    made, out = logs()
    out.close()
    made.logger().info("nobody reads this")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail to jane.doe+x@mail.example.org now", f"mail to {MASK} now"),
        ("card 4111 1111 1111 1111.", f"card {MASK}."),
        ("account 123456789", f"account {MASK}"),
        ("account 12345678", "account 12345678"),
        ("took 1234567.891 ms", "took 1234567.891 ms"),
        ("password=hunter2 next", f"password={MASK} next"),
        ('{"token": "abc"}', f'{{"token": {MASK}"}}'),
        ("Authorization: Bearer abc.def", f"Authorization: {MASK}"),
        ("at 2024-06-18T10:00:00Z", "at 2024-06-18T10:00:00Z"),
        ("at 2024-06-18 10:00:00", "at 2024-06-18 10:00:00"),
        ("account:123-45-6789", f"account:{MASK}"),
        ("nothing here", "nothing here"),
    ],
)
def test_what_text_is_masked(text: str, masked: str) -> None:
    assert mask_text(text) == masked


def test_secrets_are_masked_at_any_depth() -> None:
    record = {
        "trace_id": "1234567890123456",
        "config": {"webhook_secret": "s", "list": [{"api_key": "k"}, "jane@example.org"]},
        "password": "",
        "key": "k",
        "keys": ["a"],
        "account": 123456789012,
        "monkey": "banana",
    }
    assert mask_record(record) == {
        "trace_id": "1234567890123456",
        "config": {"webhook_secret": MASK, "list": [{"api_key": MASK}, MASK]},
        "password": "",
        "key": MASK,
        "keys": ["a"],
        "account": MASK,
        "monkey": "banana",
    }


@given(st.text())
def test_masking_never_fails_and_is_stable(text: str) -> None:
    once = mask_text(text)
    assert mask_text(once) == once


@given(st.integers(10**8, 10**30))
def test_no_long_number_survives(number: int) -> None:
    assert str(number) not in mask_text(f"number {number} here")


# -- shipping ------------------------------------------------------------------------------------------


class Receiver:
    """Plays production-logger."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.up = True
        self.answer = b"{}"

    def __call__(self, request: HttpRequest) -> HttpReply:
        if not self.up:
            return HttpReply(503, {}, b"{}")
        if request.method == "POST":
            self.records += [json.loads(line) for line in request.body.splitlines()]
        return HttpReply(202, {}, self.answer)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "PAUSE_S", 0.01)
    monkeypatch.setattr(shipping, "FIRST_BACKOFF_S", 0.01)


@pytest.mark.usefixtures("quick")
async def test_records_are_shipped_and_wait_while_nobody_takes_them(tmp_path: Path) -> None:
    receiver, system = Receiver(), System()
    receiver.up = False
    system.played["production-logger"] = receiver
    service: Service[None] = Service(name="position-sizer")
    async with component(service, tmp_path, system=system, environment="production") as it:
        for message in ("first", "second", "third"):
            it.runtime.log.info(message)
        assert it.runtime.shipper is not None
        await until(lambda: it.runtime.shipper.failing_for() > 0, "shipping fails")
        receiver.up = True
        await until(lambda: "first" in [r["message"] for r in receiver.records], "it arrives later")
        assert it.runtime.shipper.failing_for() == 0
    messages = [record["message"] for record in receiver.records]
    assert messages == [record["message"] for record in it.records]
    assert messages[-1] == "stopped"


async def test_a_full_queue_forgets_the_oldest_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "QUEUE", 50)
    receiver, system = Receiver(), System()
    receiver.up = False
    system.played["production-logger"] = receiver
    service: Service[None] = Service(name="position-sizer")
    async with component(service, tmp_path, system=system, environment="production") as it:
        for number in range(80):
            it.runtime.log.info(f"m{number}")
        dropped = it.runtime.metrics.counter("alluse_log_dropped_total", "").value()
        assert dropped >= 30
        receiver.up = True
    messages = [record["message"] for record in receiver.records]
    assert "m79" in messages
    assert "m0" not in messages


@pytest.mark.usefixtures("quick")
async def test_a_temporary_level_reaches_the_component(tmp_path: Path) -> None:
    receiver, system = Receiver(), System()
    receiver.answer = b'{"level": "DEBUG", "ttl_s": 30}'
    system.played["production-logger"] = receiver
    service: Service[None] = Service(name="position-sizer")
    async with component(service, tmp_path, system=system, environment="production") as it:
        await until(lambda: it.runtime.logs.level == 10, "it logs at DEBUG")
        receiver.answer = b'{"level": "NONSENSE", "ttl_s": "x"}'
        it.runtime.log.info("go on")
        await until(lambda: "go on" in [r["message"] for r in receiver.records], "nonsense is ignored")


async def test_debug_lets_everything_be_logged(tmp_path: Path) -> None:
    service: Service[None] = Service(name="position-sizer")
    loud = {"system.debug": True, "logging.level": "ERROR", "system.name": "Ours", "system.version": "9"}
    async with component(service, tmp_path, config=loud, environment="development") as it:
        assert it.runtime.logs.level == 10
        info = (await it.get("/info")).json
        assert (info["system_name"], info["system_version"]) == ("Ours", "9")
    quiet = {"system.debug": False, "logging.level": "ERROR"}
    async with component(service, tmp_path, config=quiet, environment="development") as it:
        assert it.runtime.logs.level == 40
