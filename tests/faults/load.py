"""Seeded people who come through the outer doors only, and note every acknowledgement they get."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

from deploy.dev.demo.__main__ import live
from deploy.dev.demo.counted import Seen, Served
from deploy.dev.demo.door import Door, DoorClosed, Json, cloud_event
from deploy.dev.demo.living import World
from libs import clock
from tests.faults.acknowledged import AcknowledgementLog
from tests.faults.house import House

STRANGERS = 4  # contacts of the other tenant in a day


async def days(
    house: House,
    log: AcknowledgementLog,
    run: str,
    seed: int,
    injure: Callable[[House, random.Random], Awaitable[None]],
    *,
    customers: int,
    agents: int,
    pace: float,
    now: clock.Now = clock.now,
) -> tuple[dict[str, Seen], list[Served]]:
    """Live one day after another until the injury is done; return what the people saw themselves."""
    door = Door(*house.stack.gateway_urls, witness=log)
    contacts: dict[str, Seen] = {}
    served: list[Served] = []
    try:
        token, stranger = await door.token("adapter1"), await door.token("acme-adapter1")
        injuring = asyncio.ensure_future(injure(house, random.Random(f"{run}/{seed}")))
        number = 0
        while number == 0 or not injuring.done():
            world = World(door, f"{run}-{number}", pace, seed * 1000 + number, token, now)
            foreign = asyncio.ensure_future(_strangers(replace(world, adapter_token=stranger), house))
            seen, worked = await live(world, customers, agents)
            await foreign
            contacts |= seen
            served += worked
            number += 1
        await injuring
    except DoorClosed as closed:
        raise AssertionError(f"somebody was let down: {closed}") from closed
    finally:
        await door.close()
    return contacts, served


async def _strangers(world: World, house: House) -> None:
    """Let a few contacts of the other tenant come and go; what only they know is a canary."""
    house.canaries.setdefault("acme", f"canary-{world.run}")
    for number in range(STRANGERS):
        contact = f"{world.run}-acme-{number}"
        started: Json = {
            "interaction_id": contact,
            "channel": "voice",
            "entry_point": "hotline",
            "pii": {"display_name": house.canaries["acme"]},
        }
        ended: Json = {"interaction_id": contact, "by": "customer", "reason": "wrong number"}
        for place, (fact, data) in enumerate((("started", started), ("ended", ended)), 1):
            kind = f"trunkline.interaction.{fact}.v1"
            event = cloud_event(f"{contact}-{place}", kind, world.time(), data, place)
            await world.door.publish(world.adapter_token, [event])
            await asyncio.sleep(0.3)
