"""G14: first progress after a kill of a reader, of the broker and of the database, beside bare clients."""

import asyncio
import signal
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

from bench.harness import ROUNDS, Figure, Stage, say
from deploy.dev.processes import Child
from deploy.dev.settings import ROOT
from libs import bus, clock, telemetry, topics
from libs.errors import Unavailable
from libs.events import visitor
from libs.events.base import Event
from libs.settings import Settings
from tests.servers import Server

EVERY_S = 0.02  # an event
KEYS = 24  # visitors, on all partitions
CLOSE = 10  # events behind
STOPPED_S = 3.0
QUIET_S = 1.5  # of work before a fault and after it
KINDS = ("ours", "raw")


@dataclass(frozen=True, slots=True)
class Line:
    """An event that was read and kept: when, by its number."""

    at: float
    number: int


class Reader:
    """A process that reads, and what it has noted."""

    def __init__(self, kind: str, group: str, settings: Settings, folder: Path) -> None:
        self._file = folder / f"{group}-{uuid.uuid4().hex}.lines"
        self._file.touch()
        env = {
            "TRUNKLINE_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
            "TRUNKLINE_MONGO_URL": settings.mongo_url,
            "TRUNKLINE_MONGO_DATABASE_PREFIX": "bench_",
        }
        command = [sys.executable, "-m", "bench.recovering", kind, group, str(self._file)]
        self.child = Child(command, folder / f"{group}.log", env, ROOT)
        self.child.start()

    @property
    def lines(self) -> list[Line]:
        rows = [row.split() for row in self._file.read_text().splitlines()]
        return [Line(float(row[0]), int(row[1])) for row in rows if len(row) == 2]


class Feed:
    """Publishes an event every moment, numbered; what is not taken comes again."""

    def __init__(self, kafka: bus.KafkaBus) -> None:
        self._kafka = kafka
        self.number = 0

    async def run(self) -> None:
        while True:
            self.number += 1
            data = visitor.PageViewed(
                visitor_id=f"v-{self.number % KEYS}", url="https://x.example/", title=str(self.number)
            )
            event_id = str(uuid.uuid4())
            event = Event(
                event_id, "acme", clock.now(), data, "j", "", "/bench", 0, telemetry.rooted(event_id)
            )
            while True:
                try:
                    await self._kafka.publish([event])
                    break
                except Unavailable:
                    await asyncio.sleep(0.05)
            await asyncio.sleep(EVERY_S)

    def is_caught_up(self, *readers: Reader) -> bool:
        """Return whether the readers have read what is there: a backlog would hide a standstill."""
        lines = [line for each in readers for line in each.lines[-1:]]
        return len(lines) == len(readers) and max(line.number for line in lines) > self.number - CLOSE


async def run(stage: Stage) -> list[Figure]:
    """Return how long our readers stood still, as a share of what is compared."""
    settings = stage.settings()
    await topics.create(settings)
    session_s = settings.kafka_session_timeout_ms / 1000
    ratios: dict[str, list[float]] = {"session": [], "reader": [], "broker": [], "database": []}
    async with bus.connect(settings, "/bench") as kafka:
        feed = Feed(kafka)
        feeding = asyncio.create_task(feed.run())
        try:
            for _ in range(ROUNDS):
                for name, gaps in (await _round(feed, settings, stage, session_s)).items():
                    say(f"   {name:<8} ours {gaps['ours']:.2f} s, bare clients {gaps['raw']:.2f} s")
                    ratios[name].append(gaps["ours"] / gaps["raw"])
                    if name == "reader":
                        ratios["session"].append(gaps["ours"] / session_s)
        finally:
            feeding.cancel()
    return [
        Figure("G14", "session time-out, after kill -9 of a reader", 1.2, tuple(ratios["session"]), True),
        Figure("G14", "bare clients, after kill -9 of a reader", 1.2, tuple(ratios["reader"]), True),
        Figure(
            "G14", f"bare clients, broker stopped for {STOPPED_S:g} s", 1.3, tuple(ratios["broker"]), True
        ),
        Figure("G14", "bare clients, kill -9 of mongod", 1.5, tuple(ratios["database"]), True),
    ]


