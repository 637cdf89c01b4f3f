"""
What the archive remembers in the database, so that a record is kept once whatever dies in between.

The order is: note the files about to be written, write them, remember the ids of their records, drop the
note. A note left behind by a dead process says which files to look for; what they hold is then remembered.
"""

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from libs.mongo import Database, guarded, insert_new
from libs.objects import Missing, Objects
from services.analytics.archive_rows import table_in

FORGOTTEN_AFTER = timedelta(minutes=2)  # a file not there by then will not come
AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Note:
    """Files about to be written."""

    id: int
    files: tuple[str, ...]
    at: datetime


class ArchiveJournal:
    """Ids of archived records, the next ordinal, and notes of files being written."""

    def __init__(self, database: Database, objects: Objects) -> None:
        self._ids = database["archived_ids"]
        self._counters = database["archive_counters"]
        self._notes = database["archive_notes"]
        self._objects = objects
        self._settled: set[str] = set()  # files of notes not all of whose files are there

    async def known(self, record_ids: Collection[bytes]) -> set[bytes]:
        """Return those of the ids that are archived already."""
        with guarded():
            cursor = self._ids.find({"_id": {"$in": list(record_ids)}}, {"_id": 1})
            return {bytes(row["_id"]) for row in await cursor.to_list(None)}

    async def ordinals(self, count: int) -> int:
        """Return the first of `count` numbers that are higher than all given out before."""
        with guarded():
            # A counter that was lost goes on after the old one: it runs ahead of the clock in microseconds.
            clock_us = time.time_ns() // 1000
            start = {"$max": [{"$ifNull": ["$next", 0]}, clock_us]}
            row = await self._counters.find_one_and_update(
                {"_id": "ordinal"},
                [{"$set": {"first": start, "next": {"$add": [start, count]}}}],
                upsert=True,
                return_document=True,
            )
        assert row is not None
        return int(row["first"])

    async def note(self, note: Note) -> None:
        """Write down which files are about to be written."""
        with guarded():
            await self._notes.insert_one({"_id": note.id, "files": list(note.files), "at": note.at})

    async def remember(self, record_ids: Sequence[bytes]) -> None:
        """Remember that the records are archived durably."""
        documents: list[dict[str, Any]] = [{"_id": record_id} for record_id in record_ids]
        for start in range(0, len(documents), AT_ONCE):
            await insert_new(self._ids, documents[start : start + AT_ONCE])

    async def drop(self, note_id: int) -> None:
        """Forget a note that is settled."""
        with guarded():
            await self._notes.delete_one({"_id": note_id})

    async def notes(self) -> list[Note]:
        """Return the notes not yet settled."""
        with guarded():
            rows = await self._notes.find({}).to_list(None)
        return [Note(row["_id"], tuple(row["files"]), row["at"]) for row in rows]

    async def settle(self, now: datetime) -> int:
        """Remember what dead processes had written, and return how many records these were."""
        settled = 0
        still_open: set[str] = set()
        for note in await self.notes():
            for file in note.files:
                if file not in self._settled:
                    settled += await self._remember_all_of(file)
            if self._settled.issuperset(note.files) or now - note.at > FORGOTTEN_AFTER:
                await self.drop(note.id)
            else:
                still_open.update(note.files)
        self._settled &= still_open
        return settled

    async def _remember_all_of(self, file: str) -> int:
        try:
            content = await self._objects.get(file)
        except Missing:
            return 0
        table = await asyncio.to_thread(table_in, content, ["record_id"])
        ids = table.column("record_id").to_pylist()
        await self.remember(ids)
        self._settled.add(file)
        return len(ids)
