"""Profiles of the property tests: HYPOTHESIS_PROFILE=check (default, small and repeatable) or ci (larger)."""

import gc
import os

from hypothesis import HealthCheck, Phase, settings

_COMMON = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
    "print_blob": True,
    # Where a failure is the aim (tests/planted/planted_bugs.py) nobody reads the smallest example.
    "phases": (Phase.explicit, Phase.generate) if "PLANTED_BUG" in os.environ else tuple(Phase),
}
settings.register_profile("check", max_examples=40, derandomize=True, database=None, **_COMMON)
settings.register_profile("ci", max_examples=400, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "check"))


def pytest_collection_finish() -> None:
    """What was imported stays: the collector need not walk through it again with each test."""
    gc.collect()
    gc.freeze()
