"""G6: a state change with its event in one document, beside a plain update and beside a transaction."""

import asyncio
import itertools
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import perf_counter
from typing import Any

from bench.harness import Figure, Stage, compare
from libs import clock, mongo, wire
from libs.apply import Apply
from libs.events import visitor
from libs.events.base import AnyEvent, Event, Facts, after
from libs.mongo import Database, MongoStore, Shape
from libs.stored import Key

CHANGES = 1_600  # a round
WORKERS = 16  # each changes aggregates of its own, one at a time
AGGREGATES = 4  # of each worker and round: a document is changed as often as that of a usual contact
TENANT = "acme"


@dataclass(frozen=True, slots=True)
class Basket:
    """A state of a usual size."""

    visitor_id: str
    viewed: int = 0
    latest: tuple[str, ...] = ()
    since: datetime | None = None


def decide(basket: Basket, event: AnyEvent, now: datetime) -> tuple[Basket, Facts]:
    """Count the page, keep the latest five, and tell of it."""
    assert isinstance(event.data, visitor.PageViewed)
    fact = visitor.Searched(visitor_id=basket.visitor_id, query=event.data.url, results=basket.viewed)
    latest = (*basket.latest, event.data.url)[-5:]
    changed = replace(basket, viewed=basket.viewed + 1, latest=latest, since=basket.since or now)
    return changed, [after(event, now, fact)]


SHAPE = Shape("baskets", Basket, lambda key: Basket(key.id))


def page(visitor_id: str, number: int) -> AnyEvent:
    data = visitor.PageViewed(visitor_id=visitor_id, url=f"/catalogue/item-{number}")
    return Event(str(uuid.uuid4()), TENANT, clock.now(), data, f"j-{visitor_id}")


Change = Callable[[Key, AnyEvent], Awaitable[None]]


async def round_of(change: Change) -> float:
    """Make the changes, every worker one after the other, and return how many a second."""
    numbers = itertools.count()
    this_round = uuid.uuid4().hex[:8]

    async def worker(place: int) -> None:
        for turn in range(CHANGES // WORKERS):
            name = f"{this_round}-{place}-{turn % AGGREGATES}"
            await change(Key(TENANT, name), page(name, next(numbers)))

    began = perf_counter()
    async with asyncio.TaskGroup() as group:
        for place in range(WORKERS):
            group.create_task(worker(place))
    return CHANGES / (perf_counter() - began)


class ByHand:
    """The same state by hand: read, change, and write it without or with a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._baskets = database["baskets_by_hand"]
        self._outbox = database["outbox_by_hand"]

    async def create(self) -> None:
        """Create the collections: made within a transaction, they would be in the way of each other."""
        for collection in (self._baskets, self._outbox):
            await self._database.create_collection(collection.name)

    async def plain(self, key: Key, event: AnyEvent) -> None:
        """Write the state by one update, and tell nobody."""
        before, after, _ = await self._decided(key, event)
        await self._baskets.update_one({"_id": str(key), "v": before}, {"$set": after}, upsert=before == 0)

    async def transaction(self, key: Key, event: AnyEvent) -> None:
        """Write the state and, into an outbox, its fact, both or neither."""
        before, after, facts = await self._decided(key, event)
        rows = [{"_id": fact.id, "fact": wire.to_structured(fact)} for fact in facts]
        async with (
            await self._database.client.start_session() as session,
            session.start_transaction(write_concern=self._database.write_concern),
        ):
            await self._baskets.update_one(
                {"_id": str(key), "v": before}, {"$set": after}, upsert=before == 0, session=session
            )
            await self._outbox.insert_many(rows, session=session)

    async def _decided(self, key: Key, event: AnyEvent) -> tuple[int, dict[str, Any], Facts]:
        document = await self._baskets.find_one({"_id": str(key)}) or {"v": 0}
        basket = Basket(
            key.id, document.get("viewed", 0), tuple(document.get("latest", ())), document.get("since")
        )
        changed, facts = decide(basket, event, clock.now())
        after = {"viewed": changed.viewed, "latest": list(changed.latest), "since": changed.since}
        return document["v"], {**after, "v": document["v"] + 1, "tenant": key.tenant}, facts


async def run(stage: Stage) -> list[Figure]:
    """Compare apply, by which every service changes its state, with less and with more by hand."""

    async def tell(events: Sequence[AnyEvent]) -> None:
        """Tell nobody: what publishing costs is the bus's matter."""

    async with mongo.connect(stage.mongo_url, "bench_g06") as database:
        store = MongoStore(database, SHAPE)
        await store.create_indexes()
        apply = Apply(store, decide, tell, "/bench")
        by_hand = ByHand(database)
        await by_hand.create()

        async def ours(key: Key, event: AnyEvent) -> None:
            await apply([(key, event)], clock.now())

        rates = await compare(
            {
                "apply: state, applied ids and facts": lambda: round_of(ours),
                "plain update_one": lambda: round_of(by_hand.plain),
                "transaction: state and outbox": lambda: round_of(by_hand.transaction),
            }
        )
    rates.show()
    return [
        rates.figure("G6", "apply: state, applied ids and facts", "plain update_one", 0.85),
        rates.figure("G6", "apply: state, applied ids and facts", "transaction: state and outbox", 1.8),
    ]
