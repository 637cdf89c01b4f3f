"""Adapters that are late, out of order, or of another tenant than the contacts they tell of."""

import asyncio
import random

from deploy.dev.demo.door import Door, DoorClosed, Json, cloud_event
from libs import clock
from tests.faults.evidence import CLOSED, Poison
from tests.faults.house import House

LATE_CONTACTS = 24
LATE_S = 5.0
AT_ONCE = 8
CLAIMED = 12  # contacts that an adapter of the other tenant speaks of


async def late(house: House, dice: random.Random) -> None:
    """Tell of contacts in any order: only the start is in time, all else up to some seconds late."""
    door = Door(*house.stack.gateway_urls, witness=house.witness)
    run = f"late-{clock.now():%H%M%S%f}"
    try:
        token = await door.token("adapter1")
        gate = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(
            *(_late_contact(house, door, token, f"{run}-{n}", dice, gate) for n in range(LATE_CONTACTS))
        )
    finally:
        await door.close()


async def _late_contact(
    house: House, door: Door, token: str, contact: str, dice: random.Random, gate: asyncio.Semaphore
) -> None:
    """Start a call; then let the key, the queue, the survey and the end come as they like, some twice."""
    began = clock.now()

    async def tell(place: int, fact: str, **data: object) -> None:
        kind = f"trunkline.interaction.{fact}.v1"
        event = cloud_event(
            f"{contact}-{place}", kind, began.isoformat(), {"interaction_id": contact, **data}, place
        )
        await door.publish(token, [event])

    async def tell_late(place: int, fact: str, data: Json) -> None:
        for _ in range(dice.randint(1, 2)):
            await asyncio.sleep(dice.uniform(0, LATE_S))
            await tell(place, fact, **data)
            house.note(f"late: {fact} out of order")

    async with gate:
        await tell(1, "started", channel="voice", entry_point="hotline")
        rest: tuple[tuple[str, Json], ...] = (
            ("input_received", {"kind": "key", "pii": {"value": "0"}}),
            ("survey_submitted", {"csat": 4}),
            ("ended", {"by": "customer", "reason": "gone"}),
        )
        await asyncio.gather(*(tell_late(place, fact, data) for place, (fact, data) in enumerate(rest, 2)))


async def foreign(house: House, dice: random.Random) -> None:
    """
    Let an adapter of one tenant end the living contacts of another, which it knows by their ids.

    Said in its own name it is of a contact that never started there, so it becomes a dead letter; said in the
    other's name it is refused at the door.
    """
    door = house.door()
    try:
        token = await door.token("acme-adapter1")
        await asyncio.sleep(2)
        claims: set[str] = set()
        for _ in range(3):
            living = await _living(house)
            for contact in dice.sample(living, min(CLAIMED, len(living))):
                end = _end_of(house, contact, f"claim-{dice.getrandbits(60):x}")
                await door.publish(token, [end])
                claims.add(end["id"])
                house.note("contact ended by an adapter of another tenant")
                await _is_refused(door, token, {**end, "id": f"{end['id']}-named", "tenant": "demo"})
                house.note("event in the name of another tenant")
            await asyncio.sleep(2)
    finally:
        await door.close()
    for row in await house.rows():
        if row.topic == "trunkline.interaction" and row.id in claims:
            house.poison.append(Poison(row.place, "unknown_interaction"))


async def _living(house: House) -> list[str]:
    """Return the contacts of the other tenant that have begun and not ended."""
    contacts: dict[str, set[str]] = {"interaction.started": set(), CLOSED: set()}
    for row in await house.rows():
        if row.tenant == "demo" and row.name in contacts:
            contacts[row.name].add(row.data["interaction_id"])
    return sorted(contacts["interaction.started"] - contacts[CLOSED])


def _end_of(house: House, contact: str, event_id: str) -> Json:
    ended = {"interaction_id": contact, "by": "customer", "reason": house.canaries["acme"]}
    return cloud_event(event_id, "trunkline.interaction.ended.v1", clock.now().isoformat(), ended, 1)


async def _is_refused(door: Door, token: str, event: Json) -> None:
    try:
        await door.publish(token, [event])
    except DoorClosed as refused:
        if "foreign_tenant" not in str(refused):
            raise
    else:
        raise AssertionError("an event in the name of another tenant was taken")
