"""The port, listened on before all that a component needs is loaded.

Whoever asks meanwhile, a kubelet above all, waits for the answer. Were it refused, it would ask again a
second later, however soon the component is up.
"""

import socket
from typing import Final

BACKLOG: Final = 512


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; an empty host means every address, port 0 a free one. Raises OSError."""
    if host:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
    return socket.create_server(("", port), backlog=BACKLOG)
