"""The dispatcher: single flight, nothing lost, no hot loop. Time is virtual."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta

import virtual_time
from alluse_operator.cluster.mirror import Key
from alluse_operator.dispatcher import Dispatcher, Next, Pace
from alluse_operator.errors import ApiUnreachable
from alluse_operator.metrics import Metrics

KEY = Key("shop", "demo")
OTHER = Key("shop", "other")


def now() -> float:
    return asyncio.get_running_loop().time()


def make(reconcile: Callable[[Key], Awaitable[Next]], **pace: timedelta) -> Dispatcher:
    return Dispatcher(reconcile, clock=virtual_time.LoopClock(), metrics=Metrics(), pace=Pace(**pace))


def test_passes_of_one_system_never_overlap_and_a_wake_during_a_pass_leads_to_one_more() -> None:
    async def scenario() -> None:
        running: set[Key] = set()
        passes: list[float] = []

        async def reconcile(key: Key) -> Next:
            assert key not in running
            running.add(key)
            passes.append(now())
            await asyncio.sleep(1)
            running.discard(key)
            return Next()

        dispatcher = make(reconcile)
        dispatcher.start([KEY])
        await asyncio.sleep(0.5)
        for _ in range(10):
            dispatcher.wake(KEY)
        await asyncio.sleep(5)
        assert passes == [0.0, 1.0]
        await dispatcher.stop()

    virtual_time.run(scenario())


def test_a_burst_of_events_leads_to_few_passes_and_the_first_to_one_at_once() -> None:
    async def scenario() -> None:
        passes: list[float] = []

        async def reconcile(key: Key) -> Next:
            passes.append(now())
            return Next()

        dispatcher = make(reconcile, spacing=timedelta(seconds=0.04))
        dispatcher.start([KEY])
        await asyncio.sleep(1)
        for _ in range(100):
            dispatcher.wake(KEY)
            await asyncio.sleep(0.001)
        await asyncio.sleep(1)
        assert passes[1] == 1.0
        assert 3 <= len(passes) - 1 <= 4
        await dispatcher.stop()

    virtual_time.run(scenario())


def test_systems_do_not_wait_for_each_other() -> None:
    async def scenario() -> None:
        seen: list[Key] = []

        async def reconcile(key: Key) -> Next:
            if key == KEY:
                await asyncio.sleep(100)
            seen.append(key)
            return Next()

        dispatcher = make(reconcile)
        dispatcher.start([KEY, OTHER])
        await asyncio.sleep(1)
        assert seen == [OTHER]
        await dispatcher.stop()

    virtual_time.run(scenario())


def test_it_looks_again_when_asked_and_at_the_resync_otherwise() -> None:
    async def scenario() -> None:
        clock = virtual_time.LoopClock()
        passes: list[float] = []

        async def reconcile(key: Key) -> Next:
            passes.append(now())
            return Next(at=clock.now() + timedelta(seconds=3)) if len(passes) == 1 else Next()

        dispatcher = make(reconcile)
        dispatcher.start([KEY])
        await asyncio.sleep(100)
        assert passes[:2] == [0.0, 3.0]
        gaps = [later - earlier for earlier, later in itertools.pairwise(passes[1:])]
        assert gaps
        assert all(24 <= gap <= 30 for gap in gaps)
        await dispatcher.stop()

    virtual_time.run(scenario())


def test_a_pass_that_always_wants_to_go_again_at_once_is_slowed_down() -> None:
    async def scenario() -> None:
        clock = virtual_time.LoopClock()
        passes = 0

        async def reconcile(key: Key) -> Next:
            nonlocal passes
            passes += 1
            return Next(at=clock.now() - timedelta(hours=1))

        dispatcher = make(reconcile)
        dispatcher.start([KEY])
        await asyncio.sleep(10)
        assert passes <= 10 / 0.05 + 1
        await dispatcher.stop()

    virtual_time.run(scenario())


def test_failures_back_off_to_a_ceiling_for_ever_and_wakes_do_not_cut_that_short() -> None:
    async def scenario() -> None:
        passes: list[float] = []

        async def reconcile(key: Key) -> Next:
            passes.append(now())
            raise ApiUnreachable("away")

        dispatcher = make(reconcile)
        dispatcher.start([KEY])

        async def nag() -> None:
            while True:
                dispatcher.wake(KEY)
                await asyncio.sleep(0.01)

        nagging = asyncio.create_task(nag())
        await asyncio.sleep(300)
        nagging.cancel()
        gaps = [later - earlier for earlier, later in itertools.pairwise(passes)]
        assert gaps[0] <= 0.25
        assert all(2.5 <= gap <= 5 for gap in gaps[8:])
        assert 60 <= len(passes) <= 140
        await dispatcher.stop()

    virtual_time.run(scenario())


def test_a_mistake_in_a_pass_does_not_lose_the_system() -> None:
    async def scenario() -> None:
        passes = 0

        async def reconcile(key: Key) -> Next:
            nonlocal passes
            passes += 1
            if passes == 1:
                raise ZeroDivisionError
            return Next()

        dispatcher = make(reconcile)
        dispatcher.start([KEY])
        await asyncio.sleep(1)
        assert passes == 2
        await dispatcher.stop()

    virtual_time.run(scenario())


def test_a_worker_that_dies_is_replaced() -> None:
    async def scenario() -> None:
        passes = 0

        async def reconcile(key: Key) -> Next:
            nonlocal passes
            passes += 1
            if passes == 1:
                current = asyncio.current_task()
                assert current is not None
                current.cancel()
                await asyncio.sleep(1)
            return Next()

        dispatcher = make(reconcile)
        dispatcher.start([KEY])
        await asyncio.sleep(1)
        assert passes == 2
        await dispatcher.stop()

    virtual_time.run(scenario())


def test_a_gone_system_has_no_worker_and_comes_back_when_it_is_made_again() -> None:
    async def scenario() -> None:
        passes = 0

        async def reconcile(key: Key) -> Next:
            nonlocal passes
            passes += 1
            return Next(gone=True)

        dispatcher = make(reconcile)
        dispatcher.start([KEY])
        await asyncio.sleep(100)
        assert (passes, dispatcher.keys) == (1, ())
        dispatcher.wake(KEY)
        await asyncio.sleep(100)
        assert passes == 2
        await dispatcher.stop()

    virtual_time.run(scenario())


def test_a_wake_in_the_last_pass_of_a_gone_system_is_not_lost() -> None:
    async def scenario() -> None:
        passes = 0

        async def reconcile(key: Key) -> Next:
            nonlocal passes
            passes += 1
            if passes == 1:
                dispatcher.wake(key)
            return Next(gone=True)

        dispatcher = make(reconcile)
        dispatcher.start([KEY])
        await asyncio.sleep(100)
        assert passes == 2
        await dispatcher.stop()

    virtual_time.run(scenario())


def test_nothing_runs_before_the_start_or_after_the_stop() -> None:
    async def scenario() -> None:
        passes = 0

        async def reconcile(key: Key) -> Next:
            nonlocal passes
            passes += 1
            await asyncio.sleep(10)
            return Next()

        dispatcher = make(reconcile)
        dispatcher.wake(KEY)
        await asyncio.sleep(1)
        assert passes == 0
        dispatcher.start([KEY])
        await asyncio.sleep(1)
        await dispatcher.stop()
        dispatcher.wake(KEY)
        await asyncio.sleep(100)
        assert passes == 1

    virtual_time.run(scenario())


def test_what_can_wait_is_looked_at_together_and_soon() -> None:
    async def scenario() -> None:
        passes: list[float] = []

        async def reconcile(key: Key) -> Next:
            passes.append(now())
            return Next()

        dispatcher = make(reconcile, soon=timedelta(seconds=0.25), resync=timedelta(hours=1))
        dispatcher.start([KEY])
        await asyncio.sleep(1)
        for _ in range(5):
            dispatcher.wake_soon(KEY)
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        assert passes == [0.0, 1.25]
        dispatcher.wake_soon(KEY)
        await asyncio.sleep(0.05)
        dispatcher.wake(KEY)
        await asyncio.sleep(1)
        assert len(passes) == 3
        dispatcher.wake_soon(OTHER)
        await asyncio.sleep(0)
        assert len(passes) == 4
        dispatcher.wake_soon(KEY)
        await dispatcher.stop()
        await asyncio.sleep(1)
        assert len(passes) == 4

    virtual_time.run(scenario())
