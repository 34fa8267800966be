"""Order in a graph of dependencies. An edge leads from who waits to what is waited for."""

import heapq
from collections.abc import Collection, Iterable, Mapping
from typing import Any

Edges = Mapping[str, Collection[str]]


class CycleError(ValueError):
    """The graph has no order. `cycle` is one cycle, first name repeated at the end."""

    def __init__(self, cycle: tuple[str, ...]) -> None:
        super().__init__("dependency cycle: " + " -> ".join(cycle))
        self.cycle = cycle


def start_order(edges: Edges, rank: Mapping[str, Any]) -> tuple[str, ...]:
    """All names, dependencies first; among those that are free at the same time the lowest rank leads.

    Edges to names that are not in the graph are ignored. Raises CycleError.
    """
    missing = {name: sum(1 for target in set(targets) if target in edges) for name, targets in edges.items()}
    waiters = dependants(edges)
    free = [(rank[name], name) for name, count in missing.items() if count == 0]
    heapq.heapify(free)
    ordered: list[str] = []
    while free:
        _, name = heapq.heappop(free)
        ordered.append(name)
        for waiter in waiters[name]:
            missing[waiter] -= 1
            if missing[waiter] == 0:
                heapq.heappush(free, (rank[waiter], waiter))
    if len(ordered) < len(edges):
        raise CycleError(find_cycle(edges))
    return tuple(ordered)


def dependants(edges: Edges) -> dict[str, frozenset[str]]:
    """Who waits for each name, directly."""
    found: dict[str, set[str]] = {name: set() for name in edges}
    for name, targets in edges.items():
        for target in targets:
            if target in found:
                found[target].add(name)
    return {name: frozenset(waiters) for name, waiters in found.items()}


def reachable(edges: Edges, start: Iterable[str]) -> frozenset[str]:
    """Everything that `start` leads to over one edge or more."""
    seen: set[str] = set()
    stack = [target for name in start for target in edges.get(name, ())]
    while stack:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            stack.extend(edges.get(name, ()))
    return frozenset(seen)


def find_cycle(edges: Edges) -> tuple[str, ...]:
    """One cycle with its first name repeated at the end, or an empty tuple. Deterministic."""
    done: set[str] = set()
    for root in sorted(edges):
        path: list[str] = []
        on_path: dict[str, int] = {}
        stack: list[tuple[str, bool]] = [(root, True)]
        while stack:
            name, entering = stack.pop()
            if not entering:
                path.pop()
                del on_path[name]
                done.add(name)
                continue
            if name in on_path:
                return (*path[on_path[name] :], name)
            if name in done:
                continue
            on_path[name] = len(path)
            path.append(name)
            stack.append((name, False))
            stack.extend((target, True) for target in sorted(edges[name], reverse=True) if target in edges)
    return ()
