"""Deep checks: what an answer means (a real local server), and when it is asked and told (virtual time)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp import web

import virtual_time
from alluse_operator.cluster.mirror import Key
from alluse_operator.cluster.prober import BODY_LIMIT, Prober, Target
from alluse_operator.core.observed import ProbeOutcome
from alluse_operator.metrics import Metrics

KEY = Key("shop", "demo")
TARGET = Target(
    pod_uid="uid-pod",
    ip="127.0.0.1",
    port=8080,
    path="/health",
    period=timedelta(seconds=3),
    timeout=timedelta(seconds=1),
    unhealthy_after=3,
    restarts=0,
)
Answer = tuple[ProbeOutcome, str, bool]
GOOD: Answer = (ProbeOutcome.GOOD, "", False)
FAILED: Answer = (ProbeOutcome.FAILED, "HTTP 503", False)
DEGRADED: Answer = (ProbeOutcome.DEGRADED, "cache: cold", False)


def make(woken: list[Key] | None = None) -> Prober:
    def wake(key: Key) -> None:
        if woken is not None:
            woken.append(key)

    return Prober(wake, clock=virtual_time.LoopClock(), metrics=Metrics())


# -- what an answer means -------------------------------------------------------------------------------------


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[int]:
    application = web.Application()
    application.router.add_get("/health", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def ask(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], seconds: float = 1.0
) -> Answer:
    prober = make()
    async with serving(handler) as port:
        answer = await prober._ask(replace(TARGET, port=port, timeout=timedelta(seconds=seconds)))
    await prober.stop()
    return answer


@pytest.mark.parametrize(
    ("status", "body", "expected", "words"),
    [
        (200, '{"status": "ok"}', ProbeOutcome.GOOD, ""),
        (200, "anything", ProbeOutcome.GOOD, ""),
        (204, "", ProbeOutcome.GOOD, ""),
        (200, '{"status": "degraded"}', ProbeOutcome.DEGRADED, "reports degraded"),
        (
            200,
            '{"status": "degraded", "checks": {"db": {"status": "ok"}, "cache": {"status": "bad", "message": "cold"}}}',
            ProbeOutcome.DEGRADED,
            "cache: cold",
        ),
        (
            200,
            '{"status": "degraded", "checks": [{"name": "db", "status": "healthy"}, {"name": "resources", "status": "degraded", "detail": "memory 95 %"}, 7]}',
            ProbeOutcome.DEGRADED,
            "resources: memory 95 %",
        ),
        (
            503,
            '{"status": "unhealthy", "message": "no data\\nfor 5 min"}',
            ProbeOutcome.FAILED,
            "HTTP 503: no data for 5 min",
        ),
        (500, "<html>", ProbeOutcome.FAILED, "HTTP 500"),
        (302, "", ProbeOutcome.FAILED, "HTTP 302"),
        (200, '["a list"]', ProbeOutcome.GOOD, ""),
    ],
)
async def test_the_answer_is_judged(status: int, body: str, expected: ProbeOutcome, words: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, headers={"Location": "http://127.0.0.1:1/"})

    assert await ask(answer) == (expected, words, False)


async def test_an_endless_answer_is_cut_off() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(BODY_LIMIT // 1024 + 2):
            await response.write(b"x" * 1024)
        return response

    outcome, words, _ = await ask(answer)
    assert outcome is ProbeOutcome.FAILED
    assert "longer than" in words


async def test_a_hanging_component_fails_in_time() -> None:
    async def answer(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    assert await ask(answer, seconds=0.05) == (ProbeOutcome.FAILED, "no answer within 0.05 s", False)


async def test_nobody_there_is_an_answer() -> None:
    prober = make()

    async def never(_: web.Request) -> web.Response:
        raise AssertionError

    async with serving(never) as port:
        pass
    outcome, words, refused = await prober._ask(replace(TARGET, port=port))
    await prober.stop()
    assert outcome is ProbeOutcome.FAILED
    assert words
    assert refused


async def test_failures_do_not_count_before_any_pod_was_ever_reached() -> None:
    prober = make()
    failed = replace(TARGET, port=1, period=timedelta(seconds=0.01))
    prober.aim(KEY, [failed])
    async with asyncio.timeout(30):
        while prober._probes[KEY]["uid-pod"].reading is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert prober.readings(KEY) == {}
    prober._anybody_answered = True
    assert prober.readings(KEY)["uid-pod"].outcome is ProbeOutcome.FAILED
    await prober.stop()


# -- when it is asked and told --------------------------------------------------------------------------------


def asked_last(prober: Prober) -> float | None:
    """When the pod answered last, on the loop's clock."""
    reading = prober.readings(KEY).get("uid-pod")
    return None if reading is None else (reading.at - virtual_time.EPOCH).total_seconds()


