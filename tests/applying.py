"""An applier on a server in memory, and actions for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import fake_api
from alluse_operator.api import names
from alluse_operator.cluster.applier import Applied, Applier
from alluse_operator.cluster.mirror import Key, Mirror
from alluse_operator.core.actions import Action, Apply, ApplyReason
from alluse_operator.core.desired import Identity
from alluse_operator.core.plan import Mode, Plan
from alluse_operator.metrics import Metrics

KEY = Key("shop", "demo")
IDENTITY = Identity("shop", "demo", "uid-demo", 1)


def built(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {names.SYSTEM_LABEL: "demo", names.MANAGED_BY_LABEL: names.MANAGED_BY},
        },
        **more,
    }


def apply(kind: str, component: str, name: str = "", live_uid: str = "", **more: Any) -> Apply:
    """An object that is put right: the pass waits for it."""
    return Apply(component, built(kind, name or component, **more), ApplyReason.RESTORE, live_uid=live_uid)


def create(kind: str, component: str) -> Apply:
    """An object that is made for the first time."""
    return Apply(component, built(kind, component), ApplyReason.CREATE)


def plan(*actions: Action, mode: Mode = Mode.RUN) -> Plan:
    return Plan(mode, IDENTITY, actions, {})


@dataclass
class Bench:
    """An applier on a server in memory."""

    api: fake_api.FakeApi = field(default_factory=fake_api.FakeApi)
    leading: bool = True
    woken: list[Key] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mirror = Mirror(lambda: asyncio.get_running_loop().time())
        self.applier = Applier(
            self.api,  # type: ignore[arg-type]
            self.mirror,
            leading=lambda: self.leading,
            wake=self.woken.append,
            metrics=Metrics(),
        )

    async def carry_out(self, *actions: Action, mode: Mode = Mode.RUN) -> Applied:
        return await self.applier.apply(KEY, plan(*actions, mode=mode))

    def sent(self) -> Sequence[str]:
        return [f"{request.verb} {request.kind}/{request.name}" for request in self.api.writes()]
