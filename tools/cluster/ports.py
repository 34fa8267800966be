"""Ports of loopback for servers that are started a little later.

A port that the kernel picks may be given to somebody's outgoing connection before its server listens: it
picks for both from the same range. These come from below that range.
"""

from __future__ import annotations

import random
import socket

#: Linux and macOS pick from above these, unless somebody has changed that.
PORTS = range(10_240, 30_000)
_TRIES = 1_000
_given: set[int] = set()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment; never one that this process was given before.

    Raises OSError when there are none.
    """
    found: list[int] = []
    for port in random.SystemRandom().choices(PORTS, k=_TRIES):
        if len(found) == count:
            break
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        found.append(port)
    if len(found) < count:
        raise OSError(f"no {count} free ports of loopback between {PORTS.start} and {PORTS.stop}")
    return found
