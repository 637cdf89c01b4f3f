"""Let one simulated day happen, and say what was found."""

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from libs.events.base import AnyEvent
from libs.stored import Key
from services.analytics.handlers import WANTED as COUNTED
from services.analytics.handlers import contact_of
from services.routing.handlers import WANTED as ROUTED
from tests.simulation.broker import Broker
from tests.simulation.drawing import DAY_S, draw
from tests.simulation.final import SECRET, Closing
from tests.simulation.ledger import Ledger
from tests.simulation.loop import Stuck, VirtualLoop
from tests.simulation.outside import Door
from tests.simulation.people import ROLES, on_record
from tests.simulation.script import PointFault, Script, TimedFault
from tests.simulation.services import Platform
from tests.simulation.stores import Shelf
from tests.simulation.violations import Violated, Violation
from tests.simulation.world import Process, World

PEACE_S = DAY_S + 40
LATEST_S = 1500.0
LOOK_EVERY_S = 7.0


@dataclass
class Result:
    """What a day came to."""

    script: Script
    violation: Violation | None
    digest: str
    events: int
    virtual_s: float
    points: tuple[PointFault, ...]
    faults: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    history: list[str] = field(default_factory=list)


class Words(logging.Handler):
    """Listens to what the services log: no personal data, and nothing that is a bug."""

    def __init__(self) -> None:
        super().__init__()
        self.leaks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.getMessage()} {record.__dict__}"
        if SECRET.search(text):
            self.leaks.append(record.getMessage())


def run(script: Script) -> Result:
    """Return what became of the day of a script; the same whenever it is asked."""
    loop = VirtualLoop()
    words = Words()
    root = logging.getLogger()
    root.addHandler(words)
    levels = root.level, logging.getLogger("asyncio").level
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # violations end tasks that nobody waits for
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(_day(script, words))
    finally:
        root.removeHandler(words)
        logging.getLogger("asyncio").setLevel(levels[1])
        _end(loop)


def _end(loop: VirtualLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    asyncio.set_event_loop(None)
    loop.close()


def run_seed(seed: int) -> Result:
    return run(draw(seed))


async def _day(script: Script, words: Words) -> Result:
    world = World(script)
    broker = Broker(world)
    ledger = Ledger(world)
    platform = Platform(world, broker, ledger.saved)
    broker.on_append.append(ledger.appended)
    broker.on_commit.append(ledger.committed)
    ledger.bound_to = bindings(platform.shelves)
    closing = Closing(platform, ledger)
    jobs: list[asyncio.Task[None]] = []
    try:
        story = world.loop.create_task(_story(world, platform, closing, words, jobs))
        await asyncio.wait({story, world.over}, return_when=asyncio.FIRST_COMPLETED)
        if story.done():
            story.result()
        else:
            story.cancel()
    except Violated:
        pass
    except Stuck as error:
        world.violation = Violation("I1 nothing lost", str(error), world.at_s)
    return Result(
        script,
        world.violation,
        world.digest,
        len(broker.records()),
        world.at_s,
        tuple(world.faults),
        world.fault_counts,
        world.checked,
        world.history,
    )


async def _story(
    world: World, platform: Platform, closing: Closing, words: Words, jobs: list[asyncio.Task[None]]
) -> None:
    script, spawn = world.script, world.spawn
    world.at_peace = world.calm = True
    await platform.publish_flows(sorted({each.tenant for each in script.people}))
    await platform.know(on_record(script.people))
    world.at_peace = world.calm = False
    platform.start()
    jobs += [spawn(process.run()) for process in list(world.processes.values()) if process.name != "setup/0"]
    net = Process(world, "net", 0, lambda process: ())
    net.alive = True
    for person in script.people:
        jobs.append(spawn(_live(platform, person, net)))
    for fault in script.timed:
        jobs.append(spawn(_strike(world, platform.broker, fault)))
    await asyncio.sleep(PEACE_S)
    world.at_peace = True
    why = "it has just begun"
    while why:
        await asyncio.sleep(LOOK_EVERY_S)
        why = closing.restless()
        if why and world.at_s > LATEST_S:
            world.fail("I1 comes to rest", why)
    world.note("WORLD", "all is at rest")
    closing.check()
    closing.hold("I13 personal data", not words.leaks, f"logged: {words.leaks[:1]}")
    await _read_again(world, platform, closing)


async def _read_again(world: World, platform: Platform, closing: Closing) -> None:
    """Give every topic to every group again from its beginning: nothing may change."""
    before = closing.standing()
    known = set(closing.ledger.told)
    world.calm = True
    for group in platform.broker.groups.values():
        group.committed.clear()
        group.rebalance()
    until = world.at_s + 300
    while any(group.behind() for group in platform.broker.groups.values()):
        await asyncio.sleep(3)
        if world.at_s > until:
            left = [name for name, group in platform.broker.groups.items() if group.behind()]
            world.fail("I10 lag", f"{left} do not come to the end of their topics")
    await asyncio.sleep(3)
    after = closing.standing()
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            closing.hold("I5 read again", False, _difference(name, before.get(name), after.get(name)))
    closing.hold("I5 read again", True, "")
    new = [event_id for event_id in closing.ledger.told if event_id not in known]
    closing.hold("I5 read again", not new, f"{len(new)} facts are new")


def _difference(name: str, before: Any, after: Any) -> str:
    if before is None or after is None:
        return f"{name} {'appeared' if before is None else 'is gone'}: {after or before}"
    parts = []
    for field_name in getattr(before[0], "__dataclass_fields__", ()):
        one, other = getattr(before[0], field_name), getattr(after[0], field_name)
        if one != other:
            parts.append(f"{field_name}: {one} became {other}")
    return f"{name} changed, {'; '.join(parts)[:1500]} ({before[1]} -> {after[1]})"


async def _live(platform: Platform, person: Any, net: Process) -> None:
    await asyncio.sleep(person.at_s)
    await ROLES[person.kind](Door(platform, person, net))


async def _strike(world: World, broker: Broker, fault: TimedFault) -> None:
    """Let a timed fault happen."""
    await asyncio.sleep(fault.at_s)
    world.fault_counts[f"{fault.kind} (timed)"] += 1
    world.note("FAULT", f"{fault.kind} {fault.who} {fault.amount}")
    process = world.processes.get(fault.who)
    group = broker.groups.get(fault.who)
    match fault.kind:
        case "crash" | "stop" if process:
            process.crash(fault.amount)
        case "skew" if process:
            process.skew = timedelta(milliseconds=int(fault.amount * 1000))
        case "rebalance" if group:
            group.rebalance()
        case "lose" if group and group.members:
            group.drop(group.members[int(fault.amount * 10) % len(group.members)])
        case "rewind" if group:
            group.committed.clear()
            group.rebalance()


def bindings(shelves: dict[str, Shelf[Any]]) -> dict[str, Any]:
    """Return which aggregate must know an event that a group has committed, where that is plain."""

    def pools(event: AnyEvent) -> tuple[Shelf[Any], Key] | None:
        return (shelves["pools"], Key(event.tenant, event.key)) if isinstance(event.data, ROUTED) else None

    def contacts(event: AnyEvent) -> tuple[Shelf[Any], Key] | None:
        if not isinstance(event.data, COUNTED):
            return None
        if event.type == "trunkline.agent.state_entered.v1":
            return shelves["agents"], Key(event.tenant, event.key)
        return shelves["contacts"], Key(event.tenant, contact_of(event.data))

    return {"routing": pools, "analytics": contacts}
