"""Comparing a golden case: a component that computes something else is not ready."""

from alluse.runtime.errors import SelfTestError

TOLERANCE = 1e-3


def expect(name: str, got: object, want: object, tolerance: float = TOLERANCE) -> None:
    """Raises SelfTestError unless equal; numbers may differ by the relative tolerance."""
    if isinstance(got, int | float) and isinstance(want, int | float):
        equal = abs(got - want) <= tolerance * abs(want)
    else:
        equal = got == want
    if not equal:
        raise SelfTestError(f"{name}: got {got}, want {want}")
