"""Merges the many small files of a day of the archive into few, which hold the same rows once each."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from libs.objects import Found, Missing, Objects
from services.analytics.archive_journal import ArchiveJournal
from services.analytics.archive_rows import ROOT, file_name, parquet_of, span_of, table_in

log = logging.getLogger(__name__)

SMALL_BYTES = 4 * 1024 * 1024
MERGED_BYTES = 16 * 1024 * 1024  # of one merge; more files than that go into several
ENOUGH_FILES = 16  # so many small files in a folder are worth a merge


class Compaction:
    """Merges files, the merged one being written before the others are removed."""

    def __init__(self, objects: Objects, journal: ArchiveJournal, enough_files: int = ENOUGH_FILES) -> None:
        self._objects = objects
        self._journal = journal
        self._enough_files = enough_files

    async def run(self) -> None:
        """
        Merge wherever it is worth it.

        :raises Unavailable: some of it is not done; a reader then sees rows twice, with the same ordinal.
        """
        folders: dict[str, list[Found]] = defaultdict(list)
        async for file in self._objects.list(ROOT):
            if span_of(file.key) is not None and file.size < SMALL_BYTES:
                folders[file.key.rpartition("/")[0]].append(file)
        # Asked after the list: a listed file either has its note still, or its rows are remembered.
        noted = {file for note in await self._journal.notes() for file in note.files}
        for files in folders.values():
            settled = sorted((file for file in files if file.key not in noted), key=lambda file: file.key)
            if len(settled) >= self._enough_files:
                for some in groups(settled):
                    await self._merge(some)

    async def _merge(self, files: Sequence[Found]) -> None:
        contents: list[bytes] = []
        try:
            for file in files:
                contents.append(await self._objects.get(file.key))  # noqa: PERF401 - one after the other
        except Missing:  # merged by the elected before us
            return
        merged, rows = await asyncio.to_thread(merge, contents)
        name = f"{files[0].key.rpartition('/')[0]}/{merged}"
        await self._objects.put(name, rows)
        for file in files:
            if file.key != name:
                await self._objects.delete(file.key)
        log.info("archive files merged", extra={"files": len(files), "bytes": len(rows)})


def groups(files: Sequence[Found]) -> list[list[Found]]:
    """Return neighbours in the order of the archive to be merged with each other, at least two in each."""
    parted: list[list[Found]] = [[]]
    size = 0
    for file in files:
        if size + file.size > MERGED_BYTES and parted[-1]:
            parted.append([])
            size = 0
        parted[-1].append(file)
        size += file.size
    return [some for some in parted if len(some) > 1]


def merge(contents: Sequence[bytes]) -> tuple[str, bytes]:
    """Return the name and the content of the file that holds the rows of all, each once, in order."""
    table = pa.concat_tables([table_in(content) for content in contents]).sort_by("ordinal")
    ids = table.column("record_id").to_pylist()
    first_of: dict[bytes, int] = {}
    for place, record_id in enumerate(ids):
        first_of.setdefault(record_id, place)
    if len(first_of) < len(ids):
        table = table.take(pa.array(first_of.values()))
    ends = pc.min_max(table.column("ordinal"))
    return file_name(ends["min"].as_py(), ends["max"].as_py(), list(first_of)), parquet_of(table)
