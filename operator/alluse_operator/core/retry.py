"""The wish of a person to have recovery begin anew: the annotation `alluse.io/retry` on the AllUseSystem.

Its value is "<component or *> <RFC 3339 time>". From that time on the named component (or each) has a clean
record: the ladder begins at its first step and the budget's window is empty. It says when it was set, so
it need not be taken away, and setting it twice does no more than setting it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from alluse_operator.core.times import parse_time

_ALL = "*"


@dataclass(frozen=True, slots=True)
class Retry:
    component: str
    at: datetime

    def of(self, component: str, now: datetime) -> datetime | None:
        """Since when the component's record is clean; None: this says nothing about it.

        A time to come (clocks differ) has no effect until it has come: it would lift the budget until then.
        """
        return self.at if self.component in (_ALL, component) and self.at <= now else None


def parse_retry(text: str) -> Retry | None:
    """None for what is empty or makes no sense: a wish that cannot be read is none."""
    component, _, stamp = text.strip().partition(" ")
    at = parse_time(stamp.strip())
    return Retry(component, at) if component and at is not None else None
