"""A rebuild numbers on where the service had stopped, tells nothing, and waits until nobody writes."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from libs import mongo
from libs.events import visitor
from libs.events.base import AnyEvent, Event, Facts, after
from libs.local import LocalStore
from libs.mongo import Database
from libs.pause import NotQuiet, Pause, quiet
from libs.projections import Refold, tell_nothing
from libs.settings import Settings
from libs.stored import Key

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY = Key("acme", "v")


@dataclass(frozen=True, slots=True)
class Trail:
    pages: int = 0
    searches: int = 0


def decide(trail: Trail, event: AnyEvent, now: datetime) -> tuple[Trail, Facts]:
    """Count pages; what was searched is told of its own, and so only counted when read again."""
    match event.data:
        case visitor.PageViewed():
            return Trail(trail.pages + 1, trail.searches), []
        case visitor.Searched():
            return Trail(trail.pages, trail.searches + 1), []
    return trail, [after(event, now, visitor.Searched(visitor_id="v", query="x"))]


def given(event_id: str, *, sequence: int = 0, source: str = "") -> AnyEvent:
    data = (
        visitor.Searched(visitor_id="v", query="x") if source else visitor.PageViewed(visitor_id="v", url="/")
    )
    return Event(event_id, "acme", NOON, data, "j", source=source, sequence=sequence)


async def test_it_numbers_on_after_what_was_told() -> None:
    store: LocalStore[Trail] = LocalStore("trails", lambda key: Trail())
    refold = Refold(store, decide, tell_nothing, "/test")

    await refold([(KEY, given("t-2", sequence=2, source="/test/trails"))], NOON)
    await refold([(KEY, given("t-1", sequence=1, source="/test/trails"))], NOON)
    await refold([(KEY, given("t-9", sequence=9, source="/other/trails"))], NOON)
    await refold([(KEY, given("p-1"))], NOON)

    assert store.kept[KEY].sequence == 2
    assert store.kept[KEY].state == Trail(1, 3)
    assert refold.touched == {"acme/v"}


async def test_it_refuses_to_tell() -> None:
    store: LocalStore[Trail] = LocalStore("trails", lambda key: Trail())
    shown = visitor.ScreenShown.model_construct(visitor_id="v", screen="s")

    with pytest.raises(AssertionError, match="no projection"):
        await Refold(store, decide, tell_nothing, "/test")(
            [(KEY, Event("l", "acme", NOON, shown, "j"))], NOON
        )


@pytest.fixture
async def database(mongo_url: str) -> AsyncIterator[Database]:
    settings = Settings(mongo_url=mongo_url, mongo_database_prefix=f"t{uuid.uuid4().hex[:8]}_")
    async with mongo.connect(settings.mongo_url, settings.database_of("t")) as database:
        yield database


@pytest.mark.real
async def test_it_is_quiet_only_when_nothing_is_in_hand(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    pause = Pause(database, "t")
    busy, seen = asyncio.Event(), list[str]()

    async def handle(batch: Sequence[str]) -> None:
        await busy.wait()
        seen.append("handled")

    watching = asyncio.create_task(pause.watch())
    reading = asyncio.ensure_future(pause.reader(handle)(["batch"]))
    try:
        while not await database["processes"].count_documents({}):  # noqa: ASYNC110 - it is the database's
            await asyncio.sleep(0.02)
        with pytest.raises(NotQuiet):
            async with quiet(database, "first", within_s=0.6):
                seen.append("quiet with a batch in hand")
        busy.set()
        await reading
        async with quiet(database, "second") as still:
            late = asyncio.ensure_future(pause.reader(handle)(["another"]))
            await asyncio.sleep(0.3)
            seen.append(f"quiet {still()}")
            with pytest.raises(NotQuiet, match="somebody else"):
                async with quiet(database, "third"):
                    seen.append("quiet for two")
        await asyncio.wait_for(late, 5)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

    assert seen == ["handled", "quiet True", "handled"]
    assert "holding still" in [record.msg for record in caplog.records]


@pytest.mark.real
async def test_it_waits_for_nobody_where_no_process_lives(database: Database) -> None:
    await database["processes"].insert_one({"_id": "dead", "at": NOON, "still_for": ""})

    async with quiet(database, "first", within_s=0.1) as still:
        assert still()
