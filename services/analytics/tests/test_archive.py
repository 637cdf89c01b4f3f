"""The archive on a real database and a folder: nothing is lost, nothing is kept twice."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

import pytest

from libs import clock, mongo, objects
from libs.errors import Unavailable
from libs.objects import Objects
from libs.wire import Record
from services.analytics import refill
from services.analytics.archive import Archive
from services.analytics.archive_journal import ArchiveJournal, Note
from services.analytics.archive_rows import table_in
from services.analytics.compaction import Compaction
from services.analytics.refill import Wanted

pytestmark = pytest.mark.real


class Flaky:
    """An object store of which writes fail from the n-th on, until mended."""

    def __init__(self, inner: Objects) -> None:
        self.inner = inner
        self.left = 10**9

    async def put(self, key: str, content: bytes | IO[bytes]) -> None:
        if self.left <= 0:
            raise Unavailable("object_store_unreachable", "no")
        self.left -= 1
        await self.inner.put(key, content)


class Dying(Exception):
    """The process was killed here."""


class DyingJournal(ArchiveJournal):
    """Dies between writing the files and remembering their rows."""

    async def remember(self, record_ids: Sequence[bytes]) -> None:
        raise Dying


@dataclass
class Place:
    """An archive in its parts."""

    objects: Objects
    database: mongo.Database
    journal: ArchiveJournal

    def archive(self, store: object = None, journal: ArchiveJournal | None = None) -> Archive:
        chosen = store or self.objects
        return Archive(chosen, journal or self.journal, clock.now, 0)  # type: ignore[arg-type]  # or a fake

    async def files(self) -> list[str]:
        return sorted([file.key async for file in self.objects.list("archive")])

    async def rows(self) -> list[tuple[int, str]]:
        """Return all there is in all files, doubles included."""
        tables = [table_in(await self.objects.get(file)) for file in await self.files()]
        rows = [row for table in tables for row in table.select(["ordinal", "key"]).to_pylist()]
        return sorted((row["ordinal"], row["key"]) for row in rows)

    async def keys_in_order(self, topic: str = "t") -> list[str]:
        return [
            record.key.decode()
            async for batch in refill.batches(self.objects, topic, Wanted(), set())
            for record in batch
            if record.key
        ]


@pytest.fixture
async def place(mongo_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    async with mongo.connect(mongo_url, f"t{uuid.uuid4().hex[:8]}") as database:
        store = objects.connect(tmp_path.as_uri())
        yield Place(store, database, ArchiveJournal(database, store))


def records(first: int, end: int, tenant: str = "acme") -> list[Record]:
    head = (("ce_tenant", tenant.encode()),)
    return [Record("t", b"k%05d" % n, b"{}", head, n % 3, n // 3, 1000 * n) for n in range(first, end)]


def keys(first: int, end: int) -> list[str]:
    return [f"k{n:05d}" for n in range(first, end)]


async def test_it_keeps_everything_once_whatever_comes_again(place: Place) -> None:
    archive = place.archive()

    counts = [await archive.keep(some) for some in (records(0, 50), records(0, 50), records(25, 75))]

    assert counts == [50, 0, 25]
    assert [key for _, key in await place.rows()] == keys(0, 75)
    assert await place.journal.notes() == []


async def test_it_knows_what_it_kept_after_the_broker_began_anew(place: Place) -> None:
    await place.archive().keep(records(0, 30))
    refilled = [record._replace(partition=0, offset=n) for n, record in enumerate(records(0, 30))]

    assert await place.archive().keep([*refilled, *records(30, 31)]) == 1

    assert await place.keys_in_order() == keys(0, 31)


async def test_it_keeps_nothing_twice_when_it_dies_after_writing(place: Place) -> None:
    with pytest.raises(Dying):
        await place.archive(journal=DyingJournal(place.database, place.objects)).keep(records(0, 20))

    assert await place.archive().keep(records(0, 40)) == 20

    assert [key for _, key in await place.rows()] == keys(0, 40)
    assert await place.journal.notes() == []


async def test_it_keeps_nothing_twice_when_some_files_could_not_be_written(place: Place) -> None:
    flaky, three_tenants = Flaky(place.objects), [r for t in "abc" for r in records(0, 5, t)]
    flaky.left = 2
    archive = place.archive(flaky)
    with pytest.raises(Unavailable):
        await archive.keep(three_tenants)
    with pytest.raises(Unavailable):
        await archive.keep(three_tenants)
    flaky.left = 10

    assert await archive.keep(three_tenants) == 5
    assert await archive.keep(three_tenants) == 0

    assert len(await place.rows()) == 15


async def test_it_forgets_a_note_whose_files_never_came(place: Place) -> None:
    await place.journal.note(Note(1, ("archive/nowhere",), clock.now()))
    await place.journal.settle(clock.now())
    assert len(await place.journal.notes()) == 1

    await place.journal.settle(clock.now() + timedelta(minutes=3))

    assert await place.journal.notes() == []


async def test_it_numbers_on_after_its_database_was_lost(place: Place) -> None:
    first = await place.journal.ordinals(10)
    assert await place.journal.ordinals(5) >= first + 10
    await place.database["archive_counters"].delete_many({})

    assert await place.journal.ordinals(1) > first + 10


async def test_it_lets_records_share_files_by_waiting(place: Place) -> None:
    archive = Archive(place.objects, place.journal, clock.now, 0.2)
    loop = asyncio.get_running_loop()
    started = loop.time()

    await archive.handle(records(0, 1))
    await archive.handle(records(1, 2))

    assert loop.time() - started >= 0.4


async def test_it_merges_small_files_and_drops_doubles(place: Place) -> None:
    for n in range(10):
        await place.archive().keep(records(n, n + 1))
    await place.database["archived_ids"].delete_many({})  # so that it knows nothing any more
    await place.archive().keep(records(0, 5))
    assert len(await place.files()) == 11
    before = await place.keys_in_order()

    await Compaction(place.objects, place.journal, enough_files=5).run()
    await Compaction(place.objects, place.journal, enough_files=5).run()

    assert len(await place.files()) == 1
    assert [key for _, key in await place.rows()] == keys(0, 10)
    assert await place.keys_in_order() == before == keys(0, 10)


async def test_it_does_not_merge_files_that_are_still_being_noted(place: Place) -> None:
    for n in range(6):
        await place.archive().keep(records(n, n + 1))
    with pytest.raises(Dying):
        await place.archive(journal=DyingJournal(place.database, place.objects)).keep(records(6, 9))

    await Compaction(place.objects, place.journal, enough_files=5).run()
    assert len(await place.files()) == 2
    assert await place.archive().keep(records(6, 9)) == 0

    assert [key for _, key in await place.rows()] == keys(0, 9)


async def test_it_is_read_in_order_while_files_are_merged(place: Place) -> None:
    for n in range(0, 300, 10):
        await place.archive().keep(records(n, n + 10))
    reading = refill.in_order(place.objects, await place.files())
    head = [await anext(reading) for _ in range(5)]
    assert [archived.record.key for archived in head] == [record.key for record in records(0, 5)]

    await Compaction(place.objects, place.journal, enough_files=5).run()
    seen = {archived.record_id for archived in head}
    rest = [r.key async for some in refill.batches(place.objects, "t", Wanted(), seen) for r in some]

    assert rest == [record.key for record in records(5, 300)]
    with pytest.raises(objects.Missing):
        _ = [archived async for archived in reading]
