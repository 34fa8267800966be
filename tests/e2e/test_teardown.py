"""An end as a person sees it: reverse order, nothing left, nothing that hangs."""

from __future__ import annotations

from applications import component, system
from kube import Kube, Watch

CHILDREN = "deployments,statefulsets,jobs,pods,services,configmaps,serviceaccounts,networkpolicies,persistentvolumeclaims"


def left_over(kube: Kube, name: str, namespace: str) -> list[str]:
    return [
        f"{o['kind']}/{o['metadata']['name']}"
        for o in kube.items(CHILDREN, namespace, f"alluse.io/system={name}")
    ]


def test_deleting_takes_down_in_reverse_order_and_leaves_nothing(kube: Kube, namespace: str) -> None:
    kube.apply(
        system(
            "down",
            namespace,
            component("web", "api"),
            component("api", "store"),
            component("store", storage={"size": "16Mi"}),
        )
    )
    kube.wait("ready", lambda: kube.status("down", namespace).get("ready") == "3/3", 120, namespace)

    with kube.watch("pods", namespace) as pods:
        kube.wait("the watch stands", lambda: len(pods.created()) == 3, 60, namespace)
        kube.kubectl("delete", "allusesystem", "down", "-n", namespace, "--timeout=60s", timeout=90)
        kube.wait("nothing is left", lambda: not left_over(kube, "down", namespace), 60, namespace)
        kube.wait("the watch has told so", lambda: len(pods.deleted()) == 3, 60, namespace)

    told, ended = moments(pods)
    assert ended["web"] < told["api"]
    assert ended["api"] < told["store"]


def moments(pods: Watch) -> tuple[dict[str, float], dict[str, float]]:
    """When each component's pod was first seen to be told to end, and to have ended."""
    told: dict[str, float] = {}
    ended: dict[str, float] = {}
    for kind, pod, at in pods.events:
        name = pod["metadata"]["labels"]["alluse.io/component"]
        if pod["metadata"].get("deletionTimestamp"):
            told.setdefault(name, at)
        if kind == "DELETED" or pod["status"].get("phase") in ("Succeeded", "Failed"):
            ended.setdefault(name, at)
    return told, ended


def test_components_that_will_not_stop_are_forced_at_the_deadline(kube: Kube, namespace: str) -> None:
    """Each of the four would take its ten seconds, one after the other."""
    chain = {"web": ("api",), "api": ("queue",), "queue": ("store",), "store": ()}
    stubborn = [component(name, *needs, stopGraceSeconds=10) for name, needs in chain.items()]
    for each in stubborn:
        each["command"][2] = each["command"][2].replace("sys.exit(0)", "None")
    kube.apply(system("force", namespace, *stubborn, teardown={"deadlineSeconds": 10}))
    kube.wait("ready", lambda: kube.status("force", namespace).get("ready") == "4/4", 120, namespace)

    kube.kubectl("delete", "allusesystem", "force", "-n", namespace, "--timeout=35s", timeout=60)

    kube.wait("nothing is left", lambda: not left_over(kube, "force", namespace), 30, namespace)


def test_deleting_a_system_in_mid_start_leaves_nothing(kube: Kube, namespace: str) -> None:
    kube.apply(
        system(
            "early",
            namespace,
            component("web", "api"),
            component("api", "store"),
            component("store", closed=True),
        )
    )
    kube.wait(
        "store is made",
        lambda: kube.items("deployments", namespace, "alluse.io/component=store"),
        60,
        namespace,
    )

    kube.kubectl("delete", "allusesystem", "early", "-n", namespace, "--timeout=60s", timeout=90)

    kube.wait("nothing is left", lambda: not left_over(kube, "early", namespace), 60, namespace)


def test_deleting_the_namespace_does_not_hang(kube: Kube, namespace: str) -> None:
    inner = f"{namespace}-inner"
    kube.kubectl("create", "namespace", inner)
    kube.apply(system("inside", inner, component("web", "api"), component("api")))
    kube.wait("ready", lambda: kube.status("inside", inner).get("ready") == "2/2", 120, inner)

    kube.kubectl("delete", "namespace", inner, "--timeout=60s", timeout=90)
    assert kube.kubectl("get", "namespace", inner, "--ignore-not-found") == ""


def test_a_removed_component_goes_and_the_rest_stays(kube: Kube, namespace: str) -> None:
    kube.apply(system("shrink", namespace, component("web"), component("extra")))
    kube.wait("ready", lambda: kube.status("shrink", namespace).get("ready") == "2/2", 120, namespace)
    web = kube.items("pods", namespace, "alluse.io/component=web")[0]["metadata"]["uid"]

    kube.apply(system("shrink", namespace, component("web")))

    kube.wait(
        "extra is gone",
        lambda: not kube.items(CHILDREN, namespace, "alluse.io/component=extra"),
        60,
        namespace,
    )
    kube.wait("ready", lambda: kube.status("shrink", namespace).get("ready") == "1/1", 60, namespace)
    assert kube.items("pods", namespace, "alluse.io/component=web")[0]["metadata"]["uid"] == web
