"""Times as the command line writes them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alluse_operator.cli.words import ago, ahead, span
from builders import at


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (3600 * 3 + 61, "3 h 1 min"),
        (86_400 * 2 + 3599, "2 d"),
        (86_400 * 2 + 3600, "2 d 1 h"),
    ],
)
def test_spans(seconds: float, said: str) -> None:
    assert span(timedelta(seconds=seconds)) == said


def test_moments_say_what_they_are_measured_from() -> None:
    assert ago(at(0), at(14)) == "since 09:00:00Z (14 s)"
    assert ago(None, at(14)) == ""
    assert ahead(at(20), at(14)) == "at 09:00:20Z (in 6 s)"
    assert ahead(at(14), at(14)) == "at 09:00:14Z (due now)"
