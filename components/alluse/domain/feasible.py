"""The weights that constraints allow, and the best of them for a linear objective.

Bounds on each weight and caps on disjoint groups (sectors), weights summing to one. For such a set the
greedy choice is the exact solution of the linear programme: fill the best symbol first, up to its bound
and its group's cap. That gives the portfolio of highest mean, and a certificate for every other optimum:
a feasible w minimises a convex f exactly when no feasible v has ∇f(w)·(v − w) < 0.
"""

from dataclasses import dataclass

import numpy as np

from alluse.domain.covariance import Array
from alluse.domain.errors import InvalidInputError

#: Constraints count as kept within this.
TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Group:
    """Symbols (by index) that together may weigh at most `cap`."""

    name: str
    members: tuple[int, ...]
    cap: float


@dataclass(frozen=True, slots=True)
class Feasible:
    """Bounds (k each) and groups. No symbol is in two groups."""

    symbols: tuple[str, ...]
    lower: Array
    upper: Array
    groups: tuple[Group, ...]

    def narrowed(self, lower: Array | None = None, upper: Array | None = None) -> "Feasible":
        """The same with other bounds; raises InvalidInputError when nothing is left."""
        lower = self.lower if lower is None else lower
        upper = self.upper if upper is None else upper
        return feasible(self.symbols, lower, upper, self.groups)

    def best(self, score: Array) -> Array:
        """The weights of the highest Σ score·w."""
        weights = self.lower.copy()
        left = 1.0 - float(weights.sum())
        room = {group: group.cap - float(weights[list(group.members)].sum()) for group in self.groups}
        of = {member: group for group in self.groups for member in group.members}
        for index in np.argsort(-score, kind="stable"):
            group = of.get(int(index))
            step = min(float(self.upper[index] - weights[index]), left)
            if group is not None:
                step = min(step, room[group])
            step = max(step, 0.0)
            weights[index] += step
            left -= step
            if group is not None:
                room[group] -= step
        return weights

    def gap(self, gradient: Array, weights: Array) -> float:
        """How much a linear step could still lower an objective of this gradient: 0 at the optimum."""
        return float(gradient @ (weights - self.best(-gradient)))

    def violations(self, weights: Array) -> list[str]:
        """Names of the constraints that weights break."""
        broken = [
            f"{edge}:{symbol}"
            for edge, outside in (
                ("min_weight", self.lower - weights),
                ("max_weight", weights - self.upper),
            )
            for symbol, excess in zip(self.symbols, outside, strict=True)
            if excess > TOLERANCE
        ]
        broken += [f"sector:{g.name}" for g in self.groups if self._held(g, weights) > g.cap + TOLERANCE]
        if abs(float(weights.sum()) - 1.0) > TOLERANCE:
            broken.append("sum")
        return broken

    def active(self, weights: Array) -> list[str]:
        """Names of the constraints that hold weights where they are; a weight of 0 is not named."""
        edges = [
            f"max_weight:{symbol}"
            for symbol, weight, limit in zip(self.symbols, weights, self.upper, strict=True)
            if limit > 0 and weight >= limit - TOLERANCE
        ]
        edges += [
            f"min_weight:{symbol}"
            for symbol, weight, limit in zip(self.symbols, weights, self.lower, strict=True)
            if limit > 0 and weight <= limit + TOLERANCE
        ]
        return edges + [
            f"sector:{g.name}" for g in self.groups if self._held(g, weights) >= g.cap - TOLERANCE
        ]

    def inequalities(self) -> tuple[Array, Array]:
        """The bounds and caps as rows G and sides h of G·w ≥ h."""
        size = self.lower.shape[0]
        unit = np.eye(size)
        caps = np.zeros((len(self.groups), size))
        for row, group in zip(caps, self.groups, strict=True):
            row[list(group.members)] = -1.0
        sides = [self.lower, -self.upper, np.array([-group.cap for group in self.groups])]
        return np.vstack([unit, -unit, caps]), np.concatenate(sides)

    def settled(self, weights: Array) -> Array:
        """Weights without the rounding of a solver: inside the bounds and summing to one."""
        clipped = np.clip(weights, self.lower, self.upper)
        missing = 1.0 - float(clipped.sum())
        room = self.upper - clipped if missing > 0 else clipped - self.lower
        # What carries weight absorbs the rounding; an empty symbol does not come back for it.
        room = np.where(clipped > self.lower, room, 0.0)
        total = float(room.sum())
        return clipped + missing * room / total if total > abs(missing) else clipped

    @staticmethod
    def _held(group: Group, weights: Array) -> float:
        return float(weights[list(group.members)].sum())


def feasible(symbols: tuple[str, ...], lower: Array, upper: Array, groups: tuple[Group, ...]) -> Feasible:
    """A set that holds at least one portfolio; raises InvalidInputError naming what is too tight."""
    least, most = float(lower.sum()), float(upper.sum())
    if np.any(lower > upper + TOLERANCE):
        raise InvalidInputError("constraints", "a minimum weight is above its maximum")
    if least > 1.0 + TOLERANCE:
        raise InvalidInputError(
            "constraints.min_weight", f"{len(symbols)} minimum weights sum to {least:.2f}, more than 1"
        )
    open_to = max(int(np.count_nonzero(upper)), 1)
    if most < 1.0 - TOLERANCE:
        raise InvalidInputError(
            "constraints.max_weight",
            f"{open_to} symbols can hold {most:.2f} in all; "
            f"add symbols or allow at least {1 / open_to:.4f} each",
        )
    grouped = {member for group in groups for member in group.members}
    capacity = float(sum(upper[index] for index in range(len(symbols)) if index not in grouped))
    for group in groups:
        members = list(group.members)
        if float(lower[members].sum()) > group.cap + TOLERANCE:
            raise InvalidInputError(
                "constraints.sector_limit", f"the minimum weights of {group.name} exceed {group.cap:.2f}"
            )
        capacity += min(group.cap, float(upper[members].sum()))
    if capacity < 1.0 - TOLERANCE:
        raise InvalidInputError(
            "constraints.sector_limit",
            f"the symbols can hold {capacity:.2f} in all within the sector limits; add another sector",
        )
    return Feasible(symbols, lower, upper, groups)
