"""From topics to the archive and back into other topics, on real brokers, with the bytes unchanged."""

import asyncio
import re
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from libs import bus, clock, mongo, objects, topics, wire
from libs.election import MongoElection
from libs.events import interaction, visitor
from libs.events.base import Event, Fact
from libs.events.catalogue import dead_letters_of
from libs.objects import Objects
from libs.settings import Settings
from libs.wire import Record
from services.analytics import archive, refill
from services.analytics.archive_journal import ArchiveJournal
from services.analytics.archive_rows import archived_in
from tests.servers import broker_server

pytestmark = [pytest.mark.real, pytest.mark.timeout(150)]

VISITOR, INTERACTION = "trunkline.visitor", "trunkline.interaction"
DOCS = Path(__file__).parents[3] / "docs" / "archive.md"


@pytest.fixture
def old_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of another one."""
    with broker_server(tmp_path_factory.mktemp("old")) as server:
        yield server.address


@pytest.fixture
def new_broker(tmp_path: Path) -> Iterator[str]:
    """Give the address of an empty broker of this test's own."""
    with broker_server(tmp_path) as server:
        yield server.address


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    if request.param == "folder":
        return objects.connect((tmp_path / "objects").as_uri())
    endpoint = request.getfixturevalue("s3_url")
    for name, value in (("ACCESS_KEY_ID", "any"), ("SECRET_ACCESS_KEY", "any"), ("REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    bucket = f"b{uuid.uuid4().hex[:8]}"
    with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{bucket}", method="PUT")):
        return objects.connect(f"s3://{bucket}/deep", endpoint)


def record(number: int, tenant: str, data: Fact) -> Record:
    return wire.encode(Event(f"{tenant}-{number}", tenant, clock.now(), data, "j", sequence=number))


def life(count: int, tenant: str) -> list[Record]:
    """Return records of two topics, every third one told twice, and a dead letter without an envelope."""
    told: list[Record] = []
    for n in range(count):
        told.append(record(n, tenant, visitor.PageViewed(visitor_id=f"v{n % 5}", url=f"/{n}")))
        told.append(record(n + count, tenant, interaction.Ended(interaction_id=f"i{n % 7}", by="customer")))
        told += [told[-1]] if n % 3 == 0 else []
    return [
        *told,
        Record(dead_letters_of(VISITOR), b"\xff", b"\x00", (("dlq_reason", b"x"),), timestamp_ms=5),
    ]


@asynccontextmanager
async def archiving(settings: Settings, store: Objects) -> AsyncIterator[None]:
    async with (
        mongo.connect(settings.mongo_url, settings.database_of("analytics")) as database,
        bus.connect(settings, "/test") as a_bus,
    ):
        election = MongoElection(database, "test")
        work = archive.run(a_bus, store, database, election, clock.now, flush_s=0.05, compact_every_s=0.2)
        task = asyncio.create_task(work)
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def held(settings: Settings, topic: str) -> list[Record]:
    return [record async for record in topics.records_of(settings, topic)]


async def archived(store: Objects, topic: str) -> list[Record]:
    found = refill.batches(store, topic, refill.Wanted(), set())
    return [record async for some in found for record in some]


async def until_archived(store: Objects, topic: str, count: int) -> None:
    async with asyncio.timeout(50):
        while len(await archived(store, topic)) < count:  # noqa: ASYNC110 - a store has no event to wait on
            await asyncio.sleep(0.2)


def plain(records: list[Record]) -> dict[bytes | None, list[tuple[bytes | None, wire.Headers, int]]]:
    """Return per key what readers see, in order, each record once."""
    seen: dict[bytes | None, list[tuple[bytes | None, wire.Headers, int]]] = {}
    for each in records:
        lives = seen.setdefault(each.key, [])
        if (each.value, tuple(each.headers)) not in [life[:2] for life in lives]:
            lives.append((each.value, tuple(each.headers), each.timestamp_ms))
    return seen


async def test_it_fills_a_new_cluster_with_the_same_bytes(
    old_broker: str, mongo_url: str, new_broker: str, store: Objects
) -> None:
    prefix = f"t{uuid.uuid4().hex[:8]}_"
    here = Settings(kafka_bootstrap=old_broker, mongo_url=mongo_url, mongo_database_prefix=prefix)
    there = Settings(kafka_bootstrap=new_broker, mongo_url=mongo_url, mongo_database_prefix=prefix)
    await topics.create(here)
    await topics.create(there)
    tenant, said = f"acme{uuid.uuid4().hex[:6]}", list[str]()
    async with bus.connect(here, "/test") as a_bus:
        await a_bus.publish_records(life(60, tenant))
    before = {t: await held(here, t) for t in (VISITOR, INTERACTION, dead_letters_of(VISITOR))}
    async with archiving(here, store):
        for topic, records in before.items():
            await until_archived(store, topic, sum(map(len, plain(records).values())))

    async with bus.connect(there, "/test") as a_bus:
        filling = refill.Refill(store, there, a_bus, missing_only=True, say=said.append)
        assert await filling.run() == sum(
            len(some) for all_ in before.values() for some in plain(all_).values()
        )
        assert await filling.run() == 0

    assert said[-1] == "the topics hold everything already; nothing was written"
    for topic, records in before.items():
        assert plain(await held(there, topic)) == plain(records)

    # The archive of the new cluster, being the same, has nothing to add.
    files = sorted([file async for file in store.list("archive")])
    async with archiving(there, store), bus.connect(there, "/test") as a_bus:
        await a_bus.publish_records([record(1000, tenant, visitor.PageViewed(visitor_id="v1", url="/new"))])
        await until_archived(store, VISITOR, sum(map(len, plain(before[VISITOR]).values())) + 1)
    added = {file for file in sorted([file async for file in store.list("archive")]) if file not in files}
    rows = [row.record for file in added for row in archived_in(await store.get(file.key))]
    assert b"/new" in (rows[-1].value or b"")
    assert len(await archived(store, INTERACTION)) == sum(map(len, plain(before[INTERACTION]).values()))


async def test_it_writes_what_is_asked_for_by_command_line(
    new_broker: str, mongo_url: str, tmp_path: Path
) -> None:
    settings = Settings(kafka_bootstrap=new_broker, mongo_url=mongo_url, data_dir=tmp_path)
    store, said = objects.of(settings), list[str]()
    async with mongo.connect(mongo_url, f"t{uuid.uuid4().hex[:8]}") as database:
        journal = ArchiveJournal(database, store)
        for tenant in ("acme", "other"):
            await archive.Archive(store, journal, clock.now, 0).keep(life(20, tenant))

    assert await refill.main(["--tenant", "acme", "--topic", VISITOR], settings, said.append) == 0
    assert len(await held(settings, VISITOR)) == 20
    assert await refill.main(["--since", "2999-01-01"], settings, said.append) == 0
    assert said[-1] == "the archive holds nothing of what is wanted"
    assert await refill.main(["--local"], settings, said.append) == 0
    assert await refill.main(["--local"], settings, said.append) == 0
    assert await refill.main(["--from", "nonsense"], settings, said.append) == 2

    assert len(await held(settings, VISITOR)) == 40
    assert len(await held(settings, INTERACTION)) == 40
    assert len(await held(settings, dead_letters_of(VISITOR))) == 1
    assert f"{VISITOR}: 20 records written, 20 were there" in said


async def test_it_is_read_with_duckdb_in_one_line(
    mongo_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = objects.connect((tmp_path / "objects").as_uri())
    async with mongo.connect(mongo_url, f"t{uuid.uuid4().hex[:8]}") as database:
        journal = ArchiveJournal(database, store)
        for tenant in ("acme", "other"):
            await archive.Archive(store, journal, clock.now, 0).keep(life(9, tenant))
    (query,) = re.findall(r"```sql\n(.*?)\n```", DOCS.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    import duckdb

    counted = duckdb.execute(query).fetchall()
    of_one = duckdb.execute(
        "SELECT count(*), min(data ->> '$.by') FROM read_parquet('objects/archive/**/*.parquet') "
        f"WHERE topic = '{INTERACTION}' AND tenant = 'acme' AND day = '{clock.now():%Y-%m-%d}'"
    ).fetchall()

    assert dict(counted) == {
        None: 0,
        "trunkline.interaction.ended.v1": 18,
        "trunkline.visitor.page_viewed.v1": 18,
    }
    assert of_one == [(9, "customer")]