def scripted(prober: Prober, answers: Iterator[Answer], asked: list[float]) -> None:
    async def ask_nobody(target: Target) -> Answer:
        asked.append(asyncio.get_running_loop().time())
        return next(answers)

    prober._ask = ask_nobody  # type: ignore[method-assign]
    prober._anybody_answered = True


def test_only_a_changed_verdict_wakes() -> None:
    async def scenario() -> None:
        woken: list[Key] = []
        prober = make(woken)
        script = [GOOD, GOOD, DEGRADED, DEGRADED, GOOD, FAILED, GOOD, FAILED, FAILED, FAILED, FAILED, GOOD]
        scripted(prober, iter(script), [])
        prober.aim(KEY, [TARGET])
        seen = 0.0
        for _ in script:
            before = len(woken)
            seen = await virtual_time.until(lambda: (at := asked_last(prober)) is not None and at > seen)  # noqa: B023
            assert len(woken) - before <= 1
        # degraded, good, failing, good, failing, failed, good
        assert len(woken) == 7
        await prober.stop()

    virtual_time.run(scenario())


def test_three_failures_in_a_row_are_known_within_eight_seconds() -> None:
    async def scenario() -> None:
        prober = make()
        asked: list[float] = []
        scripted(prober, iter([GOOD] + [FAILED] * 99), asked)
        prober.aim(KEY, [TARGET])
        await virtual_time.until(lambda: any(r.failures >= 3 for r in prober.readings(KEY).values()))
        reading = prober.readings(KEY)["uid-pod"]
        # Each failure may have taken the whole timeout of 1 s besides.
        assert asked[3] - asked[0] + 3 * 1.0 <= 8.0
        assert reading.since is not None
        assert reading.at > reading.since
        await prober.stop()

    virtual_time.run(scenario())


def test_pods_are_asked_spread_over_the_period() -> None:
    async def scenario() -> None:
        prober = make()
        asked: list[float] = []
        scripted(prober, iter([GOOD] * 10_000), asked)
        prober.aim(KEY, [replace(TARGET, pod_uid=f"pod-{number}") for number in range(60)])
        await asyncio.sleep(3)
        assert 60 <= len(asked) <= 61
        assert (
            max(sum(1 for at in asked if second <= at < second + 0.5) for second in (0, 0.5, 1, 1.5, 2, 2.5))
            < 30
        )
        await prober.stop()

    virtual_time.run(scenario())


def test_a_new_container_begins_with_a_clean_record_and_a_gone_pod_is_forgotten() -> None:
    async def scenario() -> None:
        prober = make()
        scripted(prober, iter([FAILED] * 99), [])
        prober.aim(KEY, [TARGET])
        await asyncio.sleep(10)
        assert prober.readings(KEY)["uid-pod"].failures >= 3
        prober.aim(KEY, [replace(TARGET, unhealthy_after=5)])
        assert prober.readings(KEY)["uid-pod"].failures >= 3
        prober.aim(KEY, [replace(TARGET, restarts=1)])
        assert prober.readings(KEY) == {}
        prober.aim(KEY, [])
        await asyncio.sleep(10)
        assert prober.readings(KEY) == {}
        await prober.stop()

    virtual_time.run(scenario())


