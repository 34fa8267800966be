"""The OpenAPI documents of the components' own endpoints, from the services that serve them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from alluse.contract import COMPONENTS
from alluse.runtime import openapi
from alluse.runtime.loading import load_service
from tools.cluster.appimages import project_version


def documents() -> Iterator[tuple[str, str]]:
    """(component, document as JSON text), sixteen of them."""
    version = project_version()
    for name, facts in COMPONENTS.items():
        document = openapi.document(name, facts.purpose, version, load_service(facts).endpoints)
        yield name, json.dumps(document, indent=1, sort_keys=True) + "\n"
