"""Who does not answer is not waited for twice, and who answers others is waited for. In virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

import virtual_time
from alluse.contract import COMPONENTS
from alluse.runtime import trace
from alluse.runtime.http_client import HttpReply, HttpTimeoutError
from alluse.runtime.identity import Identity
from alluse.runtime.metrics import Metrics
from alluse.runtime.peers import DEFAULT_TIMEOUT_S, PeerError, Peers, PeerTimeoutError, PeerUnreachableError
from alluse.runtime.silence import AGAIN_S, LOOK_S, SILENT_S
from alluse.schemas.base import Answer
from alluse.services.enhanced_agent import agent, conversing

ANALYZER, SIZER = "market-analyzer", "position-sizer"
#: When a call to a silent component ends at the latest.
SOON_S = SILENT_S + 2 * LOOK_S


T = TypeVar("T")


class Nothing(Answer):
    pass


class Wire:
    """Answers after as many seconds as the path says (`/v1/3`); a silent component never does."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.deadlines_ms: list[int] = []
        self.silent = {ANALYZER}

    async def request(
        self,
        base_url: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
    ) -> HttpReply:
        name = base_url.removeprefix("http://").partition(":")[0]
        self.sent.append(name)
        self.deadlines_ms.append(int(headers["x-deadline-ms"]))
        takes = timeout_s if name in self.silent else float(target.rpartition("/")[2])
        await asyncio.sleep(min(takes, timeout_s))
        if takes >= timeout_s:
            raise HttpTimeoutError("no answer")
        return HttpReply(200, {}, b"{}")

    async def close(self) -> None:
        """Nothing to close."""


class Asking:
    """The calls of one component's requests."""

    def __init__(self) -> None:
        self.wire = Wire()
        identity = Identity(
            facts=COMPONENTS["enhanced-agent"],
            system="test",
            environment="test",
            version="test",
            config_dir=Path("."),
            state_dir=Path("."),
        )
        self.peers = Peers(identity, Metrics(), self.wire)

    async def ask(
        self, component: str = ANALYZER, seconds: float = 0.0, timeout_s: float | None = None
    ) -> PeerError | None:
        try:
            await self.peers.get(component, f"/v1/{seconds:g}", Nothing, timeout_s=timeout_s)
        except PeerError as error:
            return error
        return None

    async def requests(self, count: int, seconds: float = 0.0) -> list[PeerError | None]:
        """As many requests at once, each of which asks once."""
        return list(
            await asyncio.gather(*(self.in_request(lambda: self.ask(seconds=seconds)) for _ in range(count)))
        )

    async def in_request(self, work: Callable[[], Awaitable[T]]) -> T:
        async def run() -> T:
            trace.current.set(trace.Trace.new())
            return await work()

        return await asyncio.create_task(run())


def now() -> float:
    return asyncio.get_running_loop().time()


def test_ten_who_ask_a_silent_component_wait_once_and_together() -> None:
    async def scenario() -> None:
        asking = Asking()
        answers = await asking.requests(10)
        assert all(isinstance(each, PeerTimeoutError) for each in answers)
        waited = now()
        assert SILENT_S <= waited <= SOON_S
        assert len(asking.wire.sent) == 10, "each was asked for once, and nothing was repeated"
        answers = await asking.requests(10)
        assert all(isinstance(each, PeerTimeoutError) for each in answers)
        assert (now(), len(asking.wire.sent)) == (waited, 10), "the next ten wait for nothing"

    virtual_time.run(scenario())


def test_after_a_moment_one_tries_again_for_all() -> None:
    async def scenario() -> None:
        asking = Asking()
        await asking.requests(10)
        await asyncio.sleep(AGAIN_S)
        assert None not in await asking.requests(10)
        assert len(asking.wire.sent) == 11
        await asyncio.sleep(AGAIN_S)
        asking.wire.silent.clear()
        assert (await asking.requests(1)) == [None]
        assert (await asking.requests(10)) == [None] * 10, "who answers is asked by everybody again"

    virtual_time.run(scenario())


def test_a_request_asks_who_did_not_answer_no_second_time() -> None:
    async def scenario() -> None:
        asking = Asking()

        async def turn() -> None:
            assert isinstance(await asking.ask(), PeerTimeoutError)
            await asyncio.sleep(3600)
            asking.wire.silent.clear()
            assert isinstance(await asking.ask(), PeerUnreachableError)
            assert await asking.ask(SIZER) is None

        await asking.in_request(turn)
        assert asking.wire.sent == [ANALYZER, SIZER]
        assert await asking.requests(1) == [None], "another request does"

    virtual_time.run(scenario())


def test_who_answers_others_is_busy_and_worth_waiting_for() -> None:
    async def scenario() -> None:
        asking = Asking()
        asking.wire.silent.clear()

        async def others() -> None:
            while True:
                await asking.in_request(lambda: asking.ask(seconds=SILENT_S / 2))

        busy = asyncio.create_task(others())
        assert await asking.requests(10, seconds=3 * SILENT_S) == [None] * 10
        busy.cancel()
        assert len(await asking.requests(1, seconds=3 * SILENT_S)) == 1
        refused = await asking.requests(1)
        assert isinstance(refused[0], PeerTimeoutError), "alone, such a silence is too long"

    virtual_time.run(scenario())


