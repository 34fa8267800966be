"""The operator's release in the cluster of the tests, and namespaces to try it in."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from tools import testenv

from kube import CommandError, Kube

OPERATOR_NAMESPACE = "alluse-system"
RELEASE = "allusesystem-operator"


def install_operator(kube: Kube, image_values: tuple[str, ...], *more: str) -> None:
    kube.helm(
        "upgrade", "--install", RELEASE, str(testenv.ROOT / "helm" / "allusesystem-operator"),
        "--namespace", OPERATOR_NAMESPACE, "--create-namespace", "--wait", "--timeout=120s", *image_values, *more,
    )  # fmt: skip


def fresh_namespace(kube: Kube) -> Iterator[str]:
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    kube.kubectl("create", "namespace", name)
    kube.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield name
    try:
        kube.kubectl("delete", "namespace", name, "--wait=true", "--timeout=60s", timeout=90)
    except CommandError as error:
        raise AssertionError(f"namespace {name} hangs\n{error}\n{kube.describe(name)}") from error
