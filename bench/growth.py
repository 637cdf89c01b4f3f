"""
How costs grow with partitions, tenants and the journal: python -m bench.growth [--lines 1000000]

Every curve is a row of rates and times in one run; the last column is the ratio to its first point.
"""

import argparse
import asyncio
import itertools
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from bench.g03_bus import page
from bench.g05_sessions import WANTED, life, projection
from bench.harness import Stage, say, stage
from bench.reading import by_the_library, fill, fresh_database
from libs import topics
from libs.events import visitor
from libs.events.base import AnyEvent
from libs.settings import Settings
from services.session.journal import Journal, Part
from tests.servers import broker_server

PARTITIONS = (1, 3, 12, 48)
TENANTS = (1, 10, 100, 1000)
CONTACTS = 1_500
READ = 20_000
PORTION = 2_000
READINGS = 200


def row(name: str, value: float, first: float, unit: str) -> None:
    say(f"   {name:<28} {value:>12,.1f} {unit:<10} {value / first:>6.2f} x the first")


async def partitions(on: Stage) -> None:
    """Show how fast the bus library reads one topic of more and more partitions."""
    say("== partitions of a topic: events read a second by one reader")
    first = 0.0
    for count in PARTITIONS:
        with TemporaryDirectory(prefix="trunkline-growth-") as folder, broker_server(Path(folder)) as broker:
            settings = _with(on, kafka_bootstrap=broker.address, kafka_partitions=count)
            await topics.create(settings)
            await fill(settings, (page(number) for number in range(READ)))

            async def nothing(events: Sequence[AnyEvent]) -> None:
                """Look at nothing: what reading costs."""

            rate = await by_the_library(settings, [visitor.PageViewed], nothing, READ)
        first = first or rate
        row(f"{count} partitions", rate, first, "events/s")


async def tenants(on: Stage) -> None:
    """Show how fast sessions are folded when the same contacts are those of more and more tenants."""
    say("== tenants: events folded into sessions a second")
    first = 0.0
    for count in TENANTS:
        with TemporaryDirectory(prefix="trunkline-growth-") as folder, broker_server(Path(folder)) as broker:
            settings = _with(on, kafka_bootstrap=broker.address)
            await topics.create(settings)
            lives = [life(number, f"tenant-{number % count}") for number in range(CONTACTS)]
            await fill(settings, (next(each) for _ in WANTED for each in lives))
            async with projection(on, settings) as handler:
                rate = await by_the_library(settings, WANTED, handler, CONTACTS * len(WANTED))
        first = first or rate
        row(f"{count} tenants", rate, first, "events/s")


async def journal(on: Stage, most: int) -> None:
    """Show how fast lines are added to a journal, and a visitor's journey read from it, as it grows."""
    say("== lines of the journal: lines added a second, and milliseconds to read one visitor's journey")
    sizes = [size for size in (10_000, 100_000, 1_000_000, 10_000_000) if size <= most]
    async with fresh_database(on) as database:
        kept = Journal(database)
        await kept.create_indexes()
        numbers, there, first_rate, first_ms = itertools.count(), 0, 0.0, 0.0
        for size in sizes:
            rates: list[float] = []
            while there < size:
                events = [_spread(page(next(numbers))) for _ in range(PORTION)]
                began = perf_counter()
                await kept(events)
                rates.append(PORTION / (perf_counter() - began))
                there += PORTION
            took: list[float] = []
            for number in range(READINGS):
                visitor_id = f"v-{number * 37 % (size // 10)}"
                began = perf_counter()
                lines = await kept.read("acme", [f"v:{visitor_id}"], Part())
                took.append((perf_counter() - began) * 1000)
                assert lines, visitor_id
            rate, milliseconds = median(rates[-20:]), median(took)
            first_rate, first_ms = first_rate or rate, first_ms or milliseconds
            row(f"{size:,} lines, adding", rate, first_rate, "lines/s")
            row(f"{size:,} lines, reading", milliseconds, first_ms, "ms")


_visitors = itertools.count()


def _spread(event: AnyEvent) -> AnyEvent:
    """Return the page view as that of one of many visitors, ten pages each."""
    number = next(_visitors) // 10
    data = event.data.model_copy(update={"visitor_id": f"v-{number}"})
    return event._replace(data=data, journey_id=f"j-{number}")


def _with(on: Stage, **changes: object) -> Settings:
    return on.settings().model_copy(update=changes)


async def main(most: int) -> None:
    """Draw the three curves."""
    async with stage() as on:
        await partitions(on)
        await tenants(on)
        await journal(on, most)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.growth", description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000, help="the longest journal")
    logging.basicConfig(level=logging.ERROR)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    sys.exit(asyncio.run(main(parser.parse_args().lines)))
