"""Customers, visitors' trails and context packs as documents, and how they are found."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from libs.errors import NotFound
from libs.events.base import Identity
from libs.identities import name_of
from libs.mongo import Database, Document, IndexModel, MongoStore, Shape, guarded, insert_new
from libs.stored import Key
from services.crm_context.domain import customer, finding, pack, trail
from services.crm_context.domain.commands import ContactNoted, MergedAway, TicketNoted
from services.crm_context.domain.customer import Customer
from services.crm_context.domain.pack import Pack
from services.crm_context.domain.trail import Trail

MERGES_FOLLOWED = 10
SORTS: Mapping[str, str] = {
    "": "ix.updated_at",
    "name": "ix.name",
    "created_at": "ix.created_at",
    "updated_at": "ix.updated_at",
    "vip_level": "ix.vip_level",
}


class Directory(Protocol):
    """Finds customers and packs by what people are recognised by: in the database, or in a test."""

    async def customers_by(self, tenant: str, identities: Collection[Identity]) -> dict[str, Customer]:
        """Return customers by the names ("kind:value") of the identities they have."""
        ...

    async def packs_of(
        self, tenant: str, visitor_ids: Collection[str], identities: Collection[Identity]
    ) -> list[Pack]:
        """Return the packs of open sessions in which nobody is known yet, by visitor or identity."""
        ...


def index_customer(state: Customer) -> Document:
    found_by: Document = {"live": state.exists}
    if not state.exists:
        return found_by
    found_by |= {
        "name": state.name.lower(),
        "words": finding.words_of(state),
        "tags": list(state.tags),
        "vip_level": state.vip_level,
        "created_at": state.created_at,
        "updated_at": state.updated_at,
    }
    if state.identities:
        found_by["identities"] = [name_of(each) for each in state.identities]
    return found_by


def index_pack(state: Pack) -> Document:
    if state.closed or state.customer_id:
        return {}
    return {
        "visitor": state.visitor_id or None,
        "identities": [name_of(each) for each in state.identities],
    }


CUSTOMERS: Shape[Customer] = Shape(
    "customers",
    Customer,
    customer.blank,
    index=index_customer,
    indexes=(
        # An identity is one customer's: the second write that claims it is refused.
        IndexModel(
            [("tenant", 1), ("ix.identities", 1)],
            unique=True,
            partialFilterExpression={"ix.identities": {"$exists": True}},
            name="identities",
        ),
        IndexModel([("tenant", 1), ("ix.words", 1)], name="words"),
        IndexModel([("tenant", 1), ("ix.tags", 1)], name="tags"),
        *(
            IndexModel([("tenant", 1), (field, 1), ("_id", 1)], name=field.partition(".")[2])
            for field in dict.fromkeys(SORTS.values())
        ),
    ),
    private=(MergedAway, ContactNoted, TicketNoted),
)
TRAILS: Shape[Trail] = Shape("trails", Trail, trail.blank)
PACKS: Shape[Pack] = Shape(
    "context_packs",
    Pack,
    pack.blank,
    index=index_pack,
    indexes=(
        IndexModel([("tenant", 1), ("ix.visitor", 1)], name="visitor"),
        IndexModel([("tenant", 1), ("ix.identities", 1)], name="identities"),
    ),
    private=(ContactNoted, TicketNoted),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which customers are searched, and in what order."""

    words: Sequence[str] = ()
    tags: Sequence[str] = ()
    min_vip_level: int = 0
    sort_by: str = ""
    descending: bool = False
    after: Sequence[Any] = ()  # sort value and document id of the last one before
    limit: int = 50


class Customers(MongoStore[Customer]):
    """The customers in the database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, CUSTOMERS)

    async def existing(self, key: Key) -> Customer:
        """Return the customer, or the one it was merged into. :raises NotFound: there is none."""
        wanted = key
        for _ in range(MERGES_FOLLOWED):
            found = await self.get(wanted)
            if found is None or not (found.exists or found.merged_into):
                break
            if found.exists:
                return found
            wanted = Key(key.tenant, found.merged_into)
        raise NotFound("customer", key.id)

    async def search(self, tenant: str, wanted: Wanted) -> list[tuple[tuple[Any, str], Customer]]:
        """Return customers with their place in the order. What is searched is compared, never executed."""
        field = SORTS[wanted.sort_by]
        conditions: list[Document] = [
            {"ix.words": {"$elemMatch": {"$gte": word, "$lt": f"{word}\U0010ffff"}}} for word in wanted.words
        ]
        conditions += [{"ix.tags": {"$eq": tag}} for tag in wanted.tags]
        if wanted.min_vip_level > 0:
            conditions.append({"ix.vip_level": {"$gte": wanted.min_vip_level}})
        if wanted.after:
            value, name = wanted.after
            beyond = "$lt" if wanted.descending else "$gt"
            conditions.append({"$or": [{field: {beyond: value}}, {field: value, "_id": {beyond: name}}]})
        question: Document = {"tenant": tenant, "ix.live": True}
        if conditions:
            question["$and"] = conditions
        way = -1 if wanted.descending else 1
        with guarded():
            cursor = self.collection.find(question).sort([(field, way), ("_id", way)]).limit(wanted.limit)
            rows = await cursor.to_list(None)
        short = field.partition(".")[2]
        return [((row["ix"][short], row["_id"]), self.read(row).state) for row in rows]


class MongoDirectory:
    """Finds customers and packs in the database."""

    def __init__(self, customers: Customers, packs: MongoStore[Pack]) -> None:
        self._customers = customers
        self._packs = packs

    async def customers_by(self, tenant: str, identities: Collection[Identity]) -> dict[str, Customer]:
        names = [name_of(each) for each in identities]
        if not names:
            return {}
        found = await self._customers.find(tenant, {"ix.identities": {"$in": names}}, limit=len(names))
        return {name_of(each): one for one in found for each in one.identities}

    async def packs_of(
        self, tenant: str, visitor_ids: Collection[str], identities: Collection[Identity]
    ) -> list[Pack]:
        ways: list[Document] = []
        if visitor_ids:
            ways.append({"ix.visitor": {"$in": list(visitor_ids)}})
        if identities:
            ways.append({"ix.identities": {"$in": [name_of(each) for each in identities]}})
        return await self._packs.find(tenant, {"$or": ways}, limit=100) if ways else []


class Imports:
    """What was answered to imports, so that one told again is answered the same."""

    def __init__(self, database: Database) -> None:
        self._answers = database["imports"]

    async def create_indexes(self) -> None:
        """Create what is missing; an answer is kept for a month."""
        with guarded():
            await self._answers.create_indexes([IndexModel([("at", 1)], expireAfterSeconds=30 * 86_400)])

    async def get(self, key: Key) -> Document | None:
        with guarded():
            return await self._answers.find_one({"_id": str(key)})

    async def keep(self, key: Key, answer: Document, now: datetime) -> None:
        await insert_new(self._answers, [{**answer, "_id": str(key), "tenant": key.tenant, "at": now}])
