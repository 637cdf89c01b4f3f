"""The simulated agents: they sign in, take offers, talk, wrap up, open tickets, take their break."""

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from deploy.dev.demo.counted import Served
from deploy.dev.demo.day import AgentPlan
from deploy.dev.demo.door import Json, NewId, Socket
from deploy.dev.demo.living import World

CODES = ("question", "card", "loan", "complaint")
LONGEST_TALK_S = 1000.0  # longer than any customer of the day talks


class Agent:
    """One agent at his desktop."""

    def __init__(self, world: World, plan: AgentPlan, token: str, served: Served) -> None:
        self._world = world
        self._plan = plan
        self._token = token
        self._served = served
        self._new_id = NewId(world.run, plan.agent_id)
        self._dice = random.Random(f"{world.seed}/agent/{plan.agent_id}")
        self._doing: set[asyncio.Task[None]] = set()
        self._wants_to_work = True
        self.socket = Socket(world.door, "/v1/agent/socket?from=now", token, self._new_id)

    async def live(self) -> None:
        """Work until cancelled."""
        self._begin(self._come())
        self._begin(self._take_a_break())
        try:
            async for frame in self.socket.frames():
                if "seq" in frame:
                    self._served.note(frame)
                    self._react(frame)
                for task in [task for task in self._doing if task.done()]:
                    self._doing.discard(task)
                    task.result()  # what went wrong there goes wrong here
        finally:
            self._served.gaps = self.socket.gaps
            for task in self._doing:
                task.cancel()
            await asyncio.gather(*self._doing, return_exceptions=True)

    async def go_home(self) -> None:
        """Sign out."""
        self._wants_to_work = False
        await self.socket.command("sign_out")

    def _begin(self, deed: Coroutine[Any, Any, None]) -> None:
        self._doing.add(asyncio.ensure_future(deed))

    async def _come(self) -> None:
        await self.socket.command("sign_in")
        await self.socket.command("ready")

    async def _take_a_break(self) -> None:
        await self._world.sleep(self._plan.break_at_s)
        await self.socket.command("not_ready", reason="break")
        await self._world.sleep(self._plan.break_s)
        await self.socket.command("ready")

    def _react(self, frame: Json) -> None:
        data = frame["data"]
        match frame["type"]:
            case "offer":
                self._begin(self._answer(data))
            case "assigned":
                self._begin(self._serve(data))
            case "released":
                self._begin(self._wrap_up(data))
            case "state" if data["state"] == "not_ready" and data.get("reason") in ("no_answer", "declined"):
                self._begin(self._be_ready_again())
            case _:
                pass

    async def _be_ready_again(self) -> None:
        await self._world.sleep(15)
        if self._wants_to_work:
            await self.socket.command("ready")

    async def _answer(self, offer: Json) -> None:
        luck = self._dice.random()
        if luck < self._plan.misses:
            return
        await self._world.sleep(self._plan.reaction_s)
        kind = "decline" if luck < self._plan.misses + self._plan.declines else "accept"
        await self.socket.command(kind, offer_id=offer["offer_id"], interaction_id=offer["interaction_id"])

    async def _serve(self, data: Json) -> None:
        contact = data["interaction_id"]
        if data["channel"] == "chat":
            await self._world.sleep(4)
            await self.socket.command("message", interaction_id=contact, text="您好，很高兴为您服务。")
        if self._dice.random() < 0.15:
            await self._open_ticket(data)
        await self._world.sleep(LONGEST_TALK_S * self._dice.uniform(0.3, 1))
        if contact in self._served.assigned_at:
            await self.socket.command("end", interaction_id=contact, reason="solved")

    async def _open_ticket(self, data: Json) -> None:
        body = {
            "type": "question",
            "priority": "normal",
            "subject": "Follow-up",
            "description": "Call the customer back.",
            "session_id": data["session_id"],
            "interaction_id": data["interaction_id"],
        }
        headers = {"idempotency-key": self._new_id()}
        await self._world.door.send("POST", "/v1/tickets", self._token, body, **headers)

    async def _wrap_up(self, data: Json) -> None:
        await self._world.sleep(self._plan.wrap_up_s)
        with suppress(TimeoutError):
            await self.socket.command(
                "wrap_up",
                interaction_id=data["interaction_id"],
                codes=[self._dice.choice(CODES)],
                notes="已解决",
            )
