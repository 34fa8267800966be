"""The operator's release in the cluster of the tests, and namespaces to try it in."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from tools import testenv

from kube import Kube

OPERATOR_NAMESPACE = "alluse-system"
RELEASE = "allusesystem-operator"
#: Of the namespaces that this process makes.
PREFIX = f"e2e-{uuid.uuid4().hex[:4]}-"


def install_operator(kube: Kube, image_values: tuple[str, ...], *more: str) -> None:
    kube.helm(
        "upgrade", "--install", RELEASE, str(testenv.ROOT / "helm" / "allusesystem-operator"),
        "--namespace", OPERATOR_NAMESPACE, "--create-namespace", "--wait", "--timeout=120s", *image_values, *more,
    )  # fmt: skip


def fresh_namespace(kube: Kube) -> Iterator[str]:
    """A namespace for one test or module. It goes while the next test runs; `namespaces_left` looks after it."""
    name = f"{PREFIX}{uuid.uuid4().hex[:8]}"
    kube.kubectl("create", "namespace", name)
    kube.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    try:
        yield name
    finally:
        kube.kubectl("delete", "namespace", name, "--wait=false")


def namespaces_left(kube: Kube) -> list[str]:
    """The tests' namespaces that are still there."""
    names = kube.kubectl("get", "namespaces", "-o", "name").split()
    return [name for name in names if name.startswith(f"namespace/{PREFIX}")]
