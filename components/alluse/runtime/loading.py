"""Finds the service of a component: its module in `alluse.services`, or a stand-in that says so."""

import importlib
import importlib.util
from typing import Any

from alluse.contract import ComponentFacts
from alluse.runtime.service import Service


def load_service(facts: ComponentFacts) -> Service[Any]:
    """The `SERVICE` of `alluse.services.<module>`.

    A component whose module does not exist runs with name, group, dependencies and health, and answers
    501 for its own endpoints. Raises TypeError when the module holds no service of that name.
    """
    name = f"alluse.services.{facts.module}"
    if importlib.util.find_spec(name) is None:
        return Service(name=facts.name, built=False)
    service = getattr(importlib.import_module(name), "SERVICE", None)
    if not isinstance(service, Service) or service.name != facts.name:
        raise TypeError(f"{name} must hold SERVICE, a Service named {facts.name!r}")
    return service
