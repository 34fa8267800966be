"""helm and kubectl on a bare API server."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.cluster.controlplane import ControlPlane

from rendering import HelmError, Object


@dataclass(frozen=True, slots=True)
class BareCluster:
    """helm and kubectl on the bare API server."""

    helm_path: Path
    plane: ControlPlane

    def helm(self, *arguments: str) -> str:
        return self._run([str(self.helm_path), f"--kubeconfig={self.plane.kubeconfig}", *arguments])

    def kubectl(self, *arguments: str) -> str:
        return self._run([*map(str, self.plane.kubectl), *arguments])

    def get(self, *arguments: str) -> Object:
        found: Object = json.loads(self.kubectl("get", "-o", "json", *arguments))
        return found

    def may(self, account: str, right: str, namespace: str) -> bool:
        """Whether RBAC lets the account do `VERB RESOURCE[.GROUP][/NAME or /SUBRESOURCE]`."""
        verb, _, resource = right.partition(" ")
        resource, _, part = resource.partition("/")
        named = part and part not in ("exec", "eviction", "status", "token")
        what = [f"{resource}/{part}"] if named else [resource, *([f"--subresource={part}"] if part else [])]
        command = ["auth", "can-i", verb, *what, f"--namespace={namespace}", f"--as={account}"]
        done = subprocess.run(
            [*map(str, self.plane.kubectl), *command], capture_output=True, text=True, check=False
        )
        assert done.stdout.strip() in ("yes", "no"), done.stderr
        return done.stdout.strip() == "yes"

    @staticmethod
    def _run(command: list[str]) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise HelmError(done.stderr)
        return done.stdout
