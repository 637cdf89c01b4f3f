"""How accounts, tellers, intervals, ledgers, partitions and breaches are kept and found."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial

from libs.mongo import Database, Document, IndexModel, MongoStore, Shape, guarded, key_of
from libs.paging import Place
from libs.stored import Key
from services.audit.domain import contact, ledger, partition, teller
from services.audit.domain.contact import Contact
from services.audit.domain.interval import Interval
from services.audit.domain.ledger import Found, Ledger
from services.audit.domain.partition import Partition
from services.audit.domain.teller import Teller
from services.audit.domain.words import Counted, Limits, Noted
from services.audit.progress import Reached

LEDGER = "ledger"


def contacts(limits: Limits) -> Shape[Contact]:
    return Shape(
        "accounts",
        Contact,
        blank=lambda key: Contact(key.tenant, key.id),
        due=partial(contact.due, limits=limits),
        index=lambda state: {"began_at": state.began_at} if state.open else {},
        indexes=[IndexModel([("tenant", 1), ("ix.began_at", 1)], sparse=True, name="open")],
        private=[Counted, Noted],
    )


def tellers(limits: Limits) -> Shape[Teller]:
    return Shape(
        "tellers",
        Teller,
        blank=lambda key: Teller(key.id),
        due=partial(teller.due, limits=limits),
        private=[Noted],
    )


INTERVALS: Shape[Interval] = Shape(
    "intervals", Interval, blank=lambda key: Interval(), due=lambda state: state.due_at, private=[Noted]
)
LEDGERS: Shape[Ledger] = Shape(
    "ledgers", Ledger, blank=lambda key: Ledger(key.tenant), due=lambda state: state.due_at
)


def partitions(limits: Limits) -> Shape[Partition]:
    return Shape(
        "partitions",
        Partition,
        blank=lambda key: Partition(),
        due=partial(partition.due, limits=limits),
        private=[Noted],
    )


BREACHES: Shape[Found] = Shape(
    "breaches",
    Found,
    blank=lambda key: Found(),
    index=lambda state: {
        "rule": state.rule,
        "contact_id": state.contact_id,
        "found_at": state.found_at,
        "open": state.open,
    },
    indexes=[
        IndexModel([("tenant", 1), ("ix.found_at", -1), ("_id", -1)], name="found"),
        IndexModel([("tenant", 1), ("ix.contact_id", 1)], name="contact"),
    ],
)


class ReachedByAll:
    """How far all processes of the audit have got: one document; the later time of each kind stays."""

    def __init__(self, database: Database) -> None:
        self._reached = database["reached"]

    async def exchange(self, mine: Reached) -> Reached:
        """Add what one process knows, and return what all know. :raises Unavailable: no answer."""
        known = {name: at for name, at in asdict(mine).items() if at is not None}
        row: Document | None
        with guarded():
            if known:
                row = await self._reached.find_one_and_update(
                    {"_id": "all"}, {"$max": known}, upsert=True, return_document=True
                )
            else:
                row = await self._reached.find_one({"_id": "all"})
        return Reached(row.get("behind_at"), row.get("began_at")) if row else mine


class Stores:
    """The collections of the audit."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self.contacts: MongoStore[Contact] = MongoStore(database, contacts(limits))
        self.tellers: MongoStore[Teller] = MongoStore(database, tellers(limits))
        self.intervals: MongoStore[Interval] = MongoStore(database, INTERVALS)
        self.ledgers: MongoStore[Ledger] = MongoStore(database, LEDGERS)
        self.partitions: MongoStore[Partition] = MongoStore(database, partitions(limits))
        self.breaches: MongoStore[Found] = MongoStore(database, BREACHES)

    async def create_indexes(self) -> None:
        for store in (self.contacts, self.tellers, self.intervals, self.ledgers, self.partitions):
            await store.create_indexes()
        await self.breaches.create_indexes()

    async def all_ledgers(self) -> Mapping[str, Ledger]:
        """Return how it stands, by tenant."""
        with guarded():
            rows = await self.ledgers.collection.find({}).to_list(None)
        return {key_of(row["_id"]).tenant: self.ledgers.read(row).state for row in rows}

    async def all_partitions(self) -> list[Partition]:
        with guarded():
            rows = await self.partitions.collection.find({}).sort("_id", 1).to_list(None)
        return [self.partitions.read(row).state for row in rows]

    async def oldest_open(self, tenant: str) -> tuple[str, datetime] | None:
        """Return the open contact that began first, and when."""
        with guarded():
            row = await self.contacts.collection.find_one(
                {"tenant": tenant, "ix.began_at": {"$exists": True}}, {"ix": 1}, sort=[("ix.began_at", 1)]
            )
        return (key_of(row["_id"]).id, row["ix"]["began_at"]) if row else None

    async def listed(
        self, tenants: Sequence[str], where: Document, after: Sequence[Place], limit: int
    ) -> list[tuple[Key, Found]]:
        """Return breaches, the newest first, those after a place in that order."""
        question: Document = {"tenant": {"$in": list(tenants)}, "ix.found_at": {"$ne": None}, **where}
        if after:
            at, name = after
            question["$or"] = [
                {"ix.found_at": {"$lt": at}},
                {"ix.found_at": at, "_id": {"$lt": name}},
            ]
        with guarded():
            cursor = self.breaches.collection.find(question).sort([("ix.found_at", -1), ("_id", -1)])
            rows = await cursor.limit(limit).to_list(None)
        return [(key_of(row["_id"]), self.breaches.read(row).state) for row in rows]

    async def ledger_of(self, tenant: str) -> Ledger:
        return await self.ledgers.get(Key(tenant, LEDGER)) or ledger.Ledger(tenant)