def test_three_late_answers_in_a_row_are_told_once_and_one_good_one_ends_it() -> None:
    async def scenario() -> None:
        woken: list[Key] = []
        prober = make(woken)
        late = iter([0.1, 0.6, 0.7, 0.1, 0.6, 0.6, 0.9, 0.6, 0.1, 0.1])

        async def ask_slowly(target: Target) -> Answer:
            await asyncio.sleep(next(late))
            return GOOD

        prober._ask = ask_slowly  # type: ignore[method-assign]
        prober._anybody_answered = True
        prober.aim(KEY, [TARGET])
        await virtual_time.until(lambda: any(r.slow >= 3 for r in prober.readings(KEY).values()))
        assert len(woken) == 1
        reading = prober.readings(KEY)["uid-pod"]
        assert reading.took.total_seconds() == pytest.approx(0.9)
        await virtual_time.until(lambda: prober.readings(KEY)["uid-pod"].slow == 0)
        assert len(woken) == 2
        await prober.stop()

    virtual_time.run(scenario())


def test_late_answers_are_known_within_ten_seconds_of_any_beginning() -> None:
    """The third late one counts: after the first, the next are asked for soon."""

    async def scenario() -> None:
        prober = make()

        async def ask_slowly(target: Target) -> Answer:
            await asyncio.sleep(0.75)
            return GOOD

        prober._ask = ask_slowly  # type: ignore[method-assign]
        prober._anybody_answered = True
        prober.aim(KEY, [TARGET])
        began = asyncio.get_running_loop().time()
        await virtual_time.until(lambda: any(r.slow >= 3 for r in prober.readings(KEY).values()))
        assert asyncio.get_running_loop().time() - began <= 3 + 3 * 0.75 + 2 * 1
        await prober.stop()

    virtual_time.run(scenario())


def test_a_hang_is_known_within_ten_seconds_of_any_beginning() -> None:
    """With the defaults: each answer that does not come costs its whole timeout."""

    async def scenario() -> None:
        took: list[float] = []
        loop = asyncio.get_running_loop()
        for number in range(12):
            prober = make()
            hangs_at = loop.time() + 6 + number / 4

            async def ask(target: Target, hangs_at: float = hangs_at) -> Answer:
                if loop.time() < hangs_at:
                    return GOOD
                await asyncio.sleep(target.timeout.total_seconds())
                return FAILED

            prober._ask = ask  # type: ignore[method-assign]
            prober._anybody_answered = True
            prober.aim(KEY, [TARGET])
            await virtual_time.until(
                lambda: any(r.failures >= 3 for r in prober.readings(KEY).values())  # noqa: B023
            )
            took.append(loop.time() - hangs_at)
            await prober.stop()
        assert max(took) <= 10.0

    virtual_time.run(scenario())


def test_nobody_is_asked_after_the_stop() -> None:
    """The end of a term of office is the stop of the prober."""

    async def scenario() -> None:
        prober = make()
        asked: list[float] = []
        scripted(prober, iter([GOOD] * 999), asked)
        prober.aim(KEY, [replace(TARGET, pod_uid=f"pod-{number}") for number in range(8)])
        await asyncio.sleep(10)
        await prober.stop()
        before = len(asked)
        assert before >= 8
        await asyncio.sleep(60)
        assert len(asked) == before
        assert prober.readings(KEY) == {}

    virtual_time.run(scenario())


async def test_it_asks_the_pod_itself_on_its_port_and_path_and_nobody_else() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.url.host}:{request.url.port}{request.path_qs}")
        return web.Response(status=307, headers={"Location": f"http://{request.host}/health?again"})

    prober = make()
    async with serving(answer) as port:
        outcome, words, _ = await prober._ask(replace(TARGET, port=port))
    await prober.stop()
    assert (outcome, words) == (ProbeOutcome.FAILED, "HTTP 307")
    assert asked == [f"GET 127.0.0.1:{port}/health"]
