"""Time, chance and the processes: who runs, who waits, and what breaks while he does."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NoReturn

from libs.errors import Unavailable
from tests.simulation.script import PointFault, Script
from tests.simulation.violations import Violated, Violation

MORNING = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
KINDS = ("fail", "fail", "fail_after", "fail_after", "crash", "twice", "stall")
STALL_S = 6.0

Job = Coroutine[Any, Any, None]
Build = Callable[["Process"], Sequence[Job]]


class World:
    """One day: its clock, its dice, its faults and its history."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.loop = asyncio.get_running_loop()
        self.at_peace = False  # no faults any more
        self.calm = False  # and no delays worth mentioning
        self.faults: list[PointFault] = []
        self.fault_counts: Counter[str] = Counter()
        self.checked: Counter[str] = Counter()
        self.history: list[str] = []
        self.processes: dict[str, Process] = {}
        self.violation: Violation | None = None
        self.over: asyncio.Future[None] = self.loop.create_future()
        self._given = (
            None if script.points is None else {(each.process, each.n): each.kind for each in script.points}
        )
        self._digest = sha256()

    @property
    def at_s(self) -> float:
        return self.loop.time()

    def now(self) -> datetime:
        """Return the true time, which nobody in the platform knows."""
        return MORNING + timedelta(milliseconds=int(self.at_s * 1000))

    def dice(self, name: str) -> random.Random:
        return random.Random(f"{self.script.seed}/{name}")

    def note(self, who: str, what: str) -> None:
        """Write a line of the history."""
        line = f"{self.at_s:10.4f}  {who:<16} {what}"
        self.history.append(line)
        self._digest.update(line.encode())

    @property
    def digest(self) -> str:
        """Return what two equal days have in common."""
        return self._digest.hexdigest()

    def fail(self, rule: str, text: str) -> NoReturn:
        """End the day: something is wrong."""
        violation = Violation(rule, text, self.at_s)
        if self.violation is None:
            self.violation = violation
            self.note("VIOLATION", str(violation))
        if not self.over.done():
            self.over.set_result(None)
        raise Violated(self.violation)

    def spawn(self, doing: Job) -> asyncio.Task[None]:
        """Let somebody outside do something; that it fails is a fault of the simulation."""

        async def guarded() -> None:
            try:
                await doing
            except Exception as error:  # noqa: BLE001  the edge of the simulated world
                with suppress(Violated):
                    self.fail("SIMULATION", f"{type(error).__name__}: {_innermost(error)}")
            except Violated:
                return

        return self.loop.create_task(guarded())

    def draw(self, process: "Process") -> str:
        """Return what goes wrong at this point, "" where nothing does."""
        if self.at_peace:
            return ""
        if self._given is not None:
            kind = self._given.get((process.name, process.points), "")
        else:
            kind = (
                process.fault_dice.choice(KINDS)
                if process.fault_dice.random() < self.script.fault_rate
                else ""
            )
        if kind:
            self.faults.append(PointFault(process.name, process.points, kind))
            self.fault_counts[kind] += 1
        return kind


class Process:
    """One replica of a service: its tasks, its clock and its memory, which are gone when it crashes."""

    def __init__(self, world: World, service: str, replica: int, build: Build) -> None:
        self.world = world
        self.service = service
        self.name = f"{service}/{replica}"
        self.points = 0
        self.skew = timedelta()
        self.alive = False
        self.is_stalled = False
        self.fault_dice = world.dice(f"{self.name}/faults")
        self.dice = world.dice(f"{self.name}/delays")
        self.on_death: list[Callable[[], None]] = []
        self.writing = asyncio.Lock()
        self._build = build
        self._tasks: list[asyncio.Task[None]] = []
        self._died = asyncio.Event()
        self.down_s = 1.0
        world.processes[self.name] = self

    def now(self) -> datetime:
        """Return the time as this process believes it to be."""
        return self.world.now() + self.skew

    async def run(self) -> None:
        """Live, die and live again for as long as the day lasts."""
        while True:
            self._died = asyncio.Event()
            self.alive, self.writing = True, asyncio.Lock()
            self._tasks = [self.world.loop.create_task(self._guard(job)) for job in self._build(self)]
            await self._died.wait()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.sleep(self.down_s)

    async def _guard(self, job: Job) -> None:
        """Run a job; that it ends by itself is a fault of the platform."""
        try:
            await job
        except Violated:
            return  # it is written down, and the day is over
        except Exception as error:  # noqa: BLE001  the edge of the simulated process
            text = f"{self.name} died of {type(error).__name__}: {_innermost(error)}"
            with suppress(Violated):
                self.world.fail("CRASH", text)

    def crash(self, down_s: float) -> None:
        """Lose all tasks and all memory; nothing that was in hand goes on."""
        if not self.alive:
            return
        self.alive = False
        self.down_s = down_s
        self.world.note(self.name, "CRASHES")
        for task in self._tasks:
            task.cancel()
        for gone in self.on_death:
            gone()
        self.on_death.clear()
        self._died.set()

    async def wait(self, what: str, *, can_fail: bool = True) -> str:
        """
        Wait as long as chance wants it, at a point where others go on and faults strike.

        Returns the fault that the caller must act out: "twice", "fail_after" or "".
        """
        world = self.world
        if not self.alive:
            raise asyncio.CancelledError
        self.points += 1
        kind = world.draw(self)
        await asyncio.sleep(0.0005 if world.calm else self._delay())
        if not self.alive:
            raise asyncio.CancelledError
        if not kind:
            return ""
        world.note(self.name, f"FAULT {kind} #{self.points} at {what}")
        match kind:
            case "crash":
                self.crash(0.2 + self.dice.random() * 5)
                await asyncio.sleep(3600)
            case "stall":
                self.is_stalled = True
                await asyncio.sleep(STALL_S * self.dice.random())
                self.is_stalled = False
            case "fail" if can_fail:
                raise Unavailable("simulated", f"{what} is out of reach")
        if not self.alive:
            raise asyncio.CancelledError
        return kind

    def _delay(self) -> float:
        dice, slowness = self.dice, self.world.script.slowness
        sort = dice.random()
        if sort < 0.80:
            return 0.0002 + 0.002 * dice.random() * slowness
        if sort < 0.97:
            return 0.03 * dice.random() * slowness
        return 0.4 * dice.random() * slowness


def _innermost(error: BaseException) -> str:
    """Say what was raised and where."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    place = error.__traceback__
    where = ""
    while place is not None:
        where = f"{place.tb_frame.f_code.co_filename.rsplit('/', 3)[-3:]}:{place.tb_lineno}"
        place = place.tb_next
    return f"{error} ({where})"
