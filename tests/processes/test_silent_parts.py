"""Ten users at once while a part is away in each way in which a part can be away: nobody waits for long."""

import asyncio

import pytest

import missing_parts
from component_processes import Cluster, wait_for
from conversations import TEN
from load import Answered, talk
from silent_parts import BlackHole, Dropping, Refusing

MARKET = "market-analyzer"


@pytest.fixture(scope="module")
def cluster(sixteen: Cluster) -> Cluster:
    """All sixteen but one."""
    sixteen.make_whole()
    sixteen.running[MARKET].kill()
    return sixteen


@pytest.mark.parametrize("away", [Refusing, BlackHole, Dropping])
def test_ten_users_are_answered_whatever_a_dead_part_does(
    cluster: Cluster, away: type[Refusing | BlackHole | Dropping]
) -> None:
    agent = "127.0.0.1", cluster.ports["enhanced-agent"]
    with away(cluster.ports[MARKET]) as part:
        for again in range(3):
            before = part.taken
            for turn, (_, intent, _) in zip(
                missing_parts.ten_users(agent, f"{away.__name__}-{again}"), TEN, strict=True
            ):
                missing = MARKET in turn.body["degraded"]
                assert missing == (intent in missing_parts.NEED_THE_MARKET), turn
            if again:
                assert part.taken - before <= len(TEN), "it is tried now and then, not by everybody"


@pytest.mark.parametrize("deaf", ["intent-detector", "drawdown-protection"])
def test_other_parts_that_never_answer_hold_nobody_up_either(cluster: Cluster, deaf: str) -> None:
    """The market is away as well."""
    agent = "127.0.0.1", cluster.ports["enhanced-agent"]
    cluster.running[deaf].kill()
    with BlackHole(cluster.ports[deaf]):
        answered = [turn for _ in range(2) for turn in at_once(agent, f"deaf-{deaf}")]
    cluster.start(deaf).wait_ready()
    wait_for(
        lambda: not any(deaf in turn.body["degraded"] for turn in at_once(agent, f"heard-{deaf}")),
        "it is asked again",
    )
    assert [turn.status for turn in answered] == [200] * len(answered), answered
    assert any(deaf in turn.body["degraded"] for turn in answered)


def at_once(agent: tuple[str, int], prefix: str) -> list[Answered]:
    async def talks() -> list[list[Answered]]:
        texts = [text for text, _, _ in TEN]
        one_each = (talk(*agent, [f"{prefix}-{number}"], [text]) for number, text in enumerate(texts))
        return list(await asyncio.gather(*one_each))

    return [turn for each in asyncio.run(talks()) for turn in each]
