"""How a spec can be wrong, as values: which field, and what about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError


@dataclass(frozen=True, slots=True, order=True)
class FieldError:
    """One thing that is wrong with a spec."""

    path: str
    """The field, as the API server writes it: `spec.components[0].dependsOn`."""
    message: str
    """What is wrong, and what to do."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class InvalidSpec(ValueError):  # noqa: N818 - the name of the condition's reason; not a fault of the program
    """The spec makes no sense. A retry does not help; the user changes the fields that `errors` names."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        """Take all errors at once: people should not find them one after the other."""
        self.errors: tuple[FieldError, ...] = tuple(errors)
        super().__init__("; ".join(map(str, self.errors)))


def from_pydantic(error: ValidationError, root: str = "spec") -> tuple[FieldError, ...]:
    """The same errors with the paths and in the words of the API server."""
    return tuple(
        FieldError(_path(root, each["loc"]), _message(each["type"], each["msg"]))
        for each in error.errors(include_url=False, include_input=False)
    )


def _path(root: str, location: Sequence[int | str]) -> str:
    path = root
    for step in location:
        plain = isinstance(step, str) and step.isidentifier()
        path += f".{step}" if plain else f"[{step}]"
    return path


def _message(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "is not a field that this operator knows: correct the name, remove it, or upgrade the operator"
    if kind == "missing":
        return "is required: add it"
    return message[0].lower() + message[1:]
