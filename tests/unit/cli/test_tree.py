"""`status`: the tree, its lines, and what is told of a change."""

from __future__ import annotations

from alluse_operator.cli import tree
from alluse_operator.cli.picture import row_of
from builders import at, stamp
from cli_pictures import condition, picture, row, shop, wait


def texts(
    *arguments: object, drawn: tree.Strokes = tree.LINES, width: int = 200, **more: object
) -> list[str]:
    return [line.text for line in tree.status(picture(shop(), *arguments, **more), drawn, width)]


def test_each_component_stands_once_under_what_it_comes_after() -> None:
    rows = [row("store"), row("mail"), row("api", since=40), row("web", since=95)]
    assert texts(rows, ready="4/4", state="Running", environment="test", version="1.0") == [
        "shop/demo: Running, 4/4 ready, environment test, version 1.0",
        "store      Healthy  1 min 40 s",
        "├─ mail    Healthy  1 min 40 s",
        "└─ api     Healthy  1 min",
        "   └─ web  Healthy  5 s",
    ]


def test_without_lines_where_the_stream_cannot_carry_them() -> None:
    assert tree.strokes("utf-8") == tree.LINES
    assert tree.strokes("ascii") == tree.strokes(None) == tree.strokes("no-such") == tree.ASCII
    lines = texts([row("store"), row("api"), row("web")], drawn=tree.ASCII)
    assert all(line.isascii() for line in lines)
    assert lines[2].startswith("`- api")


def test_trouble_says_because_of_whom_why_and_what_comes_next() -> None:
    rows = [
        row("store", "Unhealthy", 92, reason="NotReady", message="pod x hangs", rung="RestartPod", nextActionTime=stamp(at(104))),
        row("api", "Unhealthy", 95, reason="DependencyUnhealthy", message="left alone", causedBy=["store"]),
        row("web", "Waiting", 95, reason="WaitingForDependencies", waitingFor=[wait("api", 95, 215)]),
    ]  # fmt: skip
    locks = [{"name": "gate", "state": "Closed", "since": stamp(at(97)), "message": "store is Unhealthy"}]
    alerts = [
        {"name": "ComponentNotWell", "severity": "Critical", "subject": "store", "state": "Firing", "message": "pod x hangs"},
        {"name": "ComponentNotWell", "severity": "Warning", "subject": "api", "state": "Firing", "inhibitedBy": ["store"]},
        {"name": "InterlockClosed", "severity": "Info", "state": "Resolved"},
    ]  # fmt: skip
    conditions = [
        condition("Stalled", "True", "recovery of store is exhausted", 99),
        condition("SpecValid", "True"),
    ]
    lines = texts(
        rows, conditions, ready="0/4", state="Stalled", cause="store hangs", interlocks=locks, alerts=alerts,
        recovery={"actionsInWindow": 2, "exhausted": ["store"]},
    )  # fmt: skip
    assert lines == [
        "shop/demo: Stalled, 0/4 ready",
        "cause: store hangs",
        "Stalled=True since 09:01:39Z (1 s): recovery of store is exhausted",
        "store      Unhealthy  8 s  next RestartPod at 09:01:44Z (in 4 s); NotReady: pod x hangs",
        "└─ api     Unhealthy  5 s  because of store; DependencyUnhealthy: left alone",
        "   └─ web  Waiting    5 s  waits for api",
        "interlock gate: Closed since 09:01:37Z (3 s): store is Unhealthy",
        "recovery: 2 actions in the window",
        "recovery is exhausted for store: see `why`, or `retry`",
        "alert Critical ComponentNotWell store: pod x hangs",
    ]


def test_no_line_is_wider_than_the_terminal_or_breaks_it() -> None:
    rows = [row("store", "Unhealthy", 92, reason="Crashed", message="one\ntwo \x1b[2J" + "x" * 500)]
    lines = texts(rows, width=60)
    assert max(map(len, lines)) == 60
    assert not any("\n" in line or "\x1b" in line for line in lines)


def test_a_system_that_nobody_has_looked_at_yet() -> None:
    assert texts([]) == [
        "shop/demo: Pending, ? ready",
        "the operator has not spoken of its components yet; is it running?",
    ]


def test_what_changed_is_told_in_a_line() -> None:
    before = {"store": row_of(row("store")), "api": row_of(row("api"))}
    now = picture(
        shop(), [row("store", "Unhealthy", 92, reason="NotReady", message="hangs"), row("api"), row("web")]
    )
    told = [tree.change_line(now, old, new) for old, new in tree.changes(before, now.rows)]
    assert told == ["store: Healthy -> Unhealthy: NotReady: hangs", "web: Healthy"]
