"""The chart as Helm renders it, and finding things among the objects."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from tools.generate import manifests

Object = dict[str, Any]

#: The definition is long, and the loader in C reads it ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class HelmError(Exception):
    """Helm refused; the text is what a person sees."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Renders the chart. The same values are rendered once: do not change what is handed out."""

    helm: Path
    rendered: dict[tuple[str, ...], list[Object]] = field(default_factory=dict)

    def render(
        self, values: Object | None = None, *arguments: str, release: str = manifests.RELEASE
    ) -> list[Object]:
        """All objects, hooks included. Raises HelmError."""
        text = json.dumps(values or {})
        key = (text, *arguments, release)
        if key not in self.rendered:
            command = [str(self.helm), "template", release, str(manifests.CHART), "--values=-"]
            command += [f"--namespace={manifests.NAMESPACE}", *arguments]
            done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise HelmError(done.stderr)
            self.rendered[key] = [obj for obj in yaml.load_all(done.stdout, Loader=_LOADER) if obj]
        return self.rendered[key]

    def notes(self, values: Object) -> str:
        """What a person reads after an install on a cluster that knows Kubernetes' own kinds only."""
        command = [str(self.helm), "install", manifests.RELEASE, str(manifests.CHART), "--dry-run=client"]
        command += ["--values=-", f"--namespace={manifests.NAMESPACE}", "--kubeconfig=/dev/null"]
        done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=True)
        return done.stdout.rpartition("\nNOTES:\n")[2]


def is_hook(obj: Object) -> bool:
    return "helm.sh/hook" in obj["metadata"].get("annotations", {})


def of_kind(objects: Iterable[Object], kind: str, *, hooks: bool = False) -> list[Object]:
    """The objects of a kind, either those of the release or its hooks."""
    return [obj for obj in objects if obj["kind"] == kind and is_hook(obj) == hooks]


def only(objects: Iterable[Object], kind: str, *, hooks: bool = False) -> Object:
    (found,) = of_kind(objects, kind, hooks=hooks)
    return found


def pod_specs(objects: Iterable[Object]) -> dict[str, Object]:
    """Every pod that the objects would make, by kind and name."""
    found = {}
    for obj in objects:
        name = f"{obj['kind']}/{obj['metadata']['name']}"
        if obj["kind"] == "Pod":
            found[name] = obj["spec"]
        elif obj["kind"] in ("Deployment", "StatefulSet", "Job"):
            found[name] = obj["spec"]["template"]["spec"]
    return found


def rights(rules: Iterable[Object]) -> dict[str, set[str]]:
    """Verbs by `resource` or `resource.group`, of RBAC rules."""
    found: dict[str, set[str]] = {}
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                name = f"{resource}.{group}" if group else resource
                found.setdefault(name, set()).update(rule["verbs"])
    return found
