"""The operator's release in the cluster of the tests, and namespaces to try it in."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from tools import testenv

from kube import Kube

OPERATOR_NAMESPACE = "alluse-system"
RELEASE = "allusesystem-operator"
#: Of all namespaces of these tests, and of those that this process makes.
TESTS = "e2e-"
PREFIX = f"{TESTS}{uuid.uuid4().hex[:4]}-"


def install_operator(kube: Kube, image_values: tuple[str, ...], *more: str) -> None:
    kube.helm(
        "upgrade", "--install", RELEASE, str(testenv.ROOT / "helm" / "allusesystem-operator"),
        "--namespace", OPERATOR_NAMESPACE, "--create-namespace", "--wait", "--timeout=120s", *image_values, *more,
    )  # fmt: skip


@dataclass(slots=True)
class Release:
    """The operator's release as tests change it, one after the other: what is there already is not made again."""

    kube: Kube
    image_values: tuple[str, ...]
    values: tuple[str, ...] | None = None
    """What it was installed with besides the images; None: it is not installed."""

    def install(self, *values: str) -> None:
        if self.values != values:
            install_operator(self.kube, self.image_values, *values)
            self.values = values

    def uninstall(self, *options: str) -> None:
        self.values = None
        self.kube.helm("uninstall", RELEASE, "-n", OPERATOR_NAMESPACE, *options)


def fresh_namespace(kube: Kube) -> Iterator[str]:
    """A namespace for one test or module. It goes while the next test runs; the last of `alone/` looks after it."""
    name = f"{PREFIX}{uuid.uuid4().hex[:8]}"
    kube.kubectl("create", "namespace", name)
    kube.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    try:
        yield name
    finally:
        kube.kubectl("delete", "namespace", name, "--wait=false")


def namespaces_left(kube: Kube) -> list[str]:
    """This process' namespaces that are still there."""
    names = kube.kubectl("get", "namespaces", "-o", "name").split()
    return [name for name in names if name.startswith(f"namespace/{PREFIX}")]


def namespaces_going(kube: Kube) -> list[str]:
    """The namespaces of any of these tests that are going and not gone."""
    phases = "jsonpath={range .items[?(@.status.phase=='Terminating')]}{.metadata.name} {end}"
    return [
        name for name in kube.kubectl("get", "namespaces", "-o", phases).split() if name.startswith(TESTS)
    ]
