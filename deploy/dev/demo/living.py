"""What all simulated people share: the world they live in, and the two sides a customer can come from."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from deploy.dev.demo.day import Customer
from deploy.dev.demo.door import Door, DoorClosed, Json, NewId, Socket, cloud_event

KNOWN_PHONES = 40  # customers 138 0000 0001 ... 138 0000 0040 are seeded


@dataclass(frozen=True, slots=True)
class World:
    """What everybody in the simulation has in common. A virtual second lasts 1/pace of a real one."""

    door: Door
    run: str
    pace: float
    seed: int
    adapter_token: str
    now: Callable[[], datetime]

    async def sleep(self, virtual_s: float) -> None:
        await asyncio.sleep(virtual_s / self.pace)

    def time(self) -> str:
        return self.now().isoformat(timespec="milliseconds")


def identities(plan: Customer) -> list[Json]:
    """Return how a customer can be known."""
    if not plan.known:
        return []
    return [{"kind": "phone", "value": f"+861380000{plan.number % KNOWN_PHONES + 1:04d}"}]


class Side(Protocol):
    """What a customer can do, whatever his channel."""

    socket: Socket

    async def start(self) -> None: ...

    async def press(self, key: str) -> None: ...

    async def say(self, text: str) -> None: ...

    async def survey(self, csat: int) -> None: ...

    async def leave(self, reason: str) -> None: ...


class ChatSide:
    """A visitor of the web site, over the chat socket."""

    def __init__(self, world: World, plan: Customer, token: str, new_id: NewId) -> None:
        self.interaction_id = f"{world.run}-chat-{plan.number}"
        path = f"/v1/chat/socket?interaction_id={self.interaction_id}"
        self.socket = Socket(world.door, path, token, new_id)
        self._plan = plan

    async def start(self) -> None:
        await self._do(
            "start",
            entry_point="web-chat",
            language=self._plan.language,
            identities=identities(self._plan),
            context={"page": "/contact"},
        )

    async def press(self, key: str) -> None:
        await self._do("choose", key=key)

    async def say(self, text: str) -> None:
        await self._do("message", text=text)

    async def survey(self, csat: int) -> None:
        await self._do("survey", csat=csat)

    async def leave(self, reason: str) -> None:
        await self._do("end", reason=reason)

    async def _do(self, kind: str, **fields: object) -> None:
        answer = await self.socket.command(kind, **fields)
        # The agent may have ended the chat at the same moment; everything else must be taken.
        if answer.get("type") != "ack" and kind not in ("message", "end"):
            raise DoorClosed(f"{kind} was refused: {answer}")


class CallSide:
    """A caller, as the adapter of a telephone system tells of him."""

    def __init__(self, world: World, plan: Customer, new_id: NewId) -> None:
        self.interaction_id = f"{world.run}-call-{plan.number}"
        path = f"/v1/interactions/{self.interaction_id}/socket"
        self.socket = Socket(world.door, path, world.adapter_token, new_id)
        self._world = world
        self._plan = plan
        self._new_id = new_id
        self._told = 0

    async def start(self) -> None:
        started: Json = {
            "channel": "voice",
            "entry_point": "hotline",
            "language": self._plan.language,
            "pii": {"identities": identities(self._plan)},
        }
        await self._tell("started", started)

    async def press(self, key: str) -> None:
        await self._tell("input_received", {"kind": "key", "pii": {"value": key}})

    async def say(self, text: str) -> None:
        await self._tell("input_received", {"kind": "key", "pii": {"value": text}})

    async def survey(self, csat: int) -> None:
        await self._tell("survey_submitted", {"csat": csat})

    async def leave(self, reason: str) -> None:
        await self._tell("ended", {"by": "customer", "reason": reason})

    async def _tell(self, fact: str, data: Json) -> None:
        self._told += 1
        kind = f"trunkline.interaction.{fact}.v1"
        data = {"interaction_id": self.interaction_id, **data}
        event = cloud_event(self._new_id(), kind, self._world.time(), data, self._told)
        await self._world.door.publish(self._world.adapter_token, [event])
