"""Faults that clients make: a surge, sockets that are slow or half open, clocks that are wrong."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import httpx
import websockets

from deploy.dev.demo.door import Json, cloud_event
from libs import clock
from tests.faults.house import House

SURGE_S = 10.0
SURGING = 16  # clients at once, each as fast as it is answered
BATCH = 40  # events a POST: the limit is 500 a second of one tenant


async def surge(house: House, dice: random.Random) -> None:
    """Publish far more than is taken, as one tenant: it is told to wait, and the other tenant is not."""
    door = house.door()
    try:
        greedy, modest = await door.token("adapter1"), await door.token("acme-adapter1")
    finally:
        await door.close()
    statuses: Counter[str] = Counter()
    async with httpx.AsyncClient(base_url=house.stack.gateway_url, timeout=30, trust_env=False) as http:
        until = asyncio.get_running_loop().time() + SURGE_S

        async def publish(token: str, name: str, size: int, pause_s: float) -> None:
            number = 0
            while asyncio.get_running_loop().time() < until:
                number += 1
                events = [
                    _page(f"{name}-{dice.getrandbits(60):x}-{number}-{each}", name) for each in range(size)
                ]
                answer = await http.post(
                    "/v1/events",
                    json=events,
                    headers={
                        "authorization": f"Bearer {token}",
                        "content-type": "application/cloudevents-batch+json",
                    },
                )
                who = name.partition("-")[0]
                statuses[f"{who} {answer.status_code}"] += 1
                if answer.status_code == 202:
                    house.witness.published(events)
                if answer.status_code in (429, 503) and "retry-after" not in answer.headers:
                    raise AssertionError(f"{answer.status_code} without Retry-After in a surge")
                await asyncio.sleep(pause_s)

        async with asyncio.TaskGroup() as group:
            for number in range(SURGING):
                group.create_task(publish(greedy, f"greedy-{number}", BATCH, 0.0))
            group.create_task(publish(modest, "modest-0", 1, 0.1))
    house.note(f"surge of {SURGE_S:g} s", 1)
    for what, count in statuses.items():
        house.note(f"surge: requests of the {what}", count)
    if not statuses["greedy 429"]:
        raise AssertionError(f"nothing was shed: {statuses}")
    if set(statuses) - {"greedy 202", "greedy 429", "greedy 503", "modest 202"}:
        raise AssertionError(f"the surge was not shed fairly: {statuses}")


def _page(event_id: str, visitor: str) -> Json:
    data = {"visitor_id": f"visitor-{visitor}", "url": "https://bank.example/"}
    return cloud_event(event_id, "trunkline.visitor.page_viewed.v1", clock.now().isoformat(), data, 1)


async def slow_sockets(house: House, dice: random.Random) -> None:
    """Open sockets that never read, requests that never end, and connections that say nothing."""
    door = house.door()
    try:
        token = await door.token("supervisor1")
    finally:
        await door.close()
    place = urlsplit(house.stack.gateway_url)
    half_open = [await asyncio.open_connection(place.hostname, place.port) for _ in range(60)]
    for number, (_, writer) in enumerate(half_open):
        if number % 3 == 0:
            writer.write(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        elif number % 3 == 1:
            writer.write(b"GET /v1/agent/socket HTTP/1.1\r\nHost: x\r\nUpgr")
    house.note("half-open connection", len(half_open))
    deaf = [
        await websockets.connect(
            f"{door.socket_url}/v1/supervisor/socket",
            additional_headers={"authorization": f"Bearer {token}"},
            max_queue=1,
            ping_interval=None,
            proxy=None,
        )
        for _ in range(10)
    ]
    house.note("socket that is never read", len(deaf))
    await asyncio.sleep(12)
    for each in deaf:
        each.transport.abort()
    for _, writer in half_open:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def wrong_clocks(house: House, dice: random.Random) -> None:
    """Count a day of adapters whose clocks are wrong; `wrong_clock` is what they go by."""
    house.note("day of adapters whose clocks are wrong")
    await asyncio.sleep(5)


def wrong_clock(dice: random.Random) -> clock.Now:
    """Return a clock that is ahead, behind, and jumps."""

    def now() -> datetime:
        return clock.now() + timedelta(seconds=dice.choice((-3000, -600, -1, 0, 1, 30, 240)))

    return now
