"""The mirror: whatever arrives in whatever order, the newest stays and what is gone stays gone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_operator.cluster.client import Listing
from alluse_operator.cluster.kinds import CONFIG_MAP, ENDPOINT_SLICE, POD, SYSTEM
from alluse_operator.cluster.mirror import EXCUSED_FOR, Key, Mirror

KEY = Key("shop", "demo")


class Ticks:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def child(
    name: str = "a", version: int = 1, uid: str = "u1", system: str = "demo", **more: Any
) -> dict[str, Any]:
    labels = {"alluse.io/system": system} if system else {}
    metadata = {
        "name": name,
        "namespace": "shop",
        "uid": uid,
        "resourceVersion": str(version),
        "labels": labels,
        "managedFields": [{"manager": "x"}],
    }
    return {"metadata": metadata, **more}


def system(version: int = 1, uid: str = "s1", **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "demo", "namespace": "shop", "uid": uid, "resourceVersion": str(version)},
        **more,
    }


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def mirror(ticks: Ticks) -> Mirror:
    return Mirror(ticks)


def names(mirror: Mirror) -> set[str]:
    return {f"{obj['kind']}/{obj['metadata']['name']}" for obj in mirror.children(KEY)}


def test_a_watch_event_wakes_its_system_once(mirror: Mirror) -> None:
    assert mirror.watched(POD, child(version=5), deleted=False) == KEY
    assert mirror.watched(POD, child(version=5), deleted=False) is None
    assert mirror.watched(POD, child(version=4), deleted=False) is None
    assert mirror.watched(POD, child(version=6), deleted=False) == KEY


def test_objects_get_their_kind_and_lose_their_field_managers(mirror: Mirror) -> None:
    mirror.watched(POD, child(), deleted=False)
    [pod] = mirror.children(KEY)
    assert (pod["kind"], pod["apiVersion"]) == ("Pod", "v1")
    assert "managedFields" not in pod["metadata"]


def test_an_own_write_is_no_news_when_it_comes_back(mirror: Mirror) -> None:
    mirror.wrote(CONFIG_MAP, child(version=7))
    assert mirror.watched(CONFIG_MAP, child(version=7), deleted=False) is None


def test_an_answer_that_tells_of_others_doings_is_a_surprise(mirror: Mirror) -> None:
    mirror.watched(POD, child(version=1, status={"phase": "Pending"}), deleted=False)
    assert mirror.wrote(POD, child(version=2, status={"phase": "Pending"})) is False
    assert mirror.wrote(POD, child(version=3, status={"phase": "Running"})) is True


def test_a_listing_removes_what_it_lacks_unless_that_is_younger(mirror: Mirror) -> None:
    mirror.watched(POD, child("old", 3, "u1"), deleted=False)
    mirror.watched(POD, child("young", 9, "u2"), deleted=False)
    assert mirror.listed(POD, None, Listing([], 5)) == {KEY}
    assert names(mirror) == {"Pod/young"}


def test_a_listing_of_one_namespace_says_nothing_about_others(mirror: Mirror) -> None:
    mirror.watched(POD, child("a", 3), deleted=False)
    mirror.listed(POD, "elsewhere", Listing([], 99))
    assert names(mirror) == {"Pod/a"}


def test_a_stale_listing_brings_nothing_back(mirror: Mirror) -> None:
    mirror.watched(POD, child("a", 3, "u1"), deleted=False)
    mirror.watched(POD, child("a", 4, "u1"), deleted=True)
    assert mirror.listed(POD, None, Listing([child("a", 3, "u1")], 3)) == set()
    assert names(mirror) == set()


def test_a_new_object_of_the_same_name_replaces_the_old_one_in_any_order(mirror: Mirror) -> None:
    mirror.watched(POD, child("a", 3, "old"), deleted=False)
    mirror.watched(POD, child("a", 8, "new"), deleted=False)
    mirror.watched(POD, child("a", 7, "old"), deleted=True)
    assert [obj["metadata"]["uid"] for obj in mirror.children(KEY)] == ["new"]


def test_a_child_that_loses_its_label_leaves_its_system(mirror: Mirror) -> None:
    mirror.watched(POD, child("a", 3), deleted=False)
    assert mirror.watched(POD, child("a", 4, system=""), deleted=False) == KEY
    assert names(mirror) == set()


def test_a_child_that_gets_its_label_back_is_there_again(mirror: Mirror) -> None:
    mirror.watched(POD, child("a", 3), deleted=False)
    mirror.watched(POD, child("a", 4), deleted=True)
    assert mirror.watched(POD, child("a", 5), deleted=False) == KEY
    assert names(mirror) == {"Pod/a"}


def test_an_answer_that_something_is_not_there_is_taken_back_by_a_listing(mirror: Mirror) -> None:
    mirror.watched(SYSTEM, system(3), deleted=False)
    assert mirror.removed(SYSTEM, "s1") == KEY
    assert mirror.systems() == ()
    assert mirror.listed(SYSTEM, None, Listing([system(3)], 9)) == {KEY}
    assert mirror.systems() == (KEY,)


def test_a_gone_system_is_not_there(mirror: Mirror) -> None:
    mirror.watched(SYSTEM, system(1), deleted=False)
    assert mirror.systems() == (KEY,)
    assert mirror.watched(SYSTEM, system(2), deleted=True) == KEY
    assert mirror.system(KEY) is None
    assert mirror.systems() == ()


def test_a_watch_that_does_not_bring_what_a_listing_brought_is_overdue(mirror: Mirror, ticks: Ticks) -> None:
    mirror.listed(POD, None, Listing([child("a", 3)], 3))
    ticks.seconds += 12
    assert mirror.overdue(POD).total_seconds() == pytest.approx(12)
    assert mirror.overdue(CONFIG_MAP).total_seconds() == 0
    mirror.watched(POD, child("a", 3), deleted=False)
    assert mirror.overdue(POD).total_seconds() == 0


def test_an_own_write_that_does_not_come_back_is_overdue(mirror: Mirror, ticks: Ticks) -> None:
    mirror.wrote(POD, child("a", 3))
    ticks.seconds += 9
    assert mirror.overdue(POD).total_seconds() == pytest.approx(9)
    mirror.watched(POD, child("a", 4), deleted=True)
    assert mirror.overdue(POD).total_seconds() == 0


def test_new_streams_are_excused_for_a_while(mirror: Mirror, ticks: Ticks) -> None:
    mirror.wrote(POD, child("a", 3))
    mirror.excuse()
    mirror.wrote(POD, child("a", 4))
    ticks.seconds += EXCUSED_FOR.total_seconds()
    assert mirror.overdue(POD).total_seconds() == 0
    ticks.seconds += 3
    assert mirror.overdue(POD).total_seconds() == pytest.approx(3)


def test_a_refusal_is_found_for_the_system_of_its_workload(mirror: Mirror) -> None:
    event = {"reason": "FailedCreate", "involvedObject": {"uid": "u1"}, "message": "exceeded quota"}
    assert mirror.refused(event) is None
    mirror.watched(POD, child("a", 3, "u1"), deleted=False)
    assert list(mirror.refusals(KEY)) == [event]
    assert mirror.refused(event) == KEY


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, int, bool]]:
    """What really happened to objects of one name: (uid, version, deleted), one life after the other. One that
    lost its label and got it back looks like one that was deleted and lives on.
    """
    versions = iter(range(1, 100))
    history = []
    for life in range(draw(st.integers(1, 3))):
        for _ in range(draw(st.integers(1, 3))):
            for _ in range(draw(st.integers(1, 3))):
                history.append((f"life-{life}", next(versions), False))
            history.append((f"life-{life}", next(versions), True))
    if draw(st.booleans()):
        history.append(("last", next(versions), False))
    return history


@given(history=histories(), data=st.data())
def test_whatever_the_order_of_arrival_the_end_is_the_truth(
    history: list[tuple[str, int, bool]], data: st.DataObject
) -> None:
    """Every event arrives at least once, in any order, listings of any moment in between; at last a fresh listing."""
    mirror = Mirror(Ticks())
    arrivals = data.draw(st.permutations(history))
    for uid, version, deleted in arrivals:
        obj = child("a", version, uid)
        source = data.draw(st.sampled_from(["watch", "write", "list"]))
        if deleted:
            mirror.watched(POD, obj, deleted=True)
        elif source == "watch":
            mirror.watched(POD, obj, deleted=False)
        elif source == "write":
            mirror.wrote(POD, obj)
        else:
            mirror.listed(POD, None, Listing([obj], version))
    uid, version, deleted = history[-1]
    alive = [] if deleted else [child("a", version, uid)]
    mirror.listed(POD, None, Listing(alive, version))
    assert [obj["metadata"]["uid"] for obj in mirror.children(KEY)] == [
        obj["metadata"]["uid"] for obj in alive
    ]
    assert [obj["metadata"]["resourceVersion"] for obj in mirror.children(KEY)] == [
        obj["metadata"]["resourceVersion"] for obj in alive
    ]


# -- EndpointSlices and nodes ---------------------------------------------------------------------------------


def endpoints(version: int, *ready: str, unready: str = "") -> dict[str, Any]:
    rows = [{"conditions": {"ready": True}, "targetRef": {"uid": uid}} for uid in ready]
    return child(
        "slice",
        version,
        "slice",
        endpoints=[*rows, {"conditions": {"ready": False}, "targetRef": {"uid": unready}}],
    )


def test_a_service_wakes_when_it_loses_a_pod_and_not_when_it_gains_one(mirror: Mirror) -> None:
    assert mirror.watched(ENDPOINT_SLICE, endpoints(1), deleted=False) is None
    assert mirror.watched(ENDPOINT_SLICE, endpoints(2, "a"), deleted=False) is None
    assert mirror.watched(ENDPOINT_SLICE, endpoints(3, "a", "b"), deleted=False) is None
    assert mirror.watched(ENDPOINT_SLICE, endpoints(4, "a", "b", unready="c"), deleted=False) is None
    assert mirror.watched(ENDPOINT_SLICE, endpoints(5, "a", "c"), deleted=False) == KEY
    assert mirror.watched(ENDPOINT_SLICE, endpoints(5, "a", "c"), deleted=False) is None
    assert mirror.watched(ENDPOINT_SLICE, endpoints(6, "a", "c"), deleted=True) == KEY


def node(version: int, status: str = "True", name: str = "one", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "labels": {"x": "y"},
        },
        "spec": {"podCIDR": "10.0.0.0/24", **spec},
        "status": {
            "conditions": [{"type": "Ready", "status": status, "lastHeartbeatTime": f"at {version}"}],
            "images": ["many"],
        },
    }


def test_a_node_wakes_those_with_pods_on_it_when_its_readiness_changes(mirror: Mirror) -> None:
    mirror.watched(POD, child("a", spec={"nodeName": "one"}), deleted=False)
    mirror.watched(POD, child("b", uid="u2", system="other", spec={"nodeName": "two"}), deleted=False)
    assert not mirror.node_watched(node(1), deleted=False)
    assert not mirror.node_watched(node(2), deleted=False), "a heartbeat"
    assert not mirror.node_watched(node(3, unschedulable=True), deleted=False)
    assert list(mirror.node_watched(node(4, "Unknown"), deleted=False)) == [KEY]
    assert not mirror.node_watched(node(3), deleted=False), "older than what is known"
    assert list(mirror.node_watched(node(5, "True"), deleted=False)) == [KEY]
    assert list(mirror.node_watched(node(6), deleted=True)) == [KEY]
    assert not mirror.node_watched(node(6), deleted=True)
    assert not mirror.node_watched(node(5), deleted=False), "gone stays gone"


def test_of_a_node_only_what_decides_is_kept(mirror: Mirror) -> None:
    mirror.node_watched(node(1, unschedulable=True), deleted=False)
    [known] = mirror.nodes.known()
    assert known["spec"] == {"unschedulable": True}
    assert set(known["status"]) == {"conditions"}


def test_a_listing_of_nodes_tells_of_absence(mirror: Mirror) -> None:
    mirror.watched(POD, child("a", spec={"nodeName": "one"}), deleted=False)
    mirror.watched(POD, child("b", uid="u2", system="other", spec={"nodeName": "two"}), deleted=False)
    assert not mirror.nodes_listed(Listing([node(3), node(3, name="two")], 5))
    mirror.node_watched(node(9, name="young"), deleted=False)
    assert list(mirror.nodes_listed(Listing([node(3)], 7))) == [Key("shop", "other")]
    assert {obj["metadata"]["name"] for obj in mirror.nodes.known()} == {"one", "young"}
    assert list(mirror.nodes_listed(Listing([node(8, "False")], 8))) == [KEY]
