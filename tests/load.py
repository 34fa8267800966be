"""Many users talk to the agent at once; how long each turn took and what was answered.

turns = asyncio.run(talk("127.0.0.1", 8080, users=10, rounds=3, messages=SENTENCES))
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alluse.runtime.http_client import HttpClient, HttpError

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Answered:
    """One turn: `status` is 0 when nobody answered."""

    user: str
    message: str
    status: int
    seconds: float
    body: dict[str, Any]


async def talk(
    host: str, port: int, users: Sequence[str], messages: Sequence[str], pause_s: float = 0.0
) -> list[Answered]:
    """Every user says a message at the same moment and the next when it is answered.

    User number i begins with message i. `pause_s` is the time in which a person reads and types; the users'
    first turns are spread over it.
    """
    address = f"http://{host}:{port}"

    async def person(number: int, user: str) -> list[Answered]:
        client, answered = HttpClient(), []
        try:
            await asyncio.sleep(pause_s * number / len(users))
            for turn in range(len(messages)):
                message = messages[(number + turn) % len(messages)]
                answered.append(await say(client, address, user, message))
                if pause_s:
                    await asyncio.sleep(pause_s)
        finally:
            await client.close()
        return answered

    talks = await asyncio.gather(*(person(number, user) for number, user in enumerate(users)))
    return [turn for each in talks for turn in each]


async def say(client: HttpClient, address: str, user: str, message: str) -> Answered:
    """One turn."""
    body = json.dumps({"user_id": user, "message": message}).encode()
    headers = {"content-type": "application/json"}
    started = time.perf_counter()
    try:
        reply = await client.request(address, "POST", "/v1/chat", headers, body, TIMEOUT_S)
    except HttpError as error:
        return Answered(user, message, 0, time.perf_counter() - started, {"detail": str(error)})
    return Answered(user, message, reply.status, time.perf_counter() - started, json.loads(reply.body))
