"""`plan` and `retry`: the operator's answer, and the annotation."""

from __future__ import annotations

from typing import Any

from alluse_operator.cli import retry
from alluse_operator.cli.forecast import forecast
from builders import at, stamp
from cli_pictures import picture, row, shop

NOW = at(100)


def test_what_it_would_do_and_what_it_waits_for() -> None:
    answer: dict[str, Any] = {
        "system": "shop/demo",
        "at": stamp(at(99)),
        "mode": "Run",
        "cause": "store hangs",
        "requeueAt": stamp(at(104)),
        "actions": [
            {"type": "RestartPod", "component": "store", "target": "Pod/demo-store-0", "reason": "NotReady"}
        ],
        "later": [
            {"component": "web", "action": "Create", "at": stamp(at(215)), "reason": "WaitingForDependencies", "message": "waits for api"},
            {"component": "mail", "action": "RestartPod", "at": stamp(at(130)), "reason": "RecoveryBackoff"},
        ],
    }  # fmt: skip
    assert forecast(answer, NOW) == [
        "shop/demo: what the operator would do now (asked 09:01:39Z)",
        "cause: store hangs",
        "  RestartPod Pod/demo-store-0 of store (NotReady)",
        "and later:",
        "  mail: RestartPod at 09:02:10Z (in 30 s) (RecoveryBackoff)",
        "  web: Create as soon as that holds; its deadline is at 09:03:35Z (in 1 min 55 s) (WaitingForDependencies: waits for api)",
        "it looks again at 09:01:44Z (in 4 s), or at the next change",
    ]


def test_nothing_to_do() -> None:
    assert forecast({"system": "shop/demo", "mode": "Untrusted"}, NOW) == [
        "shop/demo: what the operator would do now",
        "mode Untrusted: what it knows is too old, nothing is touched",
        "  nothing: there is nothing that it could do about it",
        "it looks again at the next change",
    ]
    assert "  nothing: everything is as it should be" in forecast({"mode": "Run"}, NOW)
    waits = {"component": "store", "action": "RestartPod", "at": stamp(at(130)), "reason": "RecoveryBackoff"}
    assert "  nothing: what comes next is not due yet" in forecast({"mode": "Run", "later": [waits]}, NOW)


def test_a_retry_is_later_than_the_latest_attempt_whatever_the_clocks_say() -> None:
    ahead = {"type": "RestartPod", "time": stamp(at(500)), "reason": "NotReady"}
    rows = [row("store", "Unhealthy", 92, lastAction=ahead), row("api")]
    shown = picture(shop(), rows)
    assert retry.annotation(shown, "api") == "alluse.io/retry=api 2026-01-05T09:01:40.000Z"
    assert retry.annotation(shown, "store") == "alluse.io/retry=store 2026-01-05T09:08:21.000Z"
    assert retry.annotation(shown, "*") == "alluse.io/retry=* 2026-01-05T09:08:21.000Z"


def test_a_retry_says_what_will_be_seen_of_it() -> None:
    shown = picture(shop(), [row("store", "Unhealthy", 92, reason="RecoveryBudgetExhausted"), row("api")])
    assert retry.said(shown, "*") == [
        "asked: every component begins with a clean record",
        "store: Unhealthy (RecoveryBudgetExhausted); the ladder begins at its first rung",
        "follow it: kubectl allusesystem status --watch",
    ]
    assert "nothing of it is in trouble now" in retry.said(shown, "api")[1]
