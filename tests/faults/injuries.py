"""The faults: what is done to processes, servers, the network and the topics while people are at it."""

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM

import pymongo.errors

from deploy.dev.processes import ServerFailed
from libs.settings import SERVICES
from tests.faults.house import SESSION_S, House
from tests.faults.proxy import Direction, Proxy

Injure = Callable[[House, random.Random], Awaitable[None]]

BREATH_S = 2.0  # between two faults, so that each meets a platform at work
CRASHES_WITHIN_S = 8.0  # once it is ready; else it has nothing to do
CRASHES_AT_ONCE = 3
SKEW_S = 8.0  # less than what tokens are forgiven (10 s at the door, 15 s between services)
SKEWED_S = 20.0
PROCESSES = (*SERVICES, "gateway")


def together(*injuries: Injure) -> Injure:
    """Do several things at once."""

    async def injure(house: House, dice: random.Random) -> None:
        await asyncio.gather(*(each(house, dice) for each in injuries))

    return injure


def in_turn(*injuries: Injure) -> Injure:
    """Do several things one after the other."""

    async def injure(house: House, dice: random.Random) -> None:
        for each in injuries:
            await each(house, dice)

    return injure


async def nothing(house: House, dice: random.Random) -> None:
    """Do no harm: what the checker says of a good day."""
    await asyncio.sleep(5)


# --- processes ---------------------------------------------------------------------------------


def kill_at(step: str, processes: tuple[str, ...] = PROCESSES) -> Injure:
    """Kill each of the processes at a step of its work, its replica going on meanwhile."""

    async def injure(house: House, dice: random.Random) -> None:
        gate = asyncio.Semaphore(CRASHES_AT_ONCE)

        async def crash(service: str, passes: int) -> None:
            async with gate:
                await _crash(house, service, step, passes)

        await asyncio.gather(*(crash(service, dice.randint(1, 4)) for service in processes))

    return injure


async def _crash(house: House, service: str, step: str, passes: int) -> None:
    """Let a replica be one that dies at the step; where it has nothing to do, let it be the other one."""
    module = service if service == "gateway" else f"services.{service}"
    names = house.replicas(service)
    for name, other in zip(names, reversed(names), strict=True):
        await house.kill(name, SIGTERM)
        command = (sys.executable, "-m", "tests.faults.crashing", module, step, str(passes))
        await asyncio.to_thread(house.stack.launch, name, command)
        with suppress(ServerFailed):  # it may die of its first work, before it says that it is ready
            await asyncio.to_thread(house.stack.await_ready, name)
        if service == "gateway" and house.stack.child(name).is_alive():
            await _restart_gently(house, other)  # people have gone there, and come back
        died = await _dies(house, name)
        ended = await house.kill(name)
        if ended != -SIGKILL:
            raise AssertionError(f"{name} ended with {ended} before it was killed")
        house.note(f"kill -9 of {service} when {step if died else 'idle'}")
        await asyncio.to_thread(house.stack.put_back, name)
        await house.restart(name)
        if died:
            return


async def _dies(house: House, name: str) -> bool:
    child = house.stack.child(name)
    for _ in range(round(CRASHES_WITHIN_S / 0.1)):
        if not child.is_alive():
            return True
        await asyncio.sleep(0.1)
    return False


async def kill_each(house: House, dice: random.Random) -> None:
    """Kill every process once, at whatever it is just doing, in any order."""
    names = list(house.stack.names)
    dice.shuffle(names)
    for name in names:
        await asyncio.sleep(dice.uniform(0, 1))
        await house.kill(name)
        house.note(f"kill -9 of {name.partition('-')[0]}")
        await house.restart(name)


async def kill_both(house: House, dice: random.Random) -> None:
    """Kill all replicas of a service at once and start them again, one service after the other."""
    for service in PROCESSES:
        await asyncio.sleep(1)
        names = house.replicas(service)
        await asyncio.gather(*map(house.kill, names))
        house.note(f"kill -9 of {service}, all replicas", len(names))
        await asyncio.gather(*map(house.restart, names))


async def rolling_restart(house: House, dice: random.Random) -> None:
    """End every process by SIGTERM and start it again, one after the other."""
    for name in house.stack.names:
        await _restart_gently(house, name)


async def rolling_halves(house: House, dice: random.Random) -> None:
    """The same in two steps: one replica of everything at once, then the other."""
    for number in ("-2", ""):
        names = [name for name in house.stack.names if name.endswith("-2") == bool(number)]
        await asyncio.gather(*(_restart_gently(house, name) for name in names))


async def _restart_gently(house: House, name: str) -> None:
    ended = await house.kill(name, SIGTERM)
    house.note(f"SIGTERM of {name.partition('-')[0]}")
    if ended != 0:
        raise AssertionError(f"{name} ended with {ended} when asked to stop")
    await house.restart(name)


async def two_owners(house: House, dice: random.Random) -> None:
    """Stop each routing process past its session, so that the other takes its pools, and let it go on."""
    for name in house.replicas("routing"):
        await asyncio.sleep(BREATH_S)
        house.signal(name, SIGSTOP)
        await asyncio.sleep(SESSION_S + 3)
        house.signal(name, SIGCONT)
        house.note("routing stopped past its session, and resumed")


async def wrong_clocks(house: House, dice: random.Random) -> None:
    """Let one replica of everything be ahead and the other's clock jump, for a while, and set them right."""
    await asyncio.gather(*(_skew(house, name, dice) for name in house.stack.names))
    await asyncio.sleep(SKEWED_S)
    for half in (True, False):
        names = [name for name in house.stack.names if name.endswith("-2") == half]
        await asyncio.gather(*(_set_right(house, name) for name in names))


