"""How soon a replica goes on with what a killed one has left: kill -9 of one of each service, timed."""

import asyncio
import random
import re
import time
import urllib.request

from libs.settings import SERVICES
from tests.faults.house import House

WITHIN_S = 40.0
LAG = re.compile(r'^trunkline_bus_lag\{group="([^"]+)",partition="(\d+)",topic="([^"]+)"\}', re.MULTILINE)
Place = tuple[str, str, str]  # group, partition, topic


async def takeover(house: House, dice: random.Random) -> None:
    """Kill one replica of each service, and time until the other has read of all its partitions."""
    for service in (*SERVICES, "gateway"):
        await asyncio.sleep(1)
        names = house.replicas(service)
        dice.shuffle(names)
        dead, survivor = names
        left = await asyncio.to_thread(places_of, house, dead)
        at = time.monotonic()
        await house.kill(dead)
        house.note(f"kill -9 of one {service}")
        while time.monotonic() < at + WITHIN_S:
            if left <= await asyncio.to_thread(places_of, house, survivor):
                house.takeovers.setdefault(service, []).append(time.monotonic() - at)
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError(f"{survivor} has not taken over {left} within {WITHIN_S:g} s")
        await house.restart(dead)


def places_of(house: House, name: str) -> set[Place]:
    """Return what a process says it reads: a partition shows once something was read of it and committed."""
    try:
        with urllib.request.urlopen(house.stack.metrics_url(name), timeout=2) as answer:
            return set(LAG.findall(answer.read().decode()))
    except OSError:
        return set()
