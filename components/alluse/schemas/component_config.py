"""The part of the configuration that config-manager serves to one component."""

from typing import Any

from pydantic import Field

from alluse.schemas.base import Answer


class ComponentConfig(Answer):
    """What one component reads, nested; secrets are left out."""

    component: str
    revision: int
    environment: str
    values: dict[str, Any] = Field(default_factory=dict)
