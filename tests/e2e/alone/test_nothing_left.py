"""What all end-to-end tests have made is gone, or goes."""

from __future__ import annotations

from installation import namespaces_going
from kube import Kube


def test_no_namespace_of_these_tests_hangs(kube: Kube) -> None:
    """A namespace goes when all in it has gone: the systems with all that they had."""
    kube.wait("every namespace that was deleted is gone", lambda: not namespaces_going(kube), 90)
