"""People who do everything at once: hang up as the agent answers, sign out at the offer, click twice."""

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from deploy.dev.demo.door import Door, Json, NewId, Socket
from libs import clock
from tests.faults.house import House

AGENTS = ("agent11", "agent12")  # not those of the load
CUSTOMERS = 16
AT_ONCE = 4


async def races(house: House, dice: random.Random) -> None:
    """Let impatient customers meet agents who do two things at once."""
    door = Door(*house.stack.gateway_urls, witness=house.witness)
    run = f"race-{clock.now():%H%M%S%f}"
    try:
        agents = [WildAgent(door, await door.token(name), run, name, dice) for name in AGENTS]
        working = [asyncio.create_task(agent.live()) for agent in agents]
        gate = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(_hasty_customer(house, door, run, n, dice, gate) for n in range(CUSTOMERS)))
        for agent in agents:
            await agent.socket.command("sign_out")
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
    finally:
        await door.close()


async def _hasty_customer(
    house: House, door: Door, run: str, number: int, dice: random.Random, gate: asyncio.Semaphore
) -> None:
    """Ask for a person, twice, and leave at any moment: as he is offered, as he is answered, or later."""
    async with gate, asyncio.TaskGroup() as clicks:
        visitor = await door.send("POST", "/v1/visitors", "", {"tenant": "demo"})
        path = f"/v1/chat/socket?interaction_id={run}-chat-{number}"
        socket = Socket(door, path, str(visitor["access_token"]), NewId(run, f"customer{number}"))
        leaves_at = dice.choice(("prompt", "queued", "agent_joined", "message"))
        leaving, closed = asyncio.Event(), asyncio.Event()

        async def look() -> None:
            async for frame in socket.frames():
                if frame["type"] == "prompt" and frame["data"].get("choices"):
                    for _ in range(2):
                        clicks.create_task(socket.command("choose", key="0"))
                    house.note("race: double click of a customer")
                if frame["type"] == leaves_at:
                    leaving.set()
                if frame["type"] == "closed":
                    leaving.set()
                    closed.set()

        looking = asyncio.create_task(look())
        await socket.command("start", entry_point="web-chat", language="en")
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await leaving.wait()
        await asyncio.gather(*(socket.command("end", reason="gone") for _ in range(2)))
        house.note(f"race: hung up at {leaves_at}")
        async with asyncio.timeout(60):
            await closed.wait()
        looking.cancel()


class WildAgent:
    """Answers each offer in two ways at once, or leaves at it."""

    def __init__(self, door: Door, token: str, run: str, name: str, dice: random.Random) -> None:
        self._name = name
        self._dice = dice
        self._doing: set[asyncio.Task[Any]] = set()
        self.socket = Socket(door, "/v1/agent/socket?from=now", token, NewId(run, name))

    async def live(self) -> None:
        self._begin(self._come())
        async for frame in self.socket.frames():
            data = frame.get("data", {})
            match frame["type"]:
                case "offer":
                    self._begin(self._answer(data))
                case "assigned":
                    self._begin(self._serve(data["interaction_id"]))
                case "state" if data["state"] in ("signed_out", "not_ready"):
                    self._begin(self._come())

    def _begin(self, deed: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(deed)
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    async def _come(self) -> None:
        await asyncio.sleep(0.2)
        await self.socket.command("sign_in")
        await self.socket.command("ready")

    async def _answer(self, offer: Json) -> None:
        given = {"offer_id": offer["offer_id"], "interaction_id": offer["interaction_id"]}
        do = self.socket.command
        match self._dice.randrange(4):
            case 0:
                await asyncio.gather(do("accept", **given), do("accept", **given))
            case 1:
                await asyncio.gather(do("accept", **given), do("decline", **given))
            case 2:
                await asyncio.gather(do("sign_out"), do("accept", **given))
            case _:
                await do("accept", **given)

    async def _serve(self, interaction_id: str) -> None:
        await asyncio.sleep(self._dice.uniform(0, 0.3))
        do = self.socket.command
        deeds = [
            do("transfer", interaction_id=interaction_id, to_agent_id=self._name),
            do("end", interaction_id=interaction_id, reason="done"),
            do("end", interaction_id=interaction_id, reason="done"),
        ]
        self._dice.shuffle(deeds)
        await asyncio.gather(*deeds)
        await do("wrap_up", interaction_id=interaction_id, codes=["question"])
