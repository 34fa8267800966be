"""From a component that is not well to what is at the root of it, edge by edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from alluse_operator.api.spec import DependencyCondition
from alluse_operator.cli.picture import Picture, Row

#: Causes that are no component are named so.
INFRASTRUCTURE: Final = "Infrastructure"
NODE: Final = "Node/"


@dataclass(frozen=True, slots=True)
class Link:
    """A component on the way, and the edge that leads to the next one."""

    name: str
    condition: DependencyCondition | None = None
    """What it needs the next one to be; None: it is the last."""
    required: bool = True


@dataclass(frozen=True, slots=True)
class Chain:
    """The way from a component to one root."""

    links: tuple[Link, ...]
    outside: str = ""
    """What is behind the last component and is none itself: a node, the infrastructure."""

    @property
    def root(self) -> str:
        return self.links[-1].name


def chains(picture: Picture, name: str) -> tuple[Chain, ...]:
    """The shortest way to each root behind `name`; the component alone when it is itself the root."""
    found: list[Chain] = []
    seen = {name}
    queue: list[tuple[Link, ...]] = [()]
    heads = [name]
    while queue:
        before, here = queue.pop(0), heads.pop(0)
        further = [edge for edge in _behind(picture, here) if edge[0] not in seen]
        if not _behind(picture, here):
            found.append(Chain((*before, Link(here)), _outside(picture, here)))
            continue
        for other, condition, required in further:
            seen.add(other)
            queue.append((*before, Link(here, condition, required)))
            heads.append(other)
    return tuple(found)


def _behind(picture: Picture, name: str) -> list[tuple[str, DependencyCondition, bool]]:
    """The dependencies that stand in the component's way: those it waits for, or those that are sick."""
    row = picture.rows.get(name) or Row(name)
    if row.well:
        return []
    edges = {edge.name: edge for edge in picture.edges(name)}
    if row.waiting_for:
        return [
            (other, _condition(wait.get("condition")), edges[other].required if other in edges else True)
            for wait in row.waiting_for
            if (other := str(wait.get("name", ""))) in picture.rows
        ]
    return [
        (edge.name, edge.condition, True)
        for edge in picture.required(name)
        if edge.name in picture.rows and picture.rows[edge.name].sick
    ]


def _outside(picture: Picture, name: str) -> str:
    row = picture.rows.get(name)
    if row is None:
        return ""
    return next((cause for cause in row.caused_by if cause == INFRASTRUCTURE or cause.startswith(NODE)), "")


def _condition(value: object) -> DependencyCondition:
    return (
        DependencyCondition(str(value))
        if value in tuple(DependencyCondition)
        else DependencyCondition.HEALTHY
    )
