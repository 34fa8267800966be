"""Ports for servers to come."""

from __future__ import annotations

import socket

import pytest
from tools.cluster import ports
from tools.cluster.ports import free_ports


def test_no_port_is_given_twice_and_none_that_the_kernel_may_give_to_others() -> None:
    given = [port for _ in range(50) for port in free_ports(6)]
    assert len(set(given)) == len(given)
    with socket.create_server(("127.0.0.1", 0)) as picked:
        assert picked.getsockname()[1] not in ports.PORTS
    assert set(given) <= set(ports.PORTS)


def test_a_port_that_somebody_listens_on_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    (free, taken) = free_ports(2)
    monkeypatch.setattr(ports, "_given", set())
    monkeypatch.setattr(ports, "PORTS", range(min(free, taken), min(free, taken) + 1))
    with (
        socket.create_server(("127.0.0.1", min(free, taken))),
        pytest.raises(OSError, match="no 1 free ports"),
    ):
        free_ports(1)
