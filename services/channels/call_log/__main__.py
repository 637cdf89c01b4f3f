"""Replay a call log: python -m services.channels.call_log CALLS --mapping FILE"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

from libs.errors import Refusal, TimedOut, Unavailable
from services.channels.call_log import figures, life
from services.channels.call_log.bus_door import straight
from services.channels.call_log.gateway_door import LANES, Login, Refused, gateway
from services.channels.call_log.log_file import CallLog, read, write_rejects
from services.channels.call_log.mapping import BANK, Mapping, Unusable, load
from services.channels.call_log.progress import Progress
from services.channels.call_log.replay import Door, replay
from services.channels.call_log.settings import ReplaySettings

POLL_S = 0.5
COUNT_WITHIN_S = 600.0


class Platform(Door, Protocol):
    """Takes events and gives figures."""

    async def figures(
        self, mapping: Mapping, start: datetime, end: datetime
    ) -> dict[date, dict[str, float]]: ...


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="call_log", description="Let the calls of a log happen again.")
    parser.add_argument("calls", type=Path, help="the log: delimited text, the first line names the columns")
    parser.add_argument("--mapping", type=Path, default=BANK, help="YAML that says how the log is written")
    parser.add_argument("--tenant", help="instead of the mapping's")
    parser.add_argument("--kafka", action="store_true", help="straight to the bus, not through the gateway")
    parser.add_argument("--url", help="of the gateway; else TRUNKLINE_GATEWAY_URL")
    parser.add_argument("--lanes", type=int, default=LANES, help="requests at a time to the gateway")
    parser.add_argument("--speed", type=float, default=0.0, help="seconds of the log in one; 0: no waiting")
    parser.add_argument("--rejects", type=Path, help="write the rows set aside to this file")
    parser.add_argument("--dry-run", action="store_true", help="read the log and say what is in it, no more")
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the figures")
    parser.add_argument("--within", type=float, default=COUNT_WITHIN_S, help="seconds to wait for figures")
    return parser.parse_args(given)


def describe(log: CallLog) -> str:
    """Return what is in a log: rows = replayed + ignored + set aside."""
    parts = [
        (f"{log.rows:7,} rows", []),
        (f"{len(log.calls):7,} replayed", sorted(log.kinds.items())),
        (f"{log.ignored.total():7,} ignored", sorted(log.ignored.items())),
        (f"{len(log.rejects):7,} set aside", sorted(log.set_aside.items())),
        (f"{log.notes.total():7,} oddities in replayed rows", sorted(log.notes.items())),
    ]
    return "\n".join(
        line for title, some in parts for line in (title, *(f"{n:15,}  {name}" for name, n in some))
    )


async def run(options: argparse.Namespace, settings: ReplaySettings) -> int:
    """Return the exit code: 0 where all is counted and every figure is that of the log."""
    mapping = load(options.mapping)
    if options.tenant:
        mapping = Mapping.model_validate({**mapping.model_dump(), "tenant": options.tenant})
    log = read(options.calls, mapping)
    print(describe(log))
    if options.rejects:
        write_rejects(options.rejects, log)
    if options.dry_run or not log.calls:
        return 0
    total = sum(len(life.moments(call)) for call in log.calls)
    async with door_of(options, settings) as door:
        started = time.monotonic()
        progress = Progress("publishing", total)
        await replay(
            life.in_time_order(log.calls, mapping),
            door,
            progress.add,
            speed=options.speed,
            waiting=progress.say,
        )
        progress.finish()
        print(f"published {total:,} events in {progress.elapsed_s:.1f} s: {progress.per_s:,.0f} events/s")
        if options.no_wait:
            return 0
        return await compare(door, mapping, log, total, started, options.within)


def door_of(options: argparse.Namespace, settings: ReplaySettings) -> AbstractAsyncContextManager[Platform]:
    if options.kafka:
        return straight(settings.with_local_secret())
    adapter = Login(settings.adapter_id, settings.adapter_secret)
    reader = Login(settings.reader_id, settings.reader_secret)
    return gateway(options.url or settings.url, adapter, reader, options.lanes)


async def compare(
    door: Platform, mapping: Mapping, log: CallLog, total: int, started: float, within_s: float
) -> int:
    """Wait until analytics has counted the log, print its figures and say whether they are the log's."""
    expected = figures.by_day(log.calls, mapping.zone)
    start, end = figures.span_of([*expected], mapping.zone)
    give_up = time.monotonic() + within_s
    counted: dict[date, dict[str, float]] = {}
    while not figures.is_counted(expected, counted) and time.monotonic() < give_up:
        try:
            counted = await door.figures(mapping, start, end)
        except (Unavailable, TimedOut):
            counted = {}
        await asyncio.sleep(POLL_S)
    took = time.monotonic() - started
    print(f"counted after {took:.1f} s: {total / took:,.0f} events/s\n")
    print(figures.table(expected, counted))
    wrong = [
        day for day, each in expected.items() if figures.differences(each.figures(), counted.get(day, {}))
    ]
    if wrong:
        print(f"\n{len(wrong)} of {len(expected)} days differ from the log (or hold other calls as well)")
    return 1 if wrong else 0


def main() -> int:
    try:
        return asyncio.run(run(arguments(), ReplaySettings()))
    except (Unusable, Refused, Refusal) as problem:
        print(problem, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
