"""A system's whole life on a simulated cluster: real controllers and scheduler, pods that are ready at once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import pytest
from tools.cluster.controlplane import ControlPlane

import specs
from alluse_operator.api import names
from alluse_operator.cluster.kinds import CLAIM, DEPLOYMENT, ENDPOINT_SLICE, POD, SERVICE, SYSTEM
from apiserver import ApiServer
from fault_proxy import FaultProxy
from operators import OperatorProcess
from watching import Watcher

_numbers = itertools.count(1)

#: Nobody competes for this lease: a machine that is busy must not cost it.
PATIENT = ("--lease-duration-seconds", "30", "--lease-renew-seconds", "20", "--lease-retry-seconds", "2")


@pytest.fixture(scope="module")
def proxy(plane: ControlPlane) -> Iterator[FaultProxy]:
    """Between operator and API server; it only writes down what the operator asks for."""
    with FaultProxy(plane) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def operator(
    plane: ControlPlane, proxy: FaultProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    directory = tmp_path_factory.mktemp("operator")
    kubeconfig = proxy.kubeconfig(directory, proxy.open_line())
    with OperatorProcess(kubeconfig, directory, *PATIENT) as process:
        process.wait_until_leading()
        yield process


@pytest.fixture
def watcher(plane: ControlPlane) -> Iterator[Watcher]:
    """A system that is not made yet, in a namespace of its own. Afterwards no system is left in it."""
    api = ApiServer(plane)
    namespace = f"life-{next(_numbers)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    assert api.request("POST", "/api/v1/namespaces", body).ok
    yield Watcher(api, namespace)
    systems = api.request("GET", SYSTEM.path(namespace)).body["items"]
    left = [Watcher(api, namespace, system["metadata"]["name"]) for system in systems]
    for one in left:
        one.delete()
    for one in left:
        one.until_gone()


def writes(proxy: FaultProxy) -> list[str]:
    """What the operator has asked to be changed, but for its lease."""
    return [f"{r.method} {r.path}: {r.body.decode()[-1000:]}" for r in list(proxy.seen) if r.write]


def listings(proxy: FaultProxy) -> int:
    """How often all pods have been listed."""
    return sum(1 for r in list(proxy.seen) if r.path == POD.path(None) and not r.watch)


def never_scheduled(spec: specs.Spec) -> specs.Spec:
    return {**spec, "resources": {"requests": {"cpu": "90000"}, "limits": {"cpu": "90000"}}}


def test_a_system_starts_in_order_runs_and_goes_without_a_trace(
    operator: OperatorProcess, watcher: Watcher
) -> None:
    watcher.create(specs.chain("first", "second", "third"))
    watcher.until_ready()
    resource = watcher.get()
    assert resource is not None
    assert resource["status"]["ready"] == "3/3"
    assert resource["metadata"]["finalizers"] == [names.FINALIZER]
    assert not resource["metadata"].get("annotations")
    made = {name: watcher.workload(DEPLOYMENT, name) for name in ("first", "second", "third")}
    pods = {pod["metadata"]["labels"][names.COMPONENT_LABEL]: pod for pod in watcher.list(POD)}
    for earlier, later in itertools.pairwise(("first", "second", "third")):
        ready_at = next(c for c in pods[earlier]["status"]["conditions"] if c["type"] == "Ready")
        workload = made[later]
        assert workload is not None
        assert ready_at["lastTransitionTime"] <= workload["metadata"]["creationTimestamp"]
    for kind, child in watcher.children():
        if kind not in (POD, CLAIM, ENDPOINT_SLICE):
            [owner] = child["metadata"]["ownerReferences"]
            assert owner["uid"] == resource["metadata"]["uid"]
    watcher.delete()
    watcher.until_gone()


def test_a_change_of_one_component_rolls_only_that_one(operator: OperatorProcess, watcher: Watcher) -> None:
    spec = specs.chain("first", "second")
    watcher.create(spec)
    watcher.until_ready()
    before = {pod["metadata"]["uid"] for pod in watcher.list(POD) if "first" in pod["metadata"]["name"]}
    spec["components"][1]["env"] = [{"name": "GREETING", "value": "hello"}]
    watcher.edit({"spec": spec})
    watcher.until_ready()
    second = watcher.workload(DEPLOYMENT, "second")
    assert second is not None
    assert {"name": "GREETING", "value": "hello"} in second["spec"]["template"]["spec"]["containers"][0][
        "env"
    ]
    assert before == {
        pod["metadata"]["uid"] for pod in watcher.list(POD) if "first" in pod["metadata"]["name"]
    }


def test_a_component_that_is_not_wanted_any_more_goes_with_all_it_had(
    operator: OperatorProcess, watcher: Watcher
) -> None:
    watcher.create(specs.chain("first", "second"))
    watcher.until_ready()
    watcher.edit({"spec": specs.chain("first")})
    watcher.until(lambda: not any("second" in ref for ref in watcher.refs()), "second is gone")
    watcher.until_ready()
    assert watcher.status()["ready"] == "1/1"


def test_what_is_held_back_says_by_whom_and_until_when(operator: OperatorProcess, watcher: Watcher) -> None:
    spec = specs.chain("first", "second")
    spec["components"][0] = never_scheduled(spec["components"][0])
    watcher.create(spec)
    [wait] = watcher.until(lambda: watcher.component("second").get("waitingFor"), "second waits")
    assert (wait["name"], wait["condition"]) == ("first", "Healthy")
    assert wait["deadline"] > wait["since"]
    assert watcher.workload(DEPLOYMENT, "second") is None
    assert watcher.condition("Ready")["status"] == "Unknown"
    watcher.until(
        lambda: [event for event in watcher.told("WaitingForDependency") if "second" in event["message"]],
        "an Event says so",
    )
    described = watcher.api.kubectl("describe", "allusesystem", "demo", "-n", watcher.namespace).stdout
    assert "WaitingForDependency" in described
    del spec["components"][0]["resources"]
    watcher.edit({"spec": spec})
    watcher.edit({"spec": {"components": spec["components"]}})
    watcher.until_ready()


def test_what_is_deleted_or_edited_is_put_right_and_others_fields_stay(
    operator: OperatorProcess, watcher: Watcher
) -> None:
    watcher.create(specs.chain("first"))
    watcher.until_ready()
    service = watcher.get(SERVICE, "demo-first")
    assert service is not None
    watcher.delete(SERVICE, "demo-first")
    watcher.until(
        lambda: (
            (now := watcher.get(SERVICE, "demo-first"))
            and now["metadata"]["uid"] != service["metadata"]["uid"]
        ),
        "the Service is there again",
    )
    watcher.patch(
        DEPLOYMENT,
        "demo-first",
        {"metadata": {"annotations": {"team/contact": "alice"}, "labels": {"x": "y"}}},
    )
    watcher.patch(
        DEPLOYMENT, "demo-first", {"spec": {"replicas": 3}, "metadata": {"labels": {names.NAME_LABEL: "no"}}}
    )

    def put_right() -> bool:
        now = watcher.get(DEPLOYMENT, "demo-first")
        assert now is not None
        return now["spec"]["replicas"] == 1 and now["metadata"]["labels"][names.NAME_LABEL] == "first"

    watcher.until(put_right, "the Deployment is as it was")
    now = watcher.get(DEPLOYMENT, "demo-first")
    assert now is not None
    assert now["metadata"]["annotations"]["team/contact"] == "alice"
    assert now["metadata"]["labels"]["x"] == "y"
    watcher.patch(SERVICE, "demo-first", {"metadata": {"ownerReferences": None}})
    watcher.until(
        lambda: (watcher.get(SERVICE, "demo-first") or {})["metadata"].get("ownerReferences"),
        "the owner is there again",
    )
    watcher.patch(SERVICE, "demo-first", {"metadata": {"labels": {names.MANAGED_BY_LABEL: "somebody"}}})
    watcher.until(
        lambda: (
            (watcher.get(SERVICE, "demo-first") or {})["metadata"]["labels"][names.MANAGED_BY_LABEL]
            == names.MANAGED_BY
        ),
        "a child that was hidden from us is ours again",
    )
    watcher.until(lambda: watcher.told("DriftCorrected"), "an Event tells of it")


def test_a_stripped_finalizer_comes_back(operator: OperatorProcess, watcher: Watcher) -> None:
    watcher.create(specs.chain("first"))
    watcher.until_ready()
    watcher.edit({"metadata": {"finalizers": None}})
    watcher.until(
        lambda: (watcher.get() or {})["metadata"].get("finalizers"),
        "the finalizer is there again",
    )


def test_an_object_of_somebody_else_is_not_touched(operator: OperatorProcess, watcher: Watcher) -> None:
    foreign = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "demo-first"},
        "spec": {"ports": [{"port": 9999}], "selector": {"app": "other"}},
    }
    assert watcher.api.request("POST", SERVICE.path(watcher.namespace), foreign).ok
    watcher.create(specs.chain("first"))
    watcher.until(lambda: "somebody else" in json.dumps(watcher.status()), "the status says so")
    service = watcher.get(SERVICE, "demo-first")
    assert service is not None
    assert service["spec"]["ports"][0]["port"] == 9999
    assert "ownerReferences" not in service["metadata"]
    assert watcher.workload(DEPLOYMENT, "first") is None
    watcher.delete(SERVICE, "demo-first")
    watcher.until_ready()


def test_a_quota_that_refuses_pods_is_named_in_the_status(
    operator: OperatorProcess, watcher: Watcher
) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "nothing"},
        "spec": {"hard": {"pods": "0"}},
    }
    assert watcher.api.request("POST", f"/api/v1/namespaces/{watcher.namespace}/resourcequotas", quota).ok
    watcher.create(specs.custom(specs.component("plain"), specs.component("kept", storage={"size": "1Gi"})))
    for name in ("plain", "kept"):
        watcher.until(
            lambda name=name: "exceeded quota" in str(watcher.component(name).get("message")),  # type: ignore[misc]
            f"{name} says that a quota refuses its pods",
        )


def test_two_systems_in_one_namespace_do_not_disturb_each_other(
    operator: OperatorProcess, watcher: Watcher
) -> None:
    other = Watcher(watcher.api, watcher.namespace, "other")
    watcher.create(specs.chain("first", "second"))
    other.create(specs.chain("first", "second"))
    watcher.until_ready()
    other.until_ready()
    uids = {obj["metadata"]["uid"] for _, obj in other.children()}
    watcher.delete()
    watcher.until_gone()
    assert uids == {obj["metadata"]["uid"] for _, obj in other.children()}
    assert other.ready()


def test_a_namespace_goes_with_a_system_in_it(operator: OperatorProcess, watcher: Watcher) -> None:
    watcher.create(specs.chain("first", "second"))
    watcher.until_ready()
    path = f"/api/v1/namespaces/{watcher.namespace}"
    assert watcher.api.request("DELETE", path).ok
    watcher.until(lambda: watcher.api.request("GET", path).status == 404, "the namespace is gone")


def test_a_system_deleted_in_mid_start_leaves_nothing(operator: OperatorProcess, watcher: Watcher) -> None:
    watcher.create(specs.chain("first", "second", "third"))
    watcher.until(lambda: watcher.workload(DEPLOYMENT, "first"), "it has begun")
    watcher.delete()
    watcher.until_gone()


def test_nothing_is_written_at_rest(operator: OperatorProcess, proxy: FaultProxy, watcher: Watcher) -> None:
    """The Lease's renewals apart. `SystemReady` is the last word of a start: not even its status comes later."""
    watcher.create(specs.chain("first", "second", "third"))
    watcher.until_ready()
    watcher.until(lambda: watcher.told("SystemReady"), "the start is told")
    told, listed = len(writes(proxy)), listings(proxy)
    passes = operator.metric("allusesystem_reconcile_seconds_count")
    versions = {obj["metadata"]["uid"]: obj["metadata"]["resourceVersion"] for _, obj in watcher.children()}
    resource = watcher.get()
    assert resource is not None
    watcher.until(
        lambda: (
            listings(proxy) >= listed + 2 and operator.metric("allusesystem_reconcile_seconds_count") > passes
        ),
        "all is listed twice, and looked at again without being told",
        seconds=120,
    )
    assert writes(proxy)[told:] == []
    now = watcher.get()
    assert now is not None
    assert now["metadata"]["resourceVersion"] == resource["metadata"]["resourceVersion"]
    assert versions == {
        obj["metadata"]["uid"]: obj["metadata"]["resourceVersion"] for _, obj in watcher.children()
    }
