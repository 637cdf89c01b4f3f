"""
Write the archive's records into topics again.

python -m services.analytics.refill [--from file:///folder|s3://bucket/prefix] [--to host:port]
    [--tenant T] [--topic T] [--since TIME] [--until TIME] [--missing | --local]

Records keep their key, value, headers and time, and per topic the order in which they once came. A reader
that had applied them knows their ids and changes nothing.
"""

import argparse
import asyncio
import heapq
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from libs import bus, objects, topics
from libs.errors import Unavailable
from libs.objects import BadStore, Missing, Objects
from libs.reading import RETRY_S, Bus
from libs.settings import Settings
from libs.wire import Record
from services.analytics.archive_rows import ROOT, Archived, archived_in, happened_at, row_of, span_of

PUBLISHED_AT_ONCE = 2000
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are wanted: all where nothing is given."""

    tenant: str = ""
    topic: str = ""
    since: datetime | None = None  # of the record's time; inclusive
    until: datetime | None = None  # exclusive

    def has_folder(self, tenant: str, topic: str, day: str) -> bool:
        return (
            self.tenant in ("", tenant)
            and self.topic in ("", topic)
            and (self.since is None or day >= f"{self.since:%Y-%m-%d}")
            and (self.until is None or day <= f"{self.until:%Y-%m-%d}")
        )

    def has_time(self, time: datetime) -> bool:
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


@dataclass(slots=True)
class Refill:
    """Reads an archive and writes topics; `missing_only` leaves out what a topic holds already."""

    source: Objects
    target: Settings
    bus: Bus
    wanted: Wanted = Wanted()
    missing_only: bool = False
    say: Say = print
    written: dict[str, int] = field(default_factory=dict)

    async def run(self) -> int:
        """Write every wanted topic, one after the other, and return how many records that was."""
        files = await files_by_topic(self.source, self.wanted)
        if not files:
            self.say("the archive holds nothing of what is wanted")
            return 0
        started = time.monotonic()
        for topic in sorted(files):
            self.written[topic] = await self._topic(topic)
        total, took_s = sum(self.written.values()), max(time.monotonic() - started, 0.001)
        if total:
            self.say(f"{total:,} records in {len(files)} topics, {total / took_s:,.0f} a second")
        else:
            self.say("the topics hold everything already; nothing was written")
        return total

    async def _topic(self, topic: str) -> int:
        seen: set[bytes] = set()
        held = 0
        if self.missing_only:
            async for record in topics.records_of(self.target, topic):
                seen.add(row_of(record).record_id)
                held += 1
        started = told_at = time.monotonic()
        count = 0
        async for batch in batches(self.source, topic, self.wanted, seen):
            await self._publish(batch)
            count += len(batch)
            if time.monotonic() - told_at > 1:
                told_at = time.monotonic()
                self.say(f"  {topic}: {count:,} records, {count / (told_at - started):,.0f} a second")
        note = f", {held:,} were there" if held else ""
        self.say(f"{topic}: {count:,} records written{note}")
        return count

    async def _publish(self, records: Sequence[Record]) -> None:
        for pause_s in (*RETRY_S, None):
            try:
                await self.bus.publish_records(records)
                return
            except Unavailable:
                if pause_s is None:
                    raise
                await asyncio.sleep(pause_s)  # all of them again: readers know their ids


async def files_by_topic(source: Objects, wanted: Wanted) -> dict[str, list[str]]:
    """Return the keys of the files that may hold wanted records."""
    found: dict[str, list[str]] = {}
    async for file in source.list(ROOT):
        folders = dict(part.partition("=")[::2] for part in file.key.split("/")[1:-1])
        tenant, topic = objects.text_of(folders.get("tenant", "")), objects.text_of(folders.get("topic", ""))
        if span_of(file.key) and wanted.has_folder(tenant, topic, folders.get("day", "")):
            found.setdefault(topic, []).append(file.key)
    return found


async def batches(
    source: Objects, topic: str, wanted: Wanted, seen: set[bytes], *, placed: bool = False
) -> AsyncIterator[list[Record]]:
    """
    Yield a topic's records in the order of the archive, each once and none of `seen`, in batches.

    With `placed` they keep the partition and offset they had.
    """
    batch: list[Record] = []
    finished = False
    while not finished:
        try:
            async for archived in in_order(source, (await files_by_topic(source, wanted)).get(topic, ())):
                if archived.record_id in seen or not wanted.has_time(happened_at(archived.record)):
                    continue
                seen.add(archived.record_id)
                record = archived.record
                batch.append(record if placed else record._replace(partition=-1, offset=-1))
                if len(batch) >= PUBLISHED_AT_ONCE:
                    yield batch
                    batch = []
            finished = True
        except Missing:
            # A file was merged with others meanwhile: begin again, past what was seen.
            await asyncio.sleep(0.1)
    if batch:
        yield batch


async def in_order(source: Objects, files: Sequence[str]) -> AsyncIterator[Archived]:
    """Yield the rows of several files by ordinal; a file is open only while its span lasts."""
    waiting = sorted(((span_of(file) or (0, 0))[0], file) for file in files)
    waiting.reverse()
    heads: list[tuple[int, str, Archived, Iterator[Archived]]] = []
    while waiting or heads:
        while waiting and (not heads or waiting[-1][0] <= heads[0][0]):
            _, file = waiting.pop()
            rows = archived_in(await source.get(file))
            _push(heads, file, rows)
        if heads:
            _, file, head, rows = heapq.heappop(heads)
            yield head
            _push(heads, file, rows)


def _push(
    heads: list[tuple[int, str, Archived, Iterator[Archived]]], file: str, rows: Iterator[Archived]
) -> None:
    head = next(rows, None)
    if head is not None:
        heapq.heappush(heads, (head.ordinal, file, head, rows))


def moment(text: str) -> datetime:
    """Return a time given by hand, in UTC where it says nothing else."""
    given = datetime.fromisoformat(text)
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="refill", description="Write archived records into topics again.")
    parser.add_argument("--from", dest="source", default="", help="the object store; default: this one's")
    parser.add_argument("--to", default="", help="the broker, host:port; default: this installation's")
    parser.add_argument("--tenant", default="")
    parser.add_argument("--topic", default="")
    parser.add_argument("--since", type=moment, help="RFC 3339, of the event's time; inclusive")
    parser.add_argument("--until", type=moment, help="RFC 3339, of the event's time; exclusive")
    parser.add_argument("--missing", action="store_true", help="only what the topics do not hold")
    parser.add_argument("--local", action="store_true", help="the same; for a broker that lost its topics")
    return parser.parse_args(words)


async def main(words: Sequence[str], settings: Settings, say: Say = print) -> int:
    """Do what the command line says, and return the exit code."""
    asked = arguments(words)
    target = settings.model_copy(update={"kafka_bootstrap": asked.to} if asked.to else {})
    try:
        source = objects.connect(asked.source, settings.s3_endpoint) if asked.source else objects.of(settings)
    except BadStore as error:
        say(str(error))
        return 2
    await topics.create(target)
    wanted = Wanted(asked.tenant, asked.topic, asked.since, asked.until)
    async with bus.connect(target, "/trunkline/refill") as a_bus:
        await Refill(source, target, a_bus, wanted, asked.missing or asked.local, say).run()
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(main(sys.argv[1:], Settings())))
