"""
The archive of events: every record of every topic as Parquet, by tenant, topic and day.

A record is written before its offset is committed, and once: what is delivered, told or refilled again is
known by its id. How files are laid out and read is told in docs/archive.md.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence

from libs import metrics
from libs.clock import Now
from libs.election import Election, do_when_elected
from libs.events.catalogue import TOPICS, dead_letters_of
from libs.mongo import Database
from libs.objects import Objects
from libs.reading import Bus
from libs.wire import Record
from services.analytics.archive_journal import ArchiveJournal, Note
from services.analytics.archive_rows import Place, Row, file_name, parquet_of, place_of, row_of, table_of
from services.analytics.compaction import Compaction

log = logging.getLogger(__name__)

GROUP = "archive"
ALL_TOPICS = tuple(sorted([*TOPICS, *map(dead_letters_of, TOPICS)]))
BATCH = 5000
WRITES_AT_ONCE = 8
COMPACTION = "archive-compaction"


class Archive:
    """Takes records in batches and returns when they are kept."""

    def __init__(self, objects: Objects, journal: ArchiveJournal, now: Now, flush_s: float) -> None:
        self._objects = objects
        self._journal = journal
        self._now = now
        self._flush_s = flush_s
        self._writing = asyncio.Semaphore(WRITES_AT_ONCE)

    async def handle(self, records: Sequence[Record]) -> None:
        """
        Archive a batch. What is handed in is written at once; the next batch waits for `flush_s` to have
        passed, so that records which come one by one share files.

        :raises Unavailable: not all is known to be kept; handing in the same again is safe.
        """
        started = asyncio.get_running_loop().time()
        await self.keep(records)
        await asyncio.sleep(max(0.0, started + self._flush_s - asyncio.get_running_loop().time()))

    async def keep(self, records: Sequence[Record]) -> int:
        """Write what is not archived yet, and return how many records that was. :raises: as `handle`."""
        now = self._now()
        settled = await self._journal.settle(now)
        if settled:
            log.warning("archive files of a dead process found", extra={"records": settled})
        rows = {row.record_id: row for row in map(row_of, records)}
        for record_id in await self._journal.known(rows):
            del rows[record_id]
        if not rows:
            return 0
        first = await self._journal.ordinals(len(rows))
        files = await asyncio.to_thread(files_of, list(rows.values()), first)
        note = Note(first, tuple(files), now)
        await self._journal.note(note)
        writes = (self._write(file, content) for file, content in files.items())
        for result in await asyncio.gather(*writes, return_exceptions=True):
            if isinstance(result, BaseException):  # only now, when no write is on its way any more
                raise result
        await self._journal.remember(list(rows))
        await self._journal.drop(note.id)
        for row in rows.values():
            metrics.archived.labels(row.record.topic).inc()
        return len(rows)

    async def _write(self, file: str, content: bytes) -> None:
        async with self._writing:
            await self._objects.put(file, content)


def files_of(rows: Sequence[Row], first: int) -> dict[str, bytes]:
    """Return the files of rows, which are numbered from `first`, by name."""
    places: dict[Place, list[tuple[int, Row]]] = defaultdict(list)
    for ordinal, row in enumerate(rows, first):
        places[place_of(row.record)].append((ordinal, row))
    files: dict[str, bytes] = {}
    for place, numbered in places.items():
        name = file_name(numbered[0][0], numbered[-1][0], [row.record_id for _, row in numbered])
        files[f"{place.folder}/{name}"] = parquet_of(table_of(numbered))
    return files


async def run(
    bus: Bus,
    objects: Objects,
    database: Database,
    election: Election,
    now: Now,
    *,
    flush_s: float = 0.3,
    compact_every_s: float = 60.0,
) -> None:
    """Archive all topics, and merge small files while elected to, until cancelled."""
    journal = ArchiveJournal(database, objects)
    archive = Archive(objects, journal, now, flush_s)
    compaction = Compaction(objects, journal)
    async with asyncio.TaskGroup() as group:
        group.create_task(bus.consume_records(GROUP, ALL_TOPICS, archive.handle, batch=BATCH, patient=True))
        group.create_task(do_when_elected(election, COMPACTION, compaction.run, compact_every_s))
