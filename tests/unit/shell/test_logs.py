"""Logs: one line each, JSON with fields, whatever is in them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from alluse_operator import logs


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


NASTY = "first\nsecond\r\x1b[31mred\x1b[0m\u2028third\x85fourth"


def test_json_carries_the_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logging.getLogger("alluse_operator.x").info(
        "Applied %s", "Service/a", extra={"system": "demo", "component": "web", "reason": None}
    )
    [line] = lines(capsys)
    record = json.loads(line)
    assert record["message"] == "Applied Service/a"
    assert (record["level"], record["system"], record["component"]) == ("info", "demo", "web")
    assert "reason" not in record
    assert record["time"].endswith("Z")


@pytest.mark.parametrize("form", ["json", "text"])
def test_whatever_is_said_stays_on_one_line(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", form)
    logging.getLogger("x").info("%s", NASTY, extra={"component": NASTY})
    output = capsys.readouterr().err
    assert output.count("\n") == 1
    assert len(output.splitlines()) == 1
    assert "\x1b" not in output


def test_long_values_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logging.getLogger("x").info("x" * 1_000_000)
    [line] = lines(capsys)
    assert len(line) < 5000
    assert "1000000 characters" in line


def test_an_exception_is_one_line_with_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    try:
        raise ValueError(NASTY)
    except ValueError:
        logging.getLogger("x").exception("Pass failed")
    [line] = lines(capsys)
    assert "ValueError" in json.loads(line)["exception"]


def test_kopfs_chatter_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logging.getLogger("kopf.objects").info("Handler 'seen' succeeded.")
    for attempt in range(5):
        logging.getLogger("kopf._core.reactor.queueing").error("Request attempt #%d failed", attempt)
    [line] = lines(capsys)
    assert json.loads(line)["message"] == "Request attempt #0 failed"
