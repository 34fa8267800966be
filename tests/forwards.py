"""Ways into a system on a cluster: one port-forward for each component that is talked to."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from alluse.client.forwarding import Place, end_forward, open_forward
from alluse.contract import PORT
from kube import Kube


@contextmanager
def ways(kube: Kube, system: str, namespace: str, *components: str) -> Iterator[dict[str, tuple[str, int]]]:
    """Where the components answer; of one that goes away, nobody answers any more."""
    place = Place("", str(kube.kubeconfig), namespace, system, str(kube.kubectl_path))
    with ExitStack() as stack:
        addresses = {}
        for name in components:
            process, port = open_forward(place, f"svc/{system}-{name}", PORT)
            stack.callback(end_forward, process)
            addresses[name] = "127.0.0.1", port
        yield addresses
