"""Makers of resolved values, for tests that start behind `resolve`: a component or a system with one thing said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from alluse_operator.api.spec import ComponentType, Criticality
from alluse_operator.core.desired import Component, Health, Identity, Resources, System

WEB_HEALTH = Health(path="/health", liveness_path="/health/live", readiness_path="/health/ready")


def make_component(name: str = "web", **fields: Any) -> Component:
    """A small Service of one replica, not from the catalog."""
    said: dict[str, Any] = {
        "name": name,
        "order": 1000,
        "group": "custom",
        "kind": ComponentType.SERVICE,
        "criticality": Criticality.IMPORTANT,
        "managed": True,
        "dependencies": (),
        "callers": frozenset(),
        "health": WEB_HEALTH,
        "image": "alluse/components:1.0.0",
        "pull_policy": None,
        "pull_secrets": (),
        "command": (),
        "args": (),
        "env": (),
        "resources": Resources(),
        "replicas": 1,
        "port": 8080,
        "storage": None,
        "config": {},
        "start_deadline": timedelta(seconds=120),
        "stop_grace": timedelta(seconds=10),
        "catalog": False,
        **fields,
    }
    return Component(**said)


def make_system(*components: Component, **fields: Any) -> System:
    """A system of these components in namespace `shop`, with an operator in `alluse-system`."""
    said: dict[str, Any] = {
        "identity": Identity("shop", "shop", "00000000-0000-4000-8000-000000000001", 1),
        "environment": "development",
        "version": "1.0.0",
        "components": {c.name: c for c in components},
        "operator_namespace": "alluse-system",
        **fields,
    }
    return System(**said)
