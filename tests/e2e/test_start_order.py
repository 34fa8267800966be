"""A start as a person sees it: order, and what waits and why."""

from __future__ import annotations

from applications import component, pod, remove, system
from kube import Kube, condition, moment


def test_a_component_is_created_only_after_its_dependencies_are_ready(kube: Kube, namespace: str) -> None:
    kube.apply(
        system("order", namespace, component("web", "api"), component("api", "store"), component("store"))
    )

    kube.wait("ready", lambda: kube.status("order", namespace).get("ready") == "3/3", 120, namespace)

    for dependant, dependency in (("api", "store"), ("web", "api")):
        created = moment(
            kube.items("deployment", namespace, f"alluse.io/component={dependant}")[0]["metadata"][
                "creationTimestamp"
            ]
        )
        ready = moment(condition(pod(kube, "order", dependency, namespace), "Ready")["lastTransitionTime"])
        assert created >= ready, (
            f"{dependant} was created at {created}, before {dependency} was ready at {ready}"
        )


def test_what_waits_is_named_with_time_and_deadline_everywhere_a_person_looks(
    kube: Kube, namespace: str
) -> None:
    kube.apply(
        system(
            "held",
            namespace,
            component("web", "api"),
            component("api", "store"),
            component("store", closed=True),
        )
    )

    waiting = kube.wait(
        "api waits for store",
        lambda: kube.component("held", "api", namespace).get("waitingFor"), 60, namespace,
    )  # fmt: skip
    (edge,) = waiting
    assert edge["name"] == "store"
    assert edge["condition"] == "Healthy"
    assert moment(edge["deadline"]) > moment(edge["since"])
    store = "alluse.io/component=store"
    kube.wait(
        "store runs",
        lambda: "Running" in [found["status"].get("phase") for found in kube.items("pods", namespace, store)],
        60,
        namespace,
    )
    assert kube.items("deployment", namespace, "alluse.io/component=api") == []
    assert kube.items("deployment", namespace, "alluse.io/component=web") == []
    described = kube.wait(
        "an event that names the wait",
        lambda: next((text for text in [kube.kubectl("describe", "allusesystem", "held", "-n", namespace)] if "WaitingForDependency" in text), None),
        60, namespace,
    )  # fmt: skip
    assert f"store until {edge['deadline']}" in described.split("WaitingForDependency", 1)[1]
    assert "store" in kube.kubectl("get", "allusesystem", "held", "-n", namespace, "-o", "wide")

    remove(kube, pod(kube, "held", "store", namespace), "/tmp/closed")
    kube.wait("ready", lambda: kube.status("held", namespace).get("ready") == "3/3", 120, namespace)


def test_a_required_dependency_that_never_comes_ends_in_blocked_and_stalled_and_still_heals(
    kube: Kube, namespace: str
) -> None:
    held = system(
        "late", namespace,
        component("api", "store", startDeadlineSeconds=5),
        component("store", closed=True),
        startup={"deadlineSeconds": 10},
    )  # fmt: skip
    kube.apply(held)

    kube.wait(
        "api is blocked",
        lambda: kube.component("late", "api", namespace).get("state") == "Blocked",
        60,
        namespace,
    )
    stalled = kube.wait(
        "the system is stalled",
        lambda: (found := condition(kube.status("late", namespace).get("conditions", []), "Stalled")).get("status") == "True" and found,
        60, namespace,
    )  # fmt: skip
    assert "store" in stalled["message"]

    remove(kube, pod(kube, "late", "store", namespace), "/tmp/closed")
    kube.wait("ready after all", lambda: kube.status("late", namespace).get("ready") == "2/2", 120, namespace)
    assert condition(kube.status("late", namespace)["conditions"], "Stalled").get("status") != "True"


def test_a_preferred_dependency_is_waited_for_until_the_deadline_only(kube: Kube, namespace: str) -> None:
    web = component("web", startDeadlineSeconds=5)
    web["dependsOn"] = [{"name": "cache", "requirement": "Preferred"}]
    kube.apply(system("soft", namespace, web, component("cache", closed=True)))

    kube.wait(
        "web runs without cache",
        lambda: kube.component("soft", "web", namespace).get("state") == "Healthy",
        120,
        namespace,
    )
    kube.wait_event("PreferredDependencySkipped", namespace)


def test_a_dependency_that_flaps_does_not_stop_its_dependants(kube: Kube, namespace: str) -> None:
    kube.apply(system("flap", namespace, component("web", "api"), component("api")))
    kube.wait("ready", lambda: kube.status("flap", namespace).get("ready") == "2/2", 120, namespace)
    before = pod(kube, "flap", "web", namespace)

    api = pod(kube, "flap", "api", namespace)
    kube.kubectl(
        "exec",
        "-n",
        namespace,
        api["metadata"]["name"],
        "--",
        "python3",
        "-c",
        "open('/tmp/closed', 'w').close()",
    )
    kube.wait(
        "api is seen as not ready",
        lambda: kube.status("flap", namespace).get("ready") == "1/2",
        60,
        namespace,
    )

    after = pod(kube, "flap", "web", namespace)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert condition(after, "Ready")["status"] == "True"
