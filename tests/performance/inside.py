"""Users who talk to the agent from a pod of their own: between them is the cluster's network and nothing else.

A port-forward runs through kubectl, the API server and the kubelet, all on the same two cores: what a hundred users
cost it there is not what the agent takes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import load
from alluse.contract import PORT
from applications import pod
from kube import Kube, Object
from load import Answered
from performance.users import Talk

NAME = "users"
LABELS = {"alluse-bench": NAME}
#: Appended to the driver's source: what it is asked comes as arguments, what it found goes out as JSON.
PROGRAM = """
import sys
asked = json.loads(sys.argv[1])
turns = asyncio.run(talk(**asked))
print(json.dumps([[t.user, t.message, t.status, t.seconds, t.body] for t in turns]))
"""


@contextmanager
def users_inside(kube: Kube, system: str, namespace: str) -> Iterator[Talk]:
    """A pod of the components' image that may talk to the agent, and how to have users talk from it."""
    agent = pod(kube, system, "enhanced-agent", namespace)
    kube.apply({"apiVersion": "v1", "kind": "List", "items": [_policy(agent), _pod(agent)]})
    kube.kubectl("wait", "--for=condition=Ready", f"pod/{NAME}", "-n", namespace, "--timeout=60s")
    source = Path(load.__file__).read_text() + PROGRAM

    async def talk(users: Sequence[str], messages: Sequence[str], pause_s: float = 0.0) -> list[Answered]:
        asked = {
            "host": f"{system}-enhanced-agent",
            "port": PORT,
            "users": list(users),
            "messages": list(messages),
            "pause_s": pause_s,
        }
        run = ["exec", "-i", NAME, "-n", namespace, "--", "python3", "-", json.dumps(asked)]
        said = await asyncio.to_thread(kube.kubectl, *run, stdin=source, timeout=300)
        return [Answered(*turn) for turn in json.loads(said)]

    try:
        yield talk
    finally:
        kube.kubectl("delete", "pod", NAME, "-n", namespace, "--now")


def _policy(agent: Object) -> Object:
    """Policies add up: the agent's own lets nobody in but the operator."""
    chosen = {
        name: value for name, value in agent["metadata"]["labels"].items() if name.startswith("alluse.io/")
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": NAME, "namespace": agent["metadata"]["namespace"]},
        "spec": {
            "podSelector": {"matchLabels": chosen},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": LABELS}}]}],
        },
    }


def _pod(agent: Object) -> Object:
    """Waits until it is told what to say; it may as little as the agent's own."""
    container = agent["spec"]["containers"][0]
    copied = {
        name: container[name] for name in ("image", "imagePullPolicy", "securityContext") if name in container
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "namespace": agent["metadata"]["namespace"], "labels": LABELS},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": agent["spec"].get("securityContext", {}),
            "containers": [
                {**copied, "name": NAME, "command": ["python3", "-c", "import signal; signal.pause()"]}
            ],
        },
    }
