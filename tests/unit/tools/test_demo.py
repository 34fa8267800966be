"""The demo: what it prints of a start, and what it asks before it touches somebody's cluster."""

from __future__ import annotations

import io

import pytest
from tools import demo
from tools.cluster import appimages, follow
from tools.cluster.appimages import Reference
from tools.cluster.steps import StepError

STATUS = {
    "conditions": [{"type": "Ready", "status": "False"}],
    "components": [
        {"name": "config-manager", "state": "Healthy", "message": "1 of 1 pods ready"},
        {"name": "market-analyzer", "state": "Waiting", "message": "waits for config-manager"},
    ],
}


def test_only_what_changed_is_printed() -> None:
    states, lines = follow.changes({}, STATUS)
    assert [line.split()[:2] for line in lines] == [
        ["config-manager", "Healthy"],
        ["market-analyzer", "Waiting"],
    ]
    assert follow.changes(states, STATUS) == (states, [])
    later = {"components": [STATUS["components"][0], {"name": "market-analyzer", "state": "Healthy"}]}
    assert follow.changes(states, later)[1] == ["market-analyzer  Healthy"]


def test_long_messages_are_cut() -> None:
    status = {"components": [{"name": "a", "state": "Waiting", "message": "x" * 500}]}
    (line,) = follow.changes({}, status)[1]
    assert len(line) < 120
    assert line.endswith("...")


def test_the_table_leaves_out_columns_that_say_nothing() -> None:
    assert follow.table(STATUS).splitlines() == [
        "COMPONENT        STATE    MESSAGE",
        "config-manager   Healthy  1 of 1 pods ready",
        "market-analyzer  Waiting  waits for config-manager",
    ]


def test_a_condition_holds_only_when_it_is_true() -> None:
    assert not follow.is_true(STATUS, "Ready")
    assert not follow.is_true({}, "Ready")
    assert follow.is_true({"conditions": [{"type": "Ready", "status": "True"}]}, "Ready")


def test_a_system_that_works_with_something_missing_has_started() -> None:
    available = [{"type": "Available", "status": "True"}]
    healthy = {"name": "a", "state": "Healthy"}
    degraded = {"name": "b", "state": "Degraded", "message": "disk 92 %"}
    starting = {"name": "c", "state": "Starting"}
    assert follow.lacking({"conditions": available, "components": [healthy, degraded]}) == ["b: disk 92 %"]
    assert follow.lacking({"conditions": available, "components": [healthy]}) == []
    assert follow.lacking({"conditions": available, "components": [healthy, starting]}) is None
    assert follow.lacking({"conditions": [], "components": [healthy, degraded]}) is None
    assert follow.lacking({}) is None


def test_without_a_terminal_somebody_s_cluster_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(StepError, match="pass --yes"):
        demo.confirm("prod", "https://prod.example", yes=False)
    demo.confirm("prod", "https://prod.example", yes=True)


@pytest.mark.parametrize(
    ("answer", "goes_on"), [("y", True), ("YES", True), ("", False), ("n", False), ("yep", False)]
)
def test_a_person_is_asked_and_no_is_the_default(monkeypatch, answer: str, goes_on: bool) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    if goes_on:
        demo.confirm("prod", "https://prod.example", yes=False)
    else:
        with pytest.raises(StepError, match="Nothing was done"):
            demo.confirm("prod", "https://prod.example", yes=False)


def test_the_chart_gets_the_images_of_this_tree() -> None:
    images = {
        "operator": Reference("alluse/operator", "1-a"),
        "components": Reference("alluse/components", "1-b"),
    }
    assert demo.helm_values(images, "host.example/team") == [
        "--set-string=image.repository=host.example/team/alluse/operator",
        "--set-string=image.tag=1-a",
        "--set-string=componentImage.repository=host.example/team/alluse/components",
        "--set-string=componentImage.tag=1-b",
    ]


def test_an_image_is_tagged_by_what_goes_into_it() -> None:
    image = appimages.IMAGES["operator"]
    name = appimages.reference(image, "base:1")
    assert name.tag.startswith(f"{appimages.project_version()}-")
    assert name == appimages.reference(image, "base:1")
    assert name != appimages.reference(image, "base:2")
