"""The world outside of the platform: doors through which people tell facts and see what they are told."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

from gateway.frames import SUPERVISORS, agent_stream, interaction_stream
from gateway.journeys import agent_journey, interaction_journey, visitor_journey
from libs import wire
from libs.errors import Unavailable
from libs.events.base import AnyEvent, Event, Fact, follow_id
from libs.stored import Key
from tests.simulation.broker import SimBus
from tests.simulation.script import Person
from tests.simulation.services import Platform
from tests.simulation.world import Process


class Door:
    """How one person reaches the platform; his client tries again, under the same ids, until it is taken."""

    def __init__(self, platform: Platform, person: Person, process: Process) -> None:
        self.platform = platform
        self.world = platform.world
        self.person = person
        self.skew_s = person.skew_s
        self._bus = SimBus(platform.broker, process, f"/adapters/{person.kind}")
        self._count = 0

    def now(self) -> datetime:
        """Return the time on this person's clock, cut as the wire cuts it."""
        return wire.parse_time(wire.format_time(self.world.now() + timedelta(seconds=self.skew_s)))

    async def tell(self, *facts: Fact, times: int = 1) -> None:
        """Tell facts; `times` of them the same event again, as a client does that was not answered."""
        events = [self._event(fact) for fact in facts]
        self.world.note(self.person.name, "; ".join(f"{_named(each.data)}" for each in events))
        for _ in range(times):
            await self._send(events)

    def _event(self, fact: Fact) -> AnyEvent:
        self._count += 1
        person = self.person
        said = fact.__dict__
        if name := said.get("visitor_id"):
            journey = visitor_journey(person.tenant, name)
        elif name := said.get("interaction_id") or said.get("contact_id"):
            journey = interaction_journey(person.tenant, name)
        else:
            journey = agent_journey(person.tenant, person.name)
        event_id = follow_id(f"{person.tenant}/{person.name}/{self._count}", "told")
        return Event(event_id, person.tenant, self.now(), fact, journey)

    async def _send(self, events: list[AnyEvent]) -> None:
        while True:
            try:
                await self._bus.publish(events)
                return
            except Unavailable:
                await asyncio.sleep(0.3)

    async def send_records(self, records: list[wire.Record]) -> None:
        """Write what is no event."""
        while True:
            try:
                await self._bus.publish_records(records)
                return
            except Unavailable:
                await asyncio.sleep(0.3)

    async def frames(self, stream: str) -> AsyncIterator[dict[str, Any]]:
        """Yield what a stream tells, each frame once and in order; fails where numbers have a gap."""
        shelf = self.platform.shelves["streams"]
        key = Key(self.person.tenant, stream)
        news = asyncio.Event()
        shelf.changed.append(lambda changed: news.set() if changed == key else None)
        seen = 0
        while True:
            news.clear()
            stored = shelf.kept.get(key)
            for seq, text in stored.state.since(seen) if stored else ():
                if seq != seen + 1:
                    self.world.fail("I4 frames", f"{stream}: frame {seq} follows {seen}")
                seen = seq
                yield json.loads(text)
            await news.wait()
            await asyncio.sleep(0.02)

    def of_agent(self) -> AsyncIterator[dict[str, Any]]:
        return self.frames(agent_stream(self.person.name))

    def of_interaction(self, interaction_id: str) -> AsyncIterator[dict[str, Any]]:
        return self.frames(interaction_stream(interaction_id))

    def of_supervisors(self) -> AsyncIterator[dict[str, Any]]:
        return self.frames(SUPERVISORS)


def _named(fact: Fact) -> str:
    said = {
        name: value
        for name, value in fact.__dict__.items()
        if name != "pii" and value not in ("", (), {}, None)
    }
    return f"{fact.type.removeprefix('trunkline.')} {said}"
