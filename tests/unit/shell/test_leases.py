"""The lease: never two leaders, a new one in time, and none left behind. Time is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

import fake_api
import virtual_time
from alluse_operator.cluster.leases import Lease, LeaseTimes
from alluse_operator.errors import ApiError, ApiUnreachable

TIMES = LeaseTimes()


def make(api: fake_api.FakeApi, identity: str, clock: virtual_time.LoopClock | None = None) -> Lease:
    return Lease(
        api,  # type: ignore[arg-type]
        namespace="ops",
        name="operator",
        identity=identity,
        times=TIMES,
        clock=clock or virtual_time.LoopClock(),
    )


def start(lease: Lease, heard: Callable[[bool], None] = lambda leading: None) -> asyncio.Task[None]:
    return asyncio.create_task(lease.run(heard))


def test_the_first_leads_and_the_second_stands_by() -> None:
    async def scenario() -> None:
        api = fake_api.FakeApi()
        first, second = make(api, "first"), make(api, "second")
        tasks = [start(first), start(second)]
        await asyncio.sleep(120)
        assert (first.held, second.held, second.holder) == (True, False, "first")
        for task in tasks:
            task.cancel()

    virtual_time.run(scenario())


def test_a_dead_leader_is_replaced_after_its_duration() -> None:
    async def scenario() -> None:
        api = fake_api.FakeApi()
        first, second = make(api, "first"), make(api, "second")
        dying = start(first)
        await asyncio.sleep(1)
        living = start(second)
        await asyncio.sleep(60)
        dying.cancel()
        died = asyncio.get_running_loop().time()
        waited = await virtual_time.until(lambda: second.held) - died
        assert 12 <= waited <= 19.5
        living.cancel()

    virtual_time.run(scenario())


def test_a_released_lease_is_taken_at_the_next_look() -> None:
    async def scenario() -> None:
        api = fake_api.FakeApi()
        first, second = make(api, "first"), make(api, "second")
        leaving = start(first)
        await asyncio.sleep(1)
        living = start(second)
        await asyncio.sleep(10)
        leaving.cancel()
        await first.release()
        assert not first.held
        await asyncio.sleep(2.1)
        assert second.held
        living.cancel()

    virtual_time.run(scenario())


def test_a_leader_that_is_cut_off_stops_before_another_can_begin() -> None:
    async def scenario() -> None:
        api = fake_api.FakeApi()
        first, second = make(api, "first"), make(api, "second")
        told: list[tuple[float, bool]] = []
        loop = asyncio.get_running_loop()
        tasks = [start(first, lambda leading: told.append((loop.time(), leading)))]
        await asyncio.sleep(5)
        cut = loop.time()

        def no_answer(verb: str, kind: str, name: str) -> None:
            raise ApiUnreachable("cut off")

        api.fault = no_answer
        await asyncio.sleep(30)
        assert told[0][1] is True
        assert told[1][1] is False
        assert told[1][0] - cut <= TIMES.renew_within.total_seconds()
        api.fault = None
        tasks.append(start(second))
        await asyncio.sleep(20)
        assert first.held != second.held
        for task in tasks:
            task.cancel()

    virtual_time.run(scenario())


def test_a_wall_clock_that_jumps_changes_nothing() -> None:
    async def scenario() -> None:
        api = fake_api.FakeApi()
        clock = virtual_time.LoopClock()
        first, second = make(api, "first", clock), make(api, "second", clock)
        tasks = [start(first), start(second)]
        await asyncio.sleep(5)
        clock.step = timedelta(days=-3)
        await asyncio.sleep(60)
        clock.step = timedelta(days=400)
        await asyncio.sleep(60)
        assert (first.held, second.held) == (True, False)
        for task in tasks:
            task.cancel()

    virtual_time.run(scenario())


def test_an_empty_lease_made_by_somebody_else_is_free() -> None:
    async def scenario() -> None:
        from alluse_operator.cluster.kinds import LEASE

        api = fake_api.FakeApi()
        api.put(
            LEASE,
            {"metadata": {"name": "operator", "namespace": "ops", "labels": {"kept": "yes"}}, "spec": {}},
        )
        lease = make(api, "first")
        task = start(lease)
        await asyncio.sleep(1)
        assert lease.held
        task.cancel()

    virtual_time.run(scenario())


@settings(deadline=None, max_examples=50)
@given(
    faults=st.lists(
        st.tuples(
            st.sampled_from(["ok", "ok", "ok", "refused", "conflict", "lost", "slow", "paused"]),
            st.sampled_from(["first", "second"]),
        ),
        min_size=5,
        max_size=60,
    )
)
def test_there_are_never_two_leaders_whatever_the_api_server_does(faults: list[tuple[str, str]]) -> None:
    """Requests fail, conflict, lose their answers, are slow; contenders freeze. Checked every 50 ms."""

    async def scenario() -> None:
        api = fake_api.FakeApi()
        leases = {name: make(api, name) for name in ("first", "second")}
        ahead = iter(faults)

        def before(verb: str, kind: str, name: str) -> None:
            fault, _ = next(ahead, ("ok", ""))
            api.latency = 7.0 if fault == "slow" else 0.0
            if fault == "refused":
                raise ApiUnreachable("refused")
            if fault == "conflict" and verb != "GET":
                raise ApiError(409, "Conflict", "modified")

        def after(verb: str, kind: str, name: str) -> None:
            fault, _ = next(ahead, ("ok", ""))
            if fault == "lost":
                raise ApiUnreachable("answer lost")

        api.fault, api.fault_after = before, after
        tasks = {name: start(lease) for name, lease in leases.items()}
        frozen = [who for fault, who in faults if fault == "paused"][:2]
        for tick in range(2400):
            assert sum(lease.held for lease in leases.values()) <= 1
            if frozen and tick % 600 == 300:
                who = frozen.pop()
                tasks[who].cancel()
                tasks[who] = start(leases[who])
            await asyncio.sleep(0.05)
        for task in tasks.values():
            task.cancel()

    virtual_time.run(scenario())
