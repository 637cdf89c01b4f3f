"""Two real gateways side by side, and clients that wander between them."""

import asyncio
import json
import random
import re
import signal
from contextlib import suppress
from functools import partial
from typing import Any

import httpx
import websockets

from deploy.dev import servers
from deploy.dev.ports import free_ports
from deploy.dev.processes import LOOPBACK, answers_http
from gateway.tests.house import READY_WITHIN_S, House


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

    def stop(self) -> None:
        for child in self.children:
            child.kill()

    def folded(self, place: int) -> set[str]:
        """Return the partitions of agents' facts that one gateway has read."""
        health = (self.house.settings, self.settings)[place].health_port
        answer = httpx.get(f"http://{LOOPBACK}:{health}/metrics", trust_env=False).text
        return set(
            re.findall(r'trunkline_bus_lag{group="[^"]+",partition="(\d+)",topic="trunkline.agent"}', answer)
        )

    async def kill(self, place: int, signum: signal.Signals) -> int | None:
        return await asyncio.to_thread(self.children[place].kill, signum)


async def command_store(mongo_url: str, **command: Any) -> None:
    """Ask the store's server for something that only its keeper may."""
    port = int(mongo_url.rpartition(":")[2].partition("/")[0])

    def ask() -> None:
        with servers.connect(port) as client:
            client.admin.command(command)

    await asyncio.to_thread(ask)


class Wanderer:
    """A client that resumes at one gateway after the other; `hello` and the like have no number."""

    def __init__(self, pair: Pair, path: str, token: str, dice: random.Random) -> None:
        self._pair = pair
        self._path = path
        self._token = token
        self._dice = dice
        self.frames: list[dict[str, Any]] = []
        self.gaps: list[dict[str, Any]] = []
        self.goodbyes: list[tuple[int, str | None]] = []
        self.visits = 0

    @property
    def seen(self) -> int:
        return self.frames[-1]["seq"] if self.frames else 0

    async def wander(self, is_over: asyncio.Event) -> None:
        """Read here and there, until all is over."""
        while not is_over.is_set():
            url = self._pair.urls[self.visits % 2]
            self.visits += 1
            with suppress(OSError, TimeoutError, websockets.WebSocketException):
                await self.read(url, self._dice.uniform(0, 2.5))
            await asyncio.sleep(self._dice.uniform(0, 0.2))

    async def read(self, url: str, for_s: float) -> None:
        """Read at one gateway for a while. :raises TimeoutError: it is over."""
        path = f"{self._path}{'&' if '?' in self._path else '?'}after={self.seen}"
        async with self._pair.house.socket(path, self._token, url) as screen:
            try:
                # Not around the whole: cancelled while it opens, the library leaves a transport behind.
                async with asyncio.timeout(for_s):
                    async for text in screen.connection:
                        self.take(json.loads(text))
            finally:
                if code := screen.connection.close_code:
                    self.goodbyes.append((code, screen.connection.close_reason))

    def take(self, frame: dict[str, Any]) -> None:
        """Keep a frame."""
        if "seq" in frame:
            self.frames.append(frame)
        elif frame["type"] == "gap":
            self.gaps.append(frame)


class Talker(Wanderer):
    """A customer who talks while he wanders: what was not answered he says again, with its id."""

    def __init__(self, pair: Pair, path: str, token: str, dice: random.Random) -> None:
        super().__init__(pair, path, token, dice)
        self.says: list[str] = []
        self.sent = 0
        self.unanswered: dict[str, str] = {}  # by the id of the command

    async def read(self, url: str, for_s: float) -> None:
        """Say again what was not answered, and something new; then read for a while."""
        words = f"word {len(self.says) + 1}"
        self.says.append(words)
        self.unanswered[f"m-{len(self.says)}"] = words
        path = f"{self._path}&after={self.seen}"
        async with self._pair.house.socket(path, self._token, url) as screen:
            try:
                for command_id, text in self.unanswered.items():
                    self.sent += 1
                    ask = {"id": command_id, "type": "message", "text": text}
                    await screen.connection.send(json.dumps(ask))
                if self._dice.random() < 0.3:
                    return  # he is gone before the answers
                async with asyncio.timeout(for_s):
                    async for answer in screen.connection:
                        self.take(json.loads(answer))
            finally:
                if code := screen.connection.close_code:
                    self.goodbyes.append((code, screen.connection.close_reason))

    def take(self, frame: dict[str, Any]) -> None:
        super().take(frame)
        if frame["type"] == "ack":
            self.unanswered.pop(frame["id"], None)

    def said_by(self, author: str) -> list[str]:
        """Return what somebody said, in the order in which it was shown."""
        lines = [frame["data"] for frame in self.frames if frame["type"] == "message"]
        return [line["text"] for line in lines if line["author"] == author]


async def read_all(pair: Pair, path: str, token: str, last: int, place: int) -> list[dict[str, Any]]:
    """Return the frames that a client gets who comes once and stays."""
    joint = "&" if "?" in path else "?"
    async with pair.house.socket(f"{path}{joint}after=0", token, pair.urls[place]) as screen:
        async with asyncio.timeout(20):
            while not screen.numbers or screen.numbers[-1] < last:
                screen.frames.append(json.loads(await screen.connection.recv()))
        return [frame for frame in screen.frames if "seq" in frame]