async def _round(
    feed: Feed, settings: Settings, stage: Stage, session_s: float
) -> dict[str, dict[str, float]]:
    """Let two readers of each kind work through all faults; return how long each kind stood still."""
    groups = {kind: f"{kind}-{uuid.uuid4().hex[:8]}" for kind in KINDS}
    pairs = {
        kind: [Reader(kind, group, settings, stage.folder) for _ in range(2)]
        for kind, group in groups.items()
    }
    try:
        for pair in pairs.values():
            await _until(partial(feed.is_caught_up, *pair), within_s=60)
        await asyncio.sleep(QUIET_S)
        survivors = {kind: pair[1] for kind, pair in pairs.items()}
        found = {"reader": await _kill_readers(pairs, session_s)}
        for name, server, fault in (("broker", stage.broker, _stop), ("database", stage.mongo, _kill)):
            for each in survivors.values():
                await _until(partial(feed.is_caught_up, each), within_s=60)
            await asyncio.sleep(QUIET_S)
            found[name] = await _fault(survivors, server, fault)
        return found
    finally:
        for pair in pairs.values():
            for each in pair:
                each.child.kill()


async def _kill_readers(pairs: dict[str, list[Reader]], session_s: float) -> dict[str, float]:
    """Kill one of two readers; return when the other has read of all that was the dead one's."""
    at = time.monotonic()
    left = {kind: _keys(pair[0], at - 1) for kind, pair in pairs.items()}
    for pair in pairs.values():
        pair[0].child.kill()
    gaps: dict[str, float] = {}
    for kind, (_, survivor) in pairs.items():
        await _until(partial(_has_taken_over, survivor, left[kind], at), within_s=8 * session_s)
        gaps[kind] = max(_first(survivor, key, at) for key in left[kind]) - at
    return gaps


async def _fault(
    readers: dict[str, Reader], server: Server, fault: Callable[[Server], Awaitable[None]]
) -> dict[str, float]:
    """Let a server fail; return how long each reader stood still."""
    at = time.monotonic()
    await fault(server)
    back = time.monotonic()
    for kind, each in readers.items():
        try:
            await _until(partial(_has_read_since, each, back + QUIET_S), within_s=40)
        except TimeoutError as error:
            raise AssertionError(f"{kind} stands still after {fault.__name__}") from error
    return {kind: _longest_gap(each.lines, at) for kind, each in readers.items()}


def _keys(reader: Reader, since: float) -> set[int]:
    """Return of which visitors a process has read."""
    return {line.number % KEYS for line in reader.lines if line.at > since}


def _has_taken_over(survivor: Reader, keys: set[int], at: float) -> bool:
    return keys <= _keys(survivor, at)


def _first(reader: Reader, key: int, since: float) -> float:
    return min(line.at for line in reader.lines if line.at > since and line.number % KEYS == key)


def _has_read_since(reader: Reader, at: float) -> bool:
    lines = reader.lines
    return bool(lines) and lines[-1].at > at


async def _stop(server: Server) -> None:
    server.signal(signal.SIGSTOP)
    await asyncio.sleep(STOPPED_S)
    server.signal(signal.SIGCONT)


async def _kill(server: Server) -> None:
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)


def _longest_gap(lines: Sequence[Line], since: float) -> float:
    moments = [since, *sorted(line.at for line in lines if line.at > since)]
    return max(later - earlier for earlier, later in pairwise(moments))


async def _until(done: Callable[[], bool], within_s: float = 30.0) -> None:
    async with asyncio.timeout(within_s):
        while not done():  # noqa: ASYNC110 - the news come by a file
            await asyncio.sleep(0.05)
