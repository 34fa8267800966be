"""Events between components: CloudEvents 1.0."""

import os
import time
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from alluse import contract


class Event(BaseModel):
    """A CloudEvent as it travels; extension attributes are kept but not used."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    specversion: Annotated[str, Field(pattern=r"^1\.0$")] = "1.0"
    id: Annotated[str, Field(min_length=1, max_length=128)]
    source: Annotated[str, Field(min_length=1, max_length=256)]
    type: Annotated[str, Field(min_length=1, max_length=128)]
    subject: Annotated[str, Field(max_length=256)] | None = None
    time: datetime | None = None
    datacontenttype: str = "application/json"
    data: dict[str, Any] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """The short name, such as `config.changed`."""
        return contract.event_name(self.type)


EVENTS_BODY: Final[TypeAdapter[list[Event]]] = TypeAdapter(
    Annotated[list[Event], Field(max_length=1000)], config=ConfigDict(defer_build=True)
)


def uuid7() -> str:
    """A UUID version 7 (RFC 9562): sortable by the millisecond of its making."""
    value = int.from_bytes(os.urandom(16), "big")
    value &= ~(0xFFFFFFFFFFFF << 80) & ~(0xF << 76) & ~(0x3 << 62)
    value |= (time.time_ns() // 1_000_000) << 80 | 0x7 << 76 | 0x2 << 62
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
