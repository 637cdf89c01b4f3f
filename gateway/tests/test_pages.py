"""Pages in the database: kept once, in order, for as long and as many as was promised, and no longer."""

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from gateway import pages
from gateway.pages import MongoPages
from gateway.stream import PageClosed
from gateway.tests.making import NOON, event
from libs import mongo
from libs.events.base import AnyEvent
from libs.mongo import Database
from libs.stored import Key

pytestmark = [pytest.mark.real]

ANA = Key("demo", "agent:ana")
OF_A_PAGE = 10


@pytest.fixture
async def database(mongo_url: str) -> AsyncIterator[Database]:
    async with mongo.connect(mongo_url, f"t{uuid.uuid4().hex[:8]}_gateway") as database:
        yield database


def closed(number: int, stream: str = ANA.id) -> AnyEvent:
    """Return the page `number` of a stream: ten frames of ten characters each."""
    first = (number - 1) * OF_A_PAGE + 1
    frames = tuple(f"frame {seq:04}" for seq in range(first, first + OF_A_PAGE))
    page = PageClosed(stream=stream, first=first, frames=frames, characters=100 * number)
    return event(page, number=number)


async def kept(some: MongoPages, seen: int = 0) -> list[int]:
    """Return the numbers of the frames that are kept after one, as a reader walks from page to page."""
    numbers: list[int] = []
    while found := await some.after(ANA, numbers[-1] if numbers else seen):
        numbers += [seq for page in found for seq in range(page.first, page.last + 1)]
    return numbers


async def test_it_keeps_every_page_once_and_in_order(database: Database) -> None:
    some = MongoPages(database, timedelta(minutes=30))
    await some.create_indexes()
    given = [closed(number) for number in (2, 1, 6, 3, 5, 4)]

    await some.keep(given)
    await some.keep([*given[:2], closed(1, "agent:ben")])

    assert await kept(some) == list(range(1, 61))
    assert (await kept(some, 25))[0] == 21  # the page in which the next frame stands


@pytest.mark.parametrize(("limit", "value"), [("MOST_FRAMES", 40), ("MOST_CHARACTERS", 400)])
async def test_it_drops_the_oldest_of_a_stream_that_has_too_many(
    database: Database, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(pages, limit, value)
    some = MongoPages(database, timedelta(minutes=30))
    await some.keep([closed(1, "agent:ben")])

    for number in range(1, 8):
        await some.keep([closed(number)])

    assert await kept(some) == list(range(31, 71))
    assert [page.first for page in await some.after(Key("demo", "agent:ben"), 0)] == [1]


async def test_the_database_forgets_a_page_when_its_youngest_frame_is_old_enough(database: Database) -> None:
    some = MongoPages(database, timedelta(minutes=30))
    await some.create_indexes()

    await some.keep([closed(1)])

    (row,) = await database["pages"].find({}).to_list(None)
    (expiring,) = [
        each
        for each in (await database["pages"].index_information()).values()
        if "expireAfterSeconds" in each
    ]
    assert row["kept_until"] == NOON + timedelta(minutes=30)
    assert (expiring["key"], expiring["expireAfterSeconds"]) == ([("kept_until", 1)], 0)
