"""Strictly convex quadratic programmes by the dual active-set method.

    min ½xᵀPx + qᵀx   with   A x = b,   G x ≥ h

    D. Goldfarb, A. Idnani, "A numerically stable dual method for solving strictly convex quadratic
    programs", Mathematical Programming 27 (1983)

Begin at the unconstrained minimum, take in the most violated constraint, step until it holds or a multiplier
would turn negative, drop that constraint, go on. Every iterate is optimal for the constraints taken in so
far; the end is exact (active bounds hold to rounding), and an empty set is recognised as such. Made for some
dozens of variables: small dense systems are solved anew at each step.
"""

from dataclasses import dataclass
from math import inf

import numpy as np

from alluse.domain.covariance import Array

MAX_STEPS = 2000
#: A constraint is kept when it is violated by no more than this, relative to its own size.
_KEPT = 1e-11
#: A direction shorter than this (relative) lies in the span of the active constraints.
_DEPENDENT = 1e-12


@dataclass(frozen=True, slots=True)
class Programme:
    """The data of a programme: P (k × k, positive definite), q (k), A (e × k), b (e), G (i × k), h (i)."""

    quadratic: Array
    linear: Array
    equal: Array
    equal_to: Array
    at_least: Array
    bound: Array


@dataclass(frozen=True, slots=True)
class Optimum:
    """The minimiser (k); `solved` is false when the set is empty or the steps ran out."""

    point: Array
    solved: bool
    steps: int


def solve(programme: Programme) -> Optimum:
    """The minimum of a programme whose P is positive definite."""
    rows = np.vstack([programme.equal, programme.at_least])
    sides = np.concatenate([programme.equal_to, programme.bound])
    sizes = np.maximum(np.linalg.norm(rows, axis=1), _DEPENDENT)
    rows, sides = rows / sizes[:, None], sides / sizes
    return _Search(programme, rows, sides, programme.equal.shape[0]).run()


class _Search:
    """The state of one solution: the point, the constraints taken in, their multipliers."""

    def __init__(self, programme: Programme, rows: Array, sides: Array, equalities: int) -> None:
        self._inverse = np.linalg.inv(programme.quadratic)
        self._inverse = 0.5 * (self._inverse + self._inverse.T)
        self._rows, self._sides, self._equalities = rows, sides, equalities
        self._point = -self._inverse @ programme.linear
        self._active: list[int] = []
        self._multipliers = np.zeros(0)
        self._steps = 0

    def run(self) -> Optimum:
        while self._steps < MAX_STEPS:
            worst = self._most_violated()
            if worst is None:
                return Optimum(self._point, True, self._steps)
            if not self._take_in(worst):
                return Optimum(self._point, False, self._steps)
        return Optimum(self._point, False, self._steps)

    def _most_violated(self) -> int | None:
        """Equalities first, each at its turn; then the inequality that is violated most."""
        slack = self._rows @ self._point - self._sides
        allowance = _KEPT * (1.0 + np.abs(self._sides))
        for index in range(self._equalities):
            if index not in self._active and abs(slack[index]) > allowance[index]:
                return index
        short = np.where(np.arange(slack.size) < self._equalities, inf, slack + allowance)
        short[self._active] = inf
        worst = int(short.argmin()) if short.size else 0
        return worst if short.size and short[worst] < 0 else None

    def _take_in(self, index: int) -> bool:
        """Step until constraint `index` holds; false when it cannot."""
        if float(self._rows[index] @ self._point - self._sides[index]) > 0:
            # An equality exceeded from above is the same constraint with its signs turned.
            self._rows[index] *= -1.0
            self._sides[index] *= -1.0
        row, side = self._rows[index], float(self._sides[index])
        multiplier = 0.0
        while self._steps < MAX_STEPS:
            self._steps += 1
            primal, dual = self._directions(row)
            blocking, longest = self._blocking(dual)
            slope = float(primal @ row)
            full = inf
            if slope > _DEPENDENT * float(row @ self._inverse @ row):
                full = -float(row @ self._point - side) / slope
            step = min(longest, full)
            if step == inf:
                return False
            if full < inf:
                self._point = self._point + step * primal
            self._multipliers = self._multipliers - step * dual
            multiplier += step
            if step == full:
                self._active.append(index)
                self._multipliers = np.append(self._multipliers, multiplier)
                return True
            del self._active[blocking]
            self._multipliers = np.delete(self._multipliers, blocking)
        return False

    def _directions(self, row: Array) -> tuple[Array, Array]:
        """Where the point and the multipliers move while `row` is taken in."""
        towards = self._inverse @ row
        if not self._active:
            return towards, np.zeros(0)
        normals = self._rows[self._active]
        image = self._inverse @ normals.T
        dual = np.asarray(np.linalg.lstsq(normals @ image, image.T @ row, rcond=None)[0], dtype=np.float64)
        return towards - image @ dual, dual

    def _blocking(self, dual: Array) -> tuple[int, float]:
        """Which active inequality loses its multiplier first, and after how long a step."""
        blocking, longest = -1, inf
        for position, constraint in enumerate(self._active):
            if constraint < self._equalities or dual[position] <= _DEPENDENT:
                continue
            reach = max(float(self._multipliers[position]), 0.0) / float(dual[position])
            if reach < longest:
                blocking, longest = position, reach
        return blocking, longest