async def _skew(house: House, name: str, dice: random.Random) -> None:
    service, _, number = name.partition("-")
    module = service if service == "gateway" else f"services.{service}"
    offsets = (SKEW_S,) if number else (0.0, SKEW_S, -SKEW_S)
    await house.kill(name, SIGTERM)
    command = (sys.executable, "-m", "tests.faults.skewing", module, *map(str, offsets))
    await asyncio.to_thread(house.stack.launch, name, command)
    await asyncio.to_thread(house.stack.await_ready, name)
    house.note(f"clock of a process {'ahead' if number else 'jumping'} by {SKEW_S:g} s")


async def _set_right(house: House, name: str) -> None:
    await house.kill(name, SIGTERM)
    await asyncio.to_thread(house.stack.put_back, name)
    await house.restart(name)


async def slow_consumer(house: House, dice: random.Random) -> None:
    """Let analytics and recording work in fits and starts."""
    names = [*house.replicas("analytics"), *house.replicas("recording")]
    for _ in range(6):
        for name in names:
            house.signal(name, SIGSTOP)
        await asyncio.sleep(SESSION_S / 4)
        for name in names:
            house.signal(name, SIGCONT)
        await asyncio.sleep(0.3)
        house.note("slow consumer", len(names))


# --- broker and database -----------------------------------------------------------------------


def stop_broker(stopped_s: float) -> Injure:
    """Stop the broker for a while, as a machine that swaps would."""

    async def injure(house: House, dice: random.Random) -> None:
        await asyncio.sleep(BREATH_S)
        house.broker.signal(SIGSTOP)
        await asyncio.sleep(stopped_s)
        house.broker.signal(SIGCONT)
        house.note(f"broker stopped for {stopped_s:g} s")
        await asyncio.sleep(BREATH_S)

    return injure


async def disk_full(house: House, dice: random.Random) -> None:
    """Fill the disk of the object store, and make room again after a while."""
    disk = house.small_disk
    if disk is None:
        house.note("disk full: not possible here, a disk cannot be mounted")
        return
    ballast = disk / "ballast"
    await asyncio.sleep(BREATH_S)
    await asyncio.to_thread(_fill, ballast)
    await asyncio.sleep(6)
    await asyncio.to_thread(ballast.unlink)
    house.note("disk of the object store full for 6 s")


def _fill(ballast: Path) -> None:
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        for size in (2**20, 2**10, 1):
            with suppress(OSError):
                while file.write(b"x" * size):
                    pass


def stop_mongo(stopped_s: float) -> Injure:
    """Stop the database for a while."""

    async def injure(house: House, dice: random.Random) -> None:
        await asyncio.sleep(BREATH_S)
        house.mongo.signal(SIGSTOP)
        await asyncio.sleep(stopped_s)
        house.mongo.signal(SIGCONT)
        house.note(f"mongod stopped for {stopped_s:g} s")
        await asyncio.sleep(BREATH_S)

    return injure


async def kill_mongo(house: House, dice: random.Random) -> None:
    """Kill the database and start it again, twice."""
    for _ in range(2):
        await asyncio.sleep(BREATH_S)
        await asyncio.to_thread(house.mongo.kill)
        house.note("kill -9 of mongod")
        await asyncio.sleep(1)
        await asyncio.to_thread(house.mongo.start)


async def step_down(house: House, dice: random.Random) -> None:
    """Let the primary step down; alone in its set, it is elected again a few seconds later."""

    def tell() -> None:
        with house.mongo_admin() as client:
            command = {"replSetStepDown": 3, "force": True}
            with suppress(pymongo.errors.AutoReconnect):  # it closes connections as it steps down
                client.admin.command(command)

    for _ in range(2):
        await asyncio.sleep(BREATH_S)
        await asyncio.to_thread(tell)
        house.note("step-down of the primary")
        await asyncio.sleep(5)


# --- network -----------------------------------------------------------------------------------


def cut(what: str, service: str, directions: tuple[Direction, ...], cut_s: float = 4.0) -> Injure:
    """Cut the network between a service (`""`: everybody) and the database or the broker."""

    async def injure(house: House, dice: random.Random) -> None:
        proxy: Proxy = house.to_mongo if what == "database" else house.to_broker
        for direction in directions:
            await asyncio.sleep(BREATH_S)
            pids = house.pids(house.replicas(service)) if service else []
            await asyncio.to_thread(proxy.cut, pids, direction)
            await asyncio.sleep(cut_s)
            await asyncio.to_thread(proxy.heal)
            way = {"both": "both ways", "to_server": "to it only", "from_server": "from it only"}[direction]
            house.note(f"network of {service or 'everybody'} to the {what} cut {way}")

    return injure


async def sever(house: House, dice: random.Random) -> None:
    """End every connection to broker and database at once, a few times."""
    for _ in range(3):
        await asyncio.sleep(BREATH_S)
        await asyncio.to_thread(house.to_broker.sever)
        await asyncio.to_thread(house.to_mongo.sever)
        house.note("all connections to broker and database severed")


async def slow_network(house: House, dice: random.Random) -> None:
    """Hold back everything between services, broker and database."""
    for proxy in (house.to_broker, house.to_mongo):
        proxy.delay(0.05)
    await asyncio.sleep(8)
    for proxy in (house.to_broker, house.to_mongo):
        proxy.delay(0)
    house.note("network slowed down by 50 ms a packet")
