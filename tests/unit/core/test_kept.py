"""Revisions to go back to: what was applied is read back exactly, the newest stay, and what they need stays."""

import copy
import json
from typing import Any

from alluse_operator.api.names import FIELD_MANAGER, ROLLED_BACK_FROM_ANNOTATION
from alluse_operator.core import supporting
from alluse_operator.core.applied import applied_by
from alluse_operator.core.kept import Kept, as_kept, keep, kept_revisions, rollback_object
from alluse_operator.core.objects import Ref
from alluse_operator.core.removal import remains
from builders import built_of, make_live, make_snapshot
from desired_values import make_component, make_system

SYSTEM = make_system(make_component("web", config={"greeting": "hello"}))
OBJECTS = built_of(SYSTEM)["web"]


def fields_of(value: Any, key: str = "") -> Any:
    """FieldsV1 of a whole value, as the API server writes them for our objects: lists of maps by name."""
    if isinstance(value, dict):
        return {f"f:{name}": fields_of(sub, name) for name, sub in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict) and "name" in value[0]:
        named = "containerPort" if "containerPort" in value[0] else "uid" if "uid" in value[0] else "name"
        return {"k:" + json.dumps({named: item[named]}): {".": {}, **fields_of(item)} for item in value}
    return {}


def live_with_managers(obj: Any) -> dict[str, Any]:
    """As applied by us, with defaults by the server and something of somebody else's."""
    applied = copy.deepcopy(dict(obj))
    body = {name: value for name, value in applied.items() if name in ("metadata", "spec")}
    meta = {n: v for n, v in body["metadata"].items() if n not in ("name", "namespace")}
    live = make_live(applied)
    live["metadata"]["generation"] = 4
    live["metadata"]["managedFields"] = [
        {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:paused": {}}}},
        {"manager": FIELD_MANAGER, "operation": "Apply", "subresource": "status", "fieldsV1": {}},
        {
            "manager": FIELD_MANAGER,
            "operation": "Apply",
            "fieldsV1": fields_of({"metadata": meta, "spec": body["spec"]}),
        },
    ]
    live["spec"]["progressDeadlineSeconds"] = 600
    live["spec"]["paused"] = False
    live["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "IfNotPresent"
    live["spec"]["template"]["spec"]["containers"].append({"name": "injected", "image": "sidecar"})
    live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "3"
    return live


def test_what_was_applied_is_read_back_without_what_others_have_added() -> None:
    assert applied_by(FIELD_MANAGER, live_with_managers(OBJECTS.workload)) == OBJECTS.workload


def test_who_has_applied_nothing_gets_nothing() -> None:
    assert applied_by("somebody", live_with_managers(OBJECTS.workload)) is None
    assert applied_by(FIELD_MANAGER, make_live(OBJECTS.workload)) is None


def test_sets_empty_maps_and_items_with_two_keys() -> None:
    obj = {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {
            "name": "a",
            "namespace": "n",
            "finalizers": ["mine", "theirs"],
            "managedFields": [
                {
                    "manager": "m",
                    "operation": "Apply",
                    "fieldsV1": {
                        "f:metadata": {"f:finalizers": {'v:"mine"': {}}},
                        "f:spec": {
                            "f:empty": {".": {}},
                            "f:gone": {},
                            "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}},
                            "f:whole": {},
                        },
                    },
                }
            ],
        },
        "spec": {
            "empty": {"x": 1},
            "ports": [{"port": 80, "protocol": "UDP", "name": "u"}, {"port": 80, "name": "t"}],
            "whole": [1, 2],
        },
    }
    assert applied_by("m", obj) == {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": "a", "namespace": "n", "finalizers": ["mine"]},
        "spec": {"empty": {}, "ports": [{"port": 80}], "whole": [1, 2]},
    }


def revision(number: int, name: str = "", config_map: str = "") -> dict[str, Any]:
    live = make_live(OBJECTS.workload)
    live["metadata"]["generation"] = number
    live["metadata"]["annotations"]["alluse.io/revision"] = name or f"r{number}"
    body = {**keep(SYSTEM.identity, "web", live), "data": copy.deepcopy(dict(OBJECTS.workload))}
    if config_map:
        for volume in body["data"]["spec"]["template"]["spec"]["volumes"]:
            if "configMap" in volume:
                volume["configMap"]["name"] = config_map
    return make_live(body)


def test_kept_revisions_come_oldest_first_and_two_stay() -> None:
    objects = [revision(7), revision(3), revision(12)]
    snapshot = make_snapshot(SYSTEM, objects=[*objects, make_live(OBJECTS.workload)])
    kept = kept_revisions(snapshot, "web")
    assert [(one.number, one.revision) for one in kept] == [(3, "r3"), (7, "r7"), (12, "r12")]
    pruned = supporting.prune("web", OBJECTS, remains(snapshot)["web"], snapshot)
    assert [action.ref for action in pruned] == [kept[0].ref]


def test_the_map_of_a_kept_revision_stays() -> None:
    old = make_live(next(obj for obj in OBJECTS.supporting if obj["kind"] == "ConfigMap"))
    old["metadata"]["name"] = "shop-web-before"
    unused = copy.deepcopy(old)
    unused["metadata"]["name"] = "shop-web-unused"
    live = [old, unused, make_live(OBJECTS.workload), *map(make_live, OBJECTS.supporting)]
    snapshot = make_snapshot(SYSTEM, objects=[*live, revision(3, config_map="shop-web-before")])
    pruned = supporting.prune("web", OBJECTS, remains(snapshot)["web"], snapshot)
    assert [action.ref for action in pruned] == [Ref("ConfigMap", "shop-web-unused")]


def test_the_revisions_of_others_are_not_ours() -> None:
    foreign = revision(3)
    foreign["metadata"]["ownerReferences"] = [{"uid": "uid-statefulset", "controller": True}]
    assert kept_revisions(make_snapshot(SYSTEM, objects=[foreign]), "web") == ()


def test_the_way_back_says_what_it_is_a_way_back_from_and_is_kept_without_that() -> None:
    kept = Kept(Ref("ControllerRevision", "x"), "u", 1, "good", OBJECTS.workload)
    back = rollback_object(kept, "bad")
    assert back["metadata"]["annotations"][ROLLED_BACK_FROM_ANNOTATION] == "bad"
    assert back["spec"] == OBJECTS.workload["spec"]
    assert as_kept(back) == OBJECTS.workload
