"""Two real gateways side by side, with clients that wander between them while these and the store fail."""

import asyncio
import json
import random
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import websockets

from deploy.dev import servers
from deploy.dev.ports import free_ports
from deploy.dev.processes import LOOPBACK, answers_http
from gateway.tests.house import READY_WITHIN_S, House
from gateway.tests.test_real import assigned, contact, offered, started, state, told
from libs.events import interaction, routing
from libs.events.base import AnyEvent
from tests.servers import broker_server, mongo_server

pytestmark = [pytest.mark.real, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

SEED = 20261124
SAID = 400
SLOW_AFTER_S = 2.0
PING_S = 4.0


class Pair:
    """A house with a second gateway."""

    def __init__(self, house: House, mongo_url: str) -> None:
        self.house = house
        self.mongo_url = mongo_url
        port, health = free_ports(2)
        self.settings = house.settings.model_copy(update={"gateway_port": port, "health_port": health})
        self.children = [house.gateway, house.replica("gateway-2", self.settings)]
        self.urls = [house.url, f"http://{LOOPBACK}:{port}"]

    async def start(self, place: int) -> None:
        child = self.children[place]
        child.start()
        ready = partial(answers_http, f"{self.urls[place]}/readyz")
        await asyncio.to_thread(child.await_ready, "gateway", ready, READY_WITHIN_S)

    async def kill(self, place: int, signum: signal.Signals) -> int | None:
        return await asyncio.to_thread(self.children[place].kill, signum)

    async def command_store(self, **command: Any) -> None:
        """Ask the store's server for something that only its keeper may."""
        port = int(self.mongo_url.rpartition(":")[2].partition("/")[0])

        def ask() -> None:
            with servers.connect(port) as client:
                client.admin.command(command)

        await asyncio.to_thread(ask)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    folders: list[Path] = [tmp_path_factory.mktemp(name) for name in ("mongo", "two")]
    with mongo_server(folders[0]) as mongo, broker_server(folders[1]) as broker:
        house = House(
            folders[1], mongo.address, broker, gateway_slow_after_s=SLOW_AFTER_S, gateway_ping_s=PING_S
        )
        async with house.opened():
            both = Pair(house, mongo.address)
            try:
                await both.start(1)
                yield both
            finally:
                both.children[1].kill()


class Wanderer:
    """A client that resumes at one gateway after the other; `hello` and the like have no number."""

    def __init__(self, pair: Pair, path: str, token: str, dice: random.Random) -> None:
        self._pair = pair
        self._path = path
        self._token = token
        self._dice = dice
        self.frames: list[dict[str, Any]] = []
        self.gaps: list[dict[str, Any]] = []
        self.codes: list[int] = []
        self.visits = 0

    @property
    def seen(self) -> int:
        return self.frames[-1]["seq"] if self.frames else 0

    async def wander(self) -> None:
        """Read here and there, for ever."""
        while True:
            url = self._pair.urls[self.visits % 2]
            self.visits += 1
            with suppress(OSError, TimeoutError, websockets.WebSocketException):
                async with asyncio.timeout(self._dice.uniform(0.05, 2.5)):
                    await self.read(url)
            await asyncio.sleep(self._dice.uniform(0, 0.2))

    async def read(self, url: str) -> None:
        path = f"{self._path}{'&' if '?' in self._path else '?'}after={self.seen}"
        async with self._pair.house.socket(path, self._token, url) as screen:
            try:
                async for text in screen.connection:
                    self._take(json.loads(text))
            finally:
                if screen.connection.close_code:
                    self.codes.append(screen.connection.close_code)

    def _take(self, frame: dict[str, Any]) -> None:
        if "seq" in frame:
            self.frames.append(frame)
        elif frame["type"] == "gap":
            self.gaps.append(frame)


async def read_all(pair: Pair, path: str, token: str, last: int, place: int) -> list[dict[str, Any]]:
    """Return the frames that a client gets who comes once and stays."""
    async with pair.house.socket(f"{path}?after=0", token, pair.urls[place]) as screen:
        async with asyncio.timeout(20):
            while not screen.numbers or screen.numbers[-1] < last:
                screen.frames.append(json.loads(await screen.connection.recv()))
        return [frame for frame in screen.frames if "seq" in frame]


def said(interaction_id: str, number: int, text: str) -> AnyEvent:
    return told(
        interaction.MessageSent(
            interaction_id=interaction_id,
            message_id=f"{interaction_id}-{number}",
            author="customer",
            pii=interaction.MessagePii(text=text),
        )
    )


def estimated(interaction_id: str, number: int) -> AnyEvent:
    return told(
        routing.WaitEstimated(**contact(interaction_id), position=number, estimated_wait_ms=number * 1000)
    )


async def converse(pair: Pair, dice: random.Random) -> None:
    """Let a long conversation go on, of facts from several topics."""
    for number in range(1, SAID + 1):
        text = dice.choice(["好", "hm", "x" * 3000]) * dice.randint(1, 3)
        events = [said("long-1", number, text)]
        if dice.random() < 0.3:
            events.append(estimated("long-1", number))
        if dice.random() < 0.3:
            events.append(state("agent1", dice.choice(["ready", "busy", "not_ready"])))
        await pair.house.bus.publish(events)
        await asyncio.sleep(dice.uniform(0, 0.07))


async def trouble(pair: Pair) -> None:
    """Kill one gateway, take the store's primary, send the other gateway away."""
    await asyncio.sleep(2)
    await pair.kill(0, signal.SIGKILL)
    await asyncio.sleep(1.5)
    await pair.start(0)
    await pair.command_store(replSetStepDown=2, force=True)
    await asyncio.sleep(3)
    assert await pair.kill(1, signal.SIGTERM) == 0
    await asyncio.sleep(1)
    await pair.start(1)


async def test_a_client_that_comes_and_goes_sees_what_one_who_stays_sees(pair: Pair) -> None:
    dice = random.Random(SEED)
    adapter, agent = await pair.house.token("adapter1"), await pair.house.token("agent1")
    supervisor = await pair.house.token("supervisor1")
    paths = {
        "/v1/interactions/long-1/socket": adapter,
        "/v1/agent/socket": agent,
        "/v1/supervisor/socket": supervisor,
    }
    opening = [started("long-1"), offered("long-1", "agent1"), assigned("long-1", "agent1")]
    await pair.house.bus.publish(opening)
    wanderers = {
        path: [Wanderer(pair, path, token, random.Random(f"{SEED}/{path}/{number}")) for number in range(2)]
        for path, token in paths.items()
    }
    everybody = [each for some in wanderers.values() for each in some]
    wandering = [asyncio.create_task(each.wander()) for each in everybody]

    await asyncio.gather(converse(pair, dice), trouble(pair))
    await pair.house.bus.publish([said("long-1", SAID + 1, "the end"), state("agent1", "wrap_up")])

    def is_over(each: Wanderer) -> bool:
        return any(frame["data"].get("text") == "the end" for frame in each.frames) or any(
            frame["data"].get("state") == "wrap_up" for frame in each.frames
        )

    async with asyncio.timeout(60):
        while not all(map(is_over, everybody)):  # noqa: ASYNC110  (frames come over sockets)
            await asyncio.sleep(0.1)
    for task in wandering:
        task.cancel()
    await asyncio.gather(*wandering, return_exceptions=True)

    for path, token in paths.items():
        longest = max(each.seen for each in wanderers[path])
        stayed = await read_all(pair, path, token, longest, place=0)
        for each in wanderers[path]:
            assert [frame["seq"] for frame in each.frames] == list(range(1, each.seen + 1))
            assert each.frames == stayed[: each.seen]
            assert each.gaps == []
            assert each.visits > 5
    of_contact = await read_all(
        pair,
        "/v1/interactions/long-1/socket",
        adapter,
        wanderers["/v1/interactions/long-1/socket"][0].seen,
        1,
    )
    messages = [frame["data"]["message_id"] for frame in of_contact if frame["type"] == "message"]
    assert messages == [f"long-1-{number}" for number in range(1, SAID + 2)]
    assert any(1012 in each.codes for each in everybody)
