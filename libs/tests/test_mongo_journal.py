"""Large aggregates on a real database: what is read is what was saved, whatever was folded meanwhile."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

import pytest

from libs import clock, mongo, mongo_journal
from libs.apply import Apply
from libs.events import visitor
from libs.events.base import AnyEvent, Event, Facts
from libs.mongo import Database, MongoStore, Shape
from libs.mongo_journal import Division, JournalStore
from libs.settings import Settings
from libs.stored import Change, Key, Stored

pytestmark = pytest.mark.real

KEY = Key("acme", "farm")


@dataclass(frozen=True, slots=True)
class Cow:
    name: str
    milk: int = 0
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Farm:
    """`milk` is that of all cows together; `sold` has the last sold last."""

    cows: dict[str, Cow] = field(default_factory=dict)
    sold: dict[str, int] = field(default_factory=dict)
    milk: int = 0


SHAPE = Shape("farms", Farm, lambda key: Farm())
DIVISION = Division(items=("cows",), ordered=("sold",))


def milked(farm: Farm, name: str, litres: int) -> Farm:
    cow = farm.cows.get(name) or Cow(name, notes={"a.b": "$c"})
    cows = {**farm.cows, name: replace(cow, milk=cow.milk + litres)}
    return replace(farm, cows=cows, milk=farm.milk + litres)


def sold(farm: Farm, name: str, now: int) -> Farm:
    if name not in farm.cows:
        return farm
    cows = {key: cow for key, cow in farm.cows.items() if key != name}
    done = {key: at for key, at in farm.sold.items() if key != name}
    return Farm(cows, {**done, name: now}, farm.milk - farm.cows[name].milk)


@pytest.fixture
async def database(mongo_url: str) -> AsyncIterator[Database]:
    settings = Settings(mongo_url=mongo_url, mongo_database_prefix=f"t{uuid.uuid4().hex[:8]}_")
    async with mongo.connect(settings.mongo_url, settings.database_of("t")) as database:
        yield database


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it fold after every few writes."""
    monkeypatch.setattr(mongo_journal, "JOURNAL_WRITES", 7)


class Writer:
    """One process that writes the farm."""

    def __init__(self, database: Database) -> None:
        self.store = JournalStore(database, SHAPE, DIVISION)
        self.stored = Stored(Farm())

    async def reload(self) -> None:
        self.stored = (await self.store.load([KEY])).get(KEY, self.stored)

    async def save(self, farm: Farm) -> bool:
        base = self.stored.version
        after = replace(self.stored, state=farm, version=base + 1)
        if await self.store.save([Change(KEY, base, after)]):
            return False
        self.stored = after
        return True


def is_same(one: Farm, other: Farm) -> bool:
    return one == other and list(one.sold) == list(other.sold)


async def read(database: Database) -> Farm:
    found = await JournalStore(database, SHAPE, DIVISION).get(KEY)
    assert found is not None
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_what_is_read_is_what_was_saved(database: Database, seed: int) -> None:
    dice = random.Random(seed)
    writers = [Writer(database) for _ in range(2)]
    await writers[0].store.create_indexes()
    truth = Farm()
    for step in range(150):
        writer = dice.choice(writers)
        if writer.stored.version != step:
            await writer.reload()
        for _ in range(dice.randint(1, 4)):
            name = f"cow-{dice.randrange(12)}"
            truth = (
                sold(truth, name, step) if dice.random() < 0.3 else milked(truth, name, dice.randint(1, 9))
            )
        assert await writer.save(truth)
        if dice.random() < 0.3:
            assert is_same(await read(database), truth)

    assert is_same(await read(database), truth)
    [listed] = await JournalStore(database, SHAPE, DIVISION).find("acme", {})
    assert is_same(listed, truth)
    document = await database["farms"].find_one({"_id": str(KEY)})
    assert document is not None and len(document["journal"]) < 7 and "cows" not in document["state"]


async def test_it_goes_on_from_what_was_written_whole(database: Database) -> None:
    whole = MongoStore(database, SHAPE)
    farm = milked(milked(Farm(), "old", 3), "older", 4)
    await whole.save([Change(KEY, 0, Stored(farm, 1))])
    writer = Writer(database)
    await writer.reload()
    for step in range(20):
        farm = sold(farm, "older", step) if step == 12 else milked(farm, f"new-{step}", step)
        assert await writer.save(farm)

    assert is_same(await read(database), farm) and "old" in farm.cows


async def test_who_stood_still_before_folding_brings_nothing_back(database: Database) -> None:
    slow, quick = Writer(database), Writer(database)
    farm = Farm()
    for step in range(10):
        farm = milked(farm, f"cow-{step}", step)
        assert await slow.save(farm)
    known = slow.store._known[KEY]
    await quick.reload()
    for step in range(20):
        farm = sold(farm, f"cow-{step}", step) if step < 5 else milked(farm, f"cow-{step}", step)
        assert await quick.save(farm)

    await slow.store._fold(KEY, known)

    assert not await slow.save(milked(slow.stored.state, "cow-1", 100))
    assert is_same(await read(database), farm)
    assert await quick.save(milked(farm, "cow-9", 1))
    assert is_same(await read(database), milked(farm, "cow-9", 1))


async def test_who_reads_meanwhile_sees_one_moment(database: Database) -> None:
    is_over = asyncio.Event()
    seen: list[int] = []

    async def look() -> None:
        while not is_over.is_set():
            for farm in await JournalStore(database, SHAPE, DIVISION).find("acme", {}):
                assert farm.milk == sum(cow.milk for cow in farm.cows.values())
                seen.append(farm.milk)

    writer = Writer(database)
    readers = [asyncio.create_task(look()) for _ in range(3)]
    farm = Farm()
    dice = random.Random(5)
    for step in range(200):
        name = f"cow-{dice.randrange(30)}"
        farm = sold(farm, name, step) if step % 5 == 4 else milked(farm, name, 1)
        assert await writer.save(farm)
    is_over.set()
    await asyncio.gather(*readers)

    assert len(set(seen)) > 10


async def test_of_two_who_apply_nothing_is_lost_or_done_twice(database: Database) -> None:
    def decide(farm: Farm, event: AnyEvent, now: object) -> tuple[Farm, Facts]:
        assert isinstance(event.data, visitor.PageViewed)
        return milked(farm, event.data.url, 1), ()

    async def tell(events: Sequence[AnyEvent]) -> None:
        return

    def page(number: int) -> AnyEvent:
        data = visitor.PageViewed(visitor_id="v", url=f"/{number % 11}")
        return Event(f"v-{number}", "acme", clock.now(), data, "j-1")

    stores = [JournalStore(database, SHAPE, DIVISION) for _ in range(2)]
    writers = [Apply(store, decide, tell, "/test") for store in stores]
    for start in range(0, 300, 10):
        events = [page(number) for number in range(start, start + 10)]
        await asyncio.gather(*(writer([(KEY, event) for event in events], clock.now()) for writer in writers))

    farm = await read(database)
    assert farm.milk == 300 and sum(cow.milk for cow in farm.cows.values()) == 300


async def test_it_may_be_larger_than_a_document(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongo_journal, "JOURNAL_WRITES", 1000)
    writer = Writer(database)
    await writer.store.create_indexes()
    cows: dict[str, Cow] = {}
    for step in range(9):
        cows = {**cows, **{f"{step}-{n}": Cow(f"{step}-{n}", 1, {"x": "y" * 2000}) for n in range(1000)}}
        assert await writer.save(Farm(cows, {}, len(cows)))

    farm = await read(database)

    assert len(farm.cows) == 9000 and is_same(farm, writer.stored.state)
