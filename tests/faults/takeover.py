"""How soon a replica goes on with what a killed one has left, beside bare clients killed just then."""

import asyncio
import random
import re
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.dev.processes import Child
from deploy.dev.settings import ROOT
from libs.settings import SERVICES
from tests.faults.evidence import Finding
from tests.faults.house import SESSION_S, House

WITHIN_S = 40.0
SLACK = 1.2  # the two were heard of last at different moments, up to a quarter of a session apart
BARE = "bare clients"
LAG = re.compile(r'^trunkline_bus_lag\{group="([^"]+)",partition="(\d+)",topic="([^"]+)"\}', re.MULTILINE)
Place = tuple[str, str, str]  # group, partition, topic


async def takeover(house: House, dice: random.Random) -> None:
    """Kill one replica of each service, and time until the other has read of all its partitions."""
    with TemporaryDirectory(prefix="bare-") as folder:
        pair = [BareMember(house, Path(folder), number) for number in range(2)]
        try:
            for service in (*SERVICES, "gateway"):
                await _until(lambda: _share(pair), "the bare clients have not shared their partitions")
                await _take_over(house, service, dice, pair)
        finally:
            for each in pair:
                each.child.kill()


async def _take_over(house: House, service: str, dice: random.Random, pair: list["BareMember"]) -> None:
    names = house.replicas(service)
    dice.shuffle(names)
    dead, survivor = names
    await asyncio.sleep(1)
    left = await asyncio.to_thread(places_of, house, dead)
    if not left:  # it has read nothing yet, as the reader of dead letters on a good day
        house.note(f"kill -9 of one {service}, which had nothing to read")
        await house.kill(dead)
        await house.restart(dead)
        return
    bare_dead, bare_survivor = pair
    bare_left = bare_dead.places
    at = time.monotonic()
    bare_dead.child.kill()
    await house.kill(dead)
    house.note(f"kill -9 of one {service}")

    async def ours() -> float:
        while not left <= await asyncio.to_thread(places_of, house, survivor):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return time.monotonic() - at

    async def bare() -> float:
        while (took := bare_survivor.read_all(bare_left, at)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return took - at

    async with asyncio.timeout(WITHIN_S):
        took, bare_took = await asyncio.gather(ours(), bare())
    house.takeovers.setdefault(service, []).append(took)
    house.takeovers.setdefault(f"{service}, {BARE}", []).append(bare_took)
    bare_dead.child.start()
    await house.restart(dead)


class BareMember:
    """One of two bare clients of a group."""

    def __init__(self, house: House, folder: Path, number: int) -> None:
        self._file = folder / f"{number}.lines"
        self._file.touch()
        module = "tests.faults.bare_member"
        command = [sys.executable, "-m", module, house.broker.address, "bare", str(self._file)]
        self.child = Child(command, folder / f"{number}.log", {}, ROOT)
        self.child.start()

    @property
    def _lines(self) -> list[tuple[float, set[str]]]:
        whole = self._file.read_text(encoding="utf-8").rpartition("\n")[0]  # the last one may be half written
        rows = [line.split() for line in whole.splitlines()]
        return [(float(row[0]), set(row[1:])) for row in rows]

    @property
    def places(self) -> set[str]:
        """Return what it reads now."""
        lines = self._lines
        return lines[-1][1] if lines else set()

    def read_all(self, places: set[str], since: float) -> float | None:
        """Return when it read all of the places, after a moment."""
        return next((at for at, reads in self._lines if at > since and places <= reads), None)


def _share(pair: list[BareMember]) -> bool:
    """Return whether each of the two reads something, and nothing is read by both."""
    first, second = (each.places for each in pair)
    return bool(first) and bool(second) and not first & second


async def _until(done: Callable[[], bool], otherwise: str) -> None:
    give_up = time.monotonic() + WITHIN_S
    while not done():
        if time.monotonic() > give_up:
            raise AssertionError(otherwise)
        await asyncio.sleep(0.1)


def in_time(takeovers: Mapping[str, Sequence[float]]) -> Finding:
    """
    Return what is too late: more than 1.2 x the session time-out, or than what bare clients needed just then.

    That they needed longer than a session is the broker's doing, which lets a group that forms anew wait.
    """
    late = []
    checked = 0
    for service, times in takeovers.items():
        for took, bare in zip(times, takeovers.get(f"{service}, {BARE}", ()), strict=False):
            checked += 1
            if took > SLACK * max(SESSION_S, bare):
                late.append(f"{service} was taken over after {took:.1f} s, bare clients after {bare:.1f} s")
    says = "a replica takes over within the session time-out, or as soon as bare clients do"
    return Finding("T", says, checked, tuple(late))


def places_of(house: House, name: str) -> set[Place]:
    """Return what a process says it reads: a partition shows once something was read of it and committed."""
    try:
        with urllib.request.urlopen(house.stack.metrics_url(name), timeout=2) as answer:
            return set(LAG.findall(answer.read().decode()))
    except OSError:
        return set()
