"""The `#:` comments of an enumeration: when each of its values is used."""

import enum
import inspect
from collections.abc import Iterator

_COMMENT = "#:"


class UndocumentedValueError(ValueError):
    """A value of the enumeration has no `#:` comment above it; write one."""


def documented(kind: type[enum.StrEnum]) -> Iterator[tuple[str, str]]:
    """Each value with its comment, in the order of the source."""
    comment: list[str] = []
    for line in map(str.strip, inspect.getsource(kind).splitlines()):
        if line.startswith(_COMMENT):
            comment.append(line.removeprefix(_COMMENT).strip())
            continue
        name = line.partition(" = ")[0]
        if name in kind.__members__:
            if not comment:
                raise UndocumentedValueError(
                    f"{kind.__name__}.{name} has no comment that says when it is used"
                )
            yield kind[name].value, " ".join(comment)
        comment = []
