"""The simulated customers: they browse, ask self-service, wait, lose patience, talk, and say how it was."""

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from deploy.dev.demo.counted import Seen
from deploy.dev.demo.day import PAGES, Customer
from deploy.dev.demo.door import Json, NewId, cloud_event
from deploy.dev.demo.living import CallSide, ChatSide, Side, World

KEYS = {"balance": "1", "loss": "2", "loan": "3", "person": "0"}


async def live(world: World, plan: Customer, contacts: dict[str, Seen]) -> None:
    """Live one customer's visit, and put what he sees of his contact into `contacts`."""
    new_id = NewId(world.run, f"customer{plan.number}")
    side: ChatSide | CallSide
    if plan.channel == "voice":
        side = CallSide(world, plan, new_id)
    else:
        visitor = await world.door.send("POST", "/v1/visitors", "", {"tenant": "demo"})
        await _browse(world, plan, str(visitor["visitor_id"]), new_id)
        if plan.channel == "web":
            return
        side = ChatSide(world, plan, str(visitor["access_token"]), new_id)
    seen = contacts[side.interaction_id] = Seen(side.interaction_id)
    visit = Visit(world, plan, seen, side)
    try:
        await visit.live()
    finally:
        seen.gaps = side.socket.gaps


async def _browse(world: World, plan: Customer, visitor_id: str, new_id: NewId) -> None:
    for number, page in enumerate(plan.pages, 1):
        url, title = PAGES[page]
        data = {"visitor_id": visitor_id, "url": f"https://bank.example{url}", "title": title}
        event = cloud_event(new_id(), "trunkline.visitor.page_viewed.v1", world.time(), data, number)
        await world.door.publish(world.adapter_token, [event])
        await world.sleep(20)


class Visit:
    """One contact from the customer's side: he reads frames and acts on them."""

    def __init__(self, world: World, plan: Customer, seen: Seen, side: Side) -> None:
        self._world = world
        self._plan = plan
        self._seen = seen
        self._side = side
        self._dice = random.Random(f"{world.seed}/visit/{plan.number}")
        self._menus = 0
        self._gone = False
        self._doing: list[asyncio.Task[None]] = []

    async def live(self) -> None:
        """Take part until the contact is closed and the survey, if there is one, counted."""
        self._begin(self._side.start())
        try:
            async for frame in self._side.socket.frames():
                self._seen.note(frame)
                self._react(frame)
                if self._is_over():
                    return
                for task in self._doing:
                    if task.done() and not task.cancelled():
                        task.result()  # what went wrong there goes wrong here
        finally:
            for task in self._doing:
                task.cancel()
            await asyncio.gather(*self._doing, return_exceptions=True)

    def _react(self, frame: Json) -> None:
        data = frame["data"]
        match frame["type"]:
            case "prompt" if data["choices"]:
                self._menus += 1
                self._begin(self._choose(self._menus))
            case "prompt" if "四位" in data["text"] or "four digits" in data["text"]:
                self._begin(self._later(self._side.say("1234")))
            case "self_service_ended" if data["outcome"] == "self_served":
                self._begin(self._go("done", 10))
            case "queued" | "requeued":
                self._begin(self._lose_patience())
            case "agent_joined":
                self._begin(self._talk())
            case "survey_requested" if self._plan.csat is not None:
                self._begin(self._side.survey(self._plan.csat))
            case _:
                pass

    def _begin(self, deed: Coroutine[Any, Any, None]) -> None:
        self._doing.append(asyncio.ensure_future(deed))

    def _is_over(self) -> bool:
        if not self._seen.is_whole:
            return False
        return self._seen.outcome != "handled" or self._plan.csat is None or self._seen.surveyed

    async def _later(self, deed: Coroutine[Any, Any, None]) -> None:
        await self._world.sleep(self._dice.uniform(3, 9))
        await deed

    async def _choose(self, menu: int) -> None:
        await self._world.sleep(self._dice.uniform(3, 9))
        if self._plan.wants == "leave_menu":
            await self._go("changed his mind", 0)
        else:
            await self._side.press(KEYS[self._plan.wants] if menu == 1 else "0")

    async def _lose_patience(self) -> None:
        waited_for = len(self._seen.waits_ms)
        await self._world.sleep(self._plan.patience_s)
        if len(self._seen.waits_ms) == waited_for:
            await self._go("impatient", 0)

    async def _talk(self) -> None:
        with suppress(asyncio.CancelledError):
            if self._plan.channel == "chat":
                await self._world.sleep(5)
                await self._side.say("你好，请帮我查一下。" if self._plan.language == "zh-CN" else "Hello!")
            await self._world.sleep(self._plan.talk_s)
            # Half of the customers hang up themselves; of the others the agent takes leave a little later.
            if self._dice.random() < 0.5:
                await self._go("finished", 0)

    async def _go(self, reason: str, after_s: float) -> None:
        await self._world.sleep(after_s)
        if not self._gone:
            self._gone = True
            await self._side.leave(reason)
