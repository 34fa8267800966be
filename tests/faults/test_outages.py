"""The API server fails, is slow, or its watches go wrong: the system still gets where it shall, and nothing
is made twice.
"""

from __future__ import annotations

import collections
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import specs
from alluse.contract import COMPONENTS
from alluse_operator.cluster.kinds import SERVICE
from fault_proxy import Answer, Delay, Fault, FaultProxy, Seen, Stall, StreamError
from lives import Lives
from watching import Watcher


@contextmanager
def every(seconds: float, do: object) -> Iterator[None]:
    """Do it again and again while the block runs."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(seconds):
            do()  # type: ignore[operator]

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def made_once(proxy: FaultProxy, *but: str) -> None:
    """Nothing was made twice, but for what the test itself has taken away."""
    counts = collections.Counter(proxy.created())
    assert [ref for ref, count in counts.items() if count > 1] == list(but)


def reopened(proxy: FaultProxy) -> bool:
    return min(collections.Counter(r.path for r in list(proxy.seen) if r.watch).values()) >= 2


def test_all_writes_fail_for_a_while(proxy: FaultProxy, watcher: Watcher, tmp_path: Path) -> None:
    began = time.monotonic()
    over = began + 8
    proxy.decide = lambda r: (
        Answer(503, "ServiceUnavailable") if r.write > 5 and time.monotonic() < over else None
    )
    with Lives(proxy, tmp_path) as lives:
        watcher.create(specs.chain("first", "second", "third"))
        watcher.until_ready()
        assert lives.count == 1
    made_once(proxy)


def test_a_slow_api_server(proxy: FaultProxy, watcher: Watcher, tmp_path: Path) -> None:
    proxy.decide = lambda r: None if r.watch else Delay(0.5)
    with Lives(proxy, tmp_path) as lives:
        watcher.create(specs.chain("first", "second", "third"))
        watcher.until_ready()
        assert lives.count == 1
    made_once(proxy)


def test_watches_that_break_every_half_second(proxy: FaultProxy, watcher: Watcher, tmp_path: Path) -> None:
    with Lives(proxy, tmp_path), every(0.5, proxy.cut_watches):
        watcher.create(specs.chain("first", "second", "third"))
        watcher.until_ready()
        watcher.delete()
        watcher.until_gone()
    made_once(proxy)


def test_streams_that_begin_with_an_error(proxy: FaultProxy, watcher: Watcher, tmp_path: Path) -> None:
    """410 makes Kopf list again; any other one ends it, and the supervisor starts it again."""
    codes = itertools.cycle([500, 410])
    errors_left = iter(range(20))

    def fault(request: Seen) -> Fault | None:
        return StreamError(next(codes)) if request.watch and next(errors_left, None) is not None else None

    proxy.decide = fault
    with Lives(proxy, tmp_path) as lives:
        watcher.create(specs.chain("first", "second"))
        watcher.until_ready()
        assert lives.count == 1
    made_once(proxy)


def test_streams_from_which_nothing_comes(proxy: FaultProxy, watcher: Watcher, tmp_path: Path) -> None:
    """The listing finds the system; what is written does not come back, so the watches are opened anew."""
    first = time.monotonic()
    proxy.decide = lambda r: Stall() if r.watch and time.monotonic() < first + 5 else None
    with Lives(proxy, tmp_path) as lives:
        watcher.create(specs.chain("first", "second", "third"))
        watcher.until_ready()
        assert lives.count == 1
        watcher.until(lambda: reopened(proxy), "the watches are opened anew")
    made_once(proxy)


def test_watches_that_stall_at_rest(proxy: FaultProxy, watcher: Watcher, tmp_path: Path) -> None:
    """No stream ends, and nothing comes any more: what happens meanwhile is found by the next listing."""
    with Lives(proxy, tmp_path) as lives:
        watcher.create(specs.chain("first"))
        watcher.until_ready()
        watcher.until(lambda: watcher.told("SystemReady"), "it is told")
        proxy.hold_watches()
        watcher.delete(SERVICE, "demo-first")
        watcher.until(lambda: watcher.get(SERVICE, "demo-first"), "the Service is there again")
        watcher.until(lambda: reopened(proxy), "the watches are opened anew")
        assert lives.count == 1
    made_once(proxy, f"{watcher.namespace}/services/demo-first")


def test_a_start_of_sixteen_components_takes_few_requests(
    proxy: FaultProxy, watcher: Watcher, tmp_path: Path
) -> None:
    """Watches, the periodic listings and the discovery are not part of the start."""
    components = [
        specs.component(name, *(facts.hard or (() if name == "config-manager" else ("config-manager",))))
        for name, facts in COMPONENTS.items()
    ]
    with Lives(proxy, tmp_path):
        watcher.create(specs.custom(*components, config={"system.name": "demo"}))
        watcher.until_ready()
        watcher.until(lambda: watcher.told("SystemReady"), "it is told")
    requests = [r for r in proxy.seen if r.write]
    kinds = collections.Counter(f"{r.method} {r.path.split('/')[-2]}" for r in requests)
    assert len(requests) <= 120, kinds
