"""Apply on a real database: what it promises to every service."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from libs import clock, mongo
from libs.apply import Apply
from libs.events import visitor
from libs.events.base import AnyEvent, Event, Facts, after
from libs.mongo import MongoStore, Shape
from libs.settings import Settings
from libs.stored import Change, Key, Stored

pytestmark = pytest.mark.real


@dataclass(frozen=True, slots=True)
class Trail:
    pages: tuple[str, ...] = ()
    due: datetime | None = None


def decide(trail: Trail, event: AnyEvent, now: datetime) -> tuple[Trail, Facts]:
    if isinstance(event.data, visitor.PageViewed):
        fact = visitor.Searched(visitor_id=event.data.visitor_id, query=event.data.url)
        return replace(trail, pages=(*trail.pages, event.data.url)), [after(event, now, fact)]
    return replace(trail, due=None), []


SHAPE = Shape("trails", Trail, lambda key: Trail(), due=lambda trail: trail.due)


def page(visitor_id: str, number: int) -> AnyEvent:
    data = visitor.PageViewed(visitor_id=visitor_id, url=f"/{number}")
    return Event(f"{visitor_id}-{number}", "acme", clock.now(), data, "j-1")


@pytest.fixture
async def settings(mongo_url: str) -> Settings:
    return Settings(mongo_url=mongo_url, mongo_database_prefix=f"t{uuid.uuid4().hex[:8]}_")


async def test_it_applies_once_whatever_comes_again(settings: Settings) -> None:
    told: list[AnyEvent] = []

    async def tell(events: Sequence[AnyEvent]) -> None:
        told.extend(events)

    async with mongo.connect(settings.mongo_url, settings.database_of("t")) as database:
        store = MongoStore(database, SHAPE)
        await store.create_indexes()
        apply = Apply(store, decide, tell, "/test")
        key = Key("acme", "v")
        events = [page("v", n) for n in range(700)]  # more than are remembered beside the state

        for start in range(0, 700, 100):
            await apply([(key, event) for event in events[start : start + 100]], clock.now())
        await apply.settle()
        await Apply(store, decide, tell, "/test")([(key, event) for event in events], clock.now())

        state = await store.get(key)
    assert state is not None and len(state.pages) == 700
    assert [event.sequence for event in told] == list(range(1, 701))


async def test_it_lets_one_of_two_writers_win_and_the_other_decide_again(settings: Settings) -> None:
    async def tell(events: Sequence[AnyEvent]) -> None:
        return

    async with mongo.connect(settings.mongo_url, settings.database_of("t")) as database:
        store = MongoStore(database, SHAPE)
        writers = [Apply(store, decide, tell, "/test") for _ in range(2)]
        key = Key("acme", "w")

        for n in range(20):
            await asyncio.gather(
                *(writer([(key, page(f"w{place}", n))], clock.now()) for place, writer in enumerate(writers))
            )

        state = await store.get(key)
    assert state is not None and len(state.pages) == 40


async def test_it_tells_what_a_dead_process_left_behind(settings: Settings) -> None:
    told: list[AnyEvent] = []

    async def die(events: Sequence[AnyEvent]) -> None:
        raise ConnectionAbortedError

    async def tell(events: Sequence[AnyEvent]) -> None:
        told.extend(events)

    async with mongo.connect(settings.mongo_url, settings.database_of("t")) as database:
        store = MongoStore(database, SHAPE)
        key = Key("acme", "x")
        with pytest.raises(ConnectionAbortedError):
            await Apply(store, decide, die, "/test")([(key, page("x", 1))], clock.now())

        successor = Apply(store, decide, tell, "/test")
        await successor.sweep(clock.now() + timedelta(minutes=1))
        await successor.settle()
        await successor.sweep(clock.now() + timedelta(minutes=1))

    assert [event.caused_by for event in told] == ["x-1"]


async def test_it_refuses_the_loser_also_where_both_end_with_the_same_event(settings: Settings) -> None:
    """Two owners of a partition, for a moment, read different batches that end with one record."""
    async with mongo.connect(settings.mongo_url, settings.database_of("t")) as database:
        store = MongoStore(database, SHAPE)
        keys = [Key("acme", name) for name in ("y", "z")]
        await store.save([Change(key, 0, Stored(Trail(), 1)) for key in keys])
        winner, loser = (
            [Change(key, 1, Stored(Trail((url,)), 2, applied=(url, "last"))) for key in keys]
            for url in ("/winner", "/loser")
        )

        refused = [await store.save(winner), await store.save(loser)]

        states = await store.load(keys)
    assert refused == [set(), set(keys)]
    assert {stored.state.pages for stored in states.values()} == {("/winner",)}


async def test_it_knows_its_own_deadlines_at_once_and_those_of_others_a_moment_later(
    settings: Settings,
) -> None:
    now = clock.now().replace(microsecond=0)
    key, other = Key("acme", "v"), Key("acme", "w")

    def until(at: Key, seconds: float) -> Change[Trail]:
        return Change(at, 0, Stored(Trail(due=now + timedelta(seconds=seconds)), 1))

    async with mongo.connect(settings.mongo_url, settings.database_of("t")) as database:
        ours, theirs = MongoStore(database, SHAPE), MongoStore(database, SHAPE)
        await ours.create_indexes()
        asked = [await ours.due(now, 10)]
        await ours.save([until(key, 0.4)])
        asked += [await ours.due(now + timedelta(seconds=each), 10) for each in (0.3, 0.4)]
        await ours.save([Change(key, 1, Stored(Trail(), 2))])
        asked.append(await ours.due(now + timedelta(seconds=0.5), 10))
        await theirs.save([until(other, 0.6)])
        late = await ours.due(now + timedelta(seconds=0.5) + mongo.LOOK_AHEAD, 10)

    assert asked == [[], [], [(key, 1)], []]
    assert late == [(other, 1)]


async def test_it_asks_for_deadlines_no_more_often_than_they_can_come(settings: Settings) -> None:
    now = clock.now()
    async with mongo.connect(settings.mongo_url, settings.database_of("t")) as database:
        store = MongoStore(database, SHAPE)
        await store.create_indexes()
        await store.due(now, 10)
        # What nobody is told of: it is found only when the store is asked again.
        await store.collection.insert_one({"_id": "acme/x", "v": 1, "due_at": now})

        soon, later = [await store.due(now + timedelta(seconds=each), 10) for each in (0.9, 1.0)]

    assert (soon, later) == ([], [(Key("acme", "x"), 1)])