@pytest.mark.parametrize(
    ("in_request", "timeout_s", "waits"),
    [(True, None, SOON_S), (False, None, DEFAULT_TIMEOUT_S), (True, 30.0, 30.0), (True, 0.5, 0.5)],
    ids=["a request", "nobody waits for it", "it is meant to take long", "it is given less time"],
)
def test_how_long_a_silence_is_borne(in_request: bool, timeout_s: float | None, waits: float) -> None:
    async def scenario() -> None:
        asking = Asking()

        async def work() -> PeerError | None:
            return await asking.ask(timeout_s=timeout_s)

        answer = await (asking.in_request(work) if in_request else work())
        assert isinstance(answer, PeerTimeoutError)
        assert now() == pytest.approx(waits, abs=2 * LOOK_S)
        assert len(asking.wire.sent) == 1, "who let the time pass is not asked again"

    virtual_time.run(scenario())


def test_who_is_asked_is_told_the_time_that_is_left() -> None:
    async def scenario() -> None:
        asking = Asking()

        async def turn() -> None:
            with trace.within(3.0):
                await asking.ask(SIZER, 1.0)
                await asking.ask(SIZER, 0.0)
                await asking.ask(SIZER, 0.0, timeout_s=0.5)
            await asking.ask(SIZER)

        await asking.in_request(turn)
        assert asking.wire.deadlines_ms == [3000, 2000, 500, 5000]

    virtual_time.run(scenario())


#: What a turn with the agent asks for, stage after stage, and which of it it can do without.
TURN = (
    ("intent-detector", "entity-extractor", "memory-manager"),
    (ANALYZER,),
    ("portfolio-risk-monitor", "drawdown-protection", "health-monitor"),
    ("delta-selector",),
    (SIZER,),
)
DISPENSABLE = {"intent-detector", "entity-extractor", "drawdown-protection", "health-monitor"}
parts = sorted({each for stage in TURN for each in stage})


@given(st.sets(st.sampled_from(parts)), st.sampled_from([0.0, 0.01, 0.05]), st.integers(1, 5))
def test_whatever_is_silent_a_turn_ends_within_three_seconds(
    silent: set[str], seconds: float, users: int
) -> None:
    """Also of several users who came at different times, and in the turn after it."""

    async def scenario() -> None:
        asking = Asking()
        asking.peers.silence.limit_s = agent.SILENT_S
        asking.wire.silent = silent

        async def turn() -> set[str]:
            missing: set[str] = set()
            with trace.within(conversing.ANSWER_S, soon_s=conversing.MISSING_S):
                for stage in TURN:
                    errors = await asyncio.gather(*(asking.ask(part, seconds) for part in stage))
                    missing |= {error.component for error in errors if error is not None}
                    if missing - DISPENSABLE:
                        break
            return missing

        async def timed(number: int) -> None:
            await asyncio.sleep(number * 0.1)
            for _ in range(2):
                began = now()
                missing = await asking.in_request(turn)
                assert now() - began < 3.0
                assert missing <= silent, "who answers is not missed"
                assert bool(missing) == bool(silent)

        await asyncio.gather(*(timed(number) for number in range(users)))

    virtual_time.run(scenario())


def test_who_misses_nobody_has_all_its_time() -> None:
    async def scenario() -> None:
        asking = Asking()

        async def turn() -> list[PeerError | None]:
            with trace.within(10.0, soon_s=1.0):
                return [await asking.ask(SIZER, 1.4), await asking.ask(SIZER, 1.4)]

        assert await asking.in_request(turn) == [None, None]

    virtual_time.run(scenario())


def test_the_slower_we_are_the_longer_we_wait() -> None:
    async def scenario() -> None:
        asking = Asking()
        asking.wire.silent.clear()
        selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
        on_time = selector.select
        selector.select = lambda timeout: on_time(timeout * 2)
        assert await asking.requests(3, seconds=SILENT_S * 2.5) == [None] * 3
        selector.select = on_time
        assert None not in await asking.requests(3, seconds=SILENT_S * 2.5)

    virtual_time.run(scenario())


def test_time_in_which_we_did_not_listen_is_nobodys_silence() -> None:
    """A loop that stands still for long finds the answer that came meanwhile: it looks at who was silent first,
    as its timer is the older one, and at the answer then."""

    async def scenario() -> None:
        asking = Asking()
        asking.wire.silent.clear()
        selector = asyncio.get_running_loop()._jumping  # type: ignore[attr-defined]

        def stand_still() -> None:
            selector.seconds += 60.0

        asyncio.get_running_loop().call_later(0.3, stand_still)
        answers_at = 0.3 + 2.5 * LOOK_S
        assert await asking.in_request(lambda: asking.ask(seconds=answers_at)) is None
        assert now() > 60.0

    virtual_time.run(scenario())
