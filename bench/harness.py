"""How everything is measured: contenders take turns in one run, and only ratios of one round are compared."""

import gc
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from libs.settings import Settings
from tests.servers import Server, broker_server, mongo_server

ROUNDS = 5
SECRET = "a secret of the benchmarks, of no use elsewhere"  # pragma: allowlist secret

Contender: TypeAlias = Callable[[], Awaitable[float]]  # runs once and returns how many it did a second


@dataclass(frozen=True, slots=True)
class Stage:
    """What the benches stand on: servers of their own, and a folder that is gone afterwards."""

    mongo_url: str
    kafka_bootstrap: str
    folder: Path
    mongo: Server
    broker: Server

    def settings(self) -> Settings:
        return Settings(
            mongo_url=self.mongo_url,
            mongo_database_prefix="bench_",
            kafka_bootstrap=self.kafka_bootstrap,
            service_secret=SECRET,
        )


@dataclass(frozen=True, slots=True)
class Figure:
    """One ratio that has a target: the median of the ratios of all rounds decides."""

    bench: str
    versus: str
    target: float
    ratios: tuple[float, ...]
    at_most: bool = False  # a ratio of times or costs, which should be small

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def ok(self) -> bool:
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target

    @property
    def bar(self) -> str:
        """Return the target in words: ">= 0.5"."""
        return f"{'<=' if self.at_most else '>='} {self.target:g}"

    def as_json(self) -> str:
        """Return the figure as one line of JSON."""
        return json.dumps(
            {
                "bench": self.bench,
                "ratio": round(self.ratio, 3),
                "min": round(min(self.ratios), 3),
                "max": round(max(self.ratios), 3),
                "target": self.bar,
                "versus": self.versus,
                "ok": self.ok,
            }
        )


class Rates:
    """What every contender did a second, round by round."""

    def __init__(self, rounds: Mapping[str, Sequence[float]]) -> None:
        self._rounds = rounds

    def figure(self, bench: str, ours: str, versus: str, target: float) -> Figure:
        """Return how many times faster `ours` was than `versus`, in pairs of one round."""
        pairs = zip(self._rounds[ours], self._rounds[versus], strict=True)
        return Figure(bench, versus, target, tuple(mine / theirs for mine, theirs in pairs))

    def of(self, name: str) -> Sequence[float]:
        """Return what a contender did a second, round by round."""
        return self._rounds[name]

    def show(self) -> None:
        """Print every contender's median rate: of this machine and moment only."""
        for name, rates in self._rounds.items():
            say(f"   {name:<44} {statistics.median(rates):>12,.0f} /s")


async def compare(
    contenders: Mapping[str, Contender], *, rounds: int = ROUNDS, warm_up: bool = True
) -> Rates:
    """Let the contenders take turns, each round another one first; a warm-up is a round more, uncounted."""
    names = list(contenders)
    rates: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-1 if warm_up else 0, rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            gc.collect()
            rate = await contenders[name]()
            if turn >= 0:
                rates[name].append(rate)
    return Rates(rates)


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """Start MongoDB and a broker on free ports, and end them afterwards."""
    with TemporaryDirectory(prefix="trunkline-bench-") as name:
        folder = Path(name)
        places = _made(folder / "mongo"), _made(folder / "broker")
        with mongo_server(places[0]) as mongo, broker_server(places[1]) as broker:
            yield Stage(mongo.address, broker.address, folder, mongo, broker)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


class Stopwatch:
    """Measures from the end of the first portion to the end of the last: starting up is not counted."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._seen = 0
        self._first = 0
        self._began = 0.0
        self._ended = 0.0

    def add(self, count: int) -> bool:
        """Count a portion that is done, and return whether this was the last."""
        self._seen += count
        if not self._began:
            self._first, self._began = self._seen, time.perf_counter()
        if self._seen >= self._total:
            self._ended = time.perf_counter()
            return True
        return False

    @property
    def rate(self) -> float:
        return (self._seen - self._first) / (self._ended - self._began)


def say(text: str) -> None:
    """Print at once: somebody watches."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
