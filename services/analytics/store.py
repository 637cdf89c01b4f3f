"""How contacts, agents' times and intervals are kept and found."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from libs.mongo import Database, Document, IndexModel, MongoStore, Shape, guarded
from libs.paging import Place
from services.analytics.domain.agent_time import AgentTime
from services.analytics.domain.contact import Contact
from services.analytics.domain.counts import Counted, add
from services.analytics.domain.interval import Interval

CONTACTS = Shape(
    "contacts",
    Contact,
    lambda key: Contact(key.id),
    index=lambda contact: {
        "contact_id": contact.contact_id,
        "started_at": contact.started_at,
        "queue_id": contact.queue_id,
        "agent_id": contact.agent_id,
        "channel": contact.channel,
        "outcome": contact.outcome,
        "status": contact.status,
        "queued_at": contact.queued_at,
    },
    indexes=[
        IndexModel([("tenant", 1), ("ix.started_at", 1), ("_id", 1)], name="started"),
        IndexModel([("tenant", 1), ("ix.queue_id", 1), ("ix.started_at", 1)], name="queue"),
        IndexModel([("tenant", 1), ("ix.agent_id", 1), ("ix.started_at", 1)], name="agent"),
        IndexModel([("tenant", 1), ("ix.status", 1), ("ix.queue_id", 1)], name="status"),
    ],
    private=[Counted],
)

AGENTS = Shape(
    "agents",
    AgentTime,
    lambda key: AgentTime(key.id),
    index=lambda agent: {"state": agent.state},
    indexes=[IndexModel([("tenant", 1), ("ix.state", 1)], name="state")],
    private=[Counted],
)

INTERVALS = Shape(
    "intervals",
    Interval,
    lambda key: Interval(),
    due=lambda interval: interval.due_at,
    index=lambda interval: {"dimension": interval.dimension, "id": interval.id, "start": interval.start},
    indexes=[
        IndexModel(
            [("tenant", 1), ("ix.dimension", 1), ("ix.start", 1), ("ix.id", 1)],
            name="report",
        )
    ],
)


class Stores:
    """The three collections of analytics; `at` gives the names of those beside them for a rebuild."""

    def __init__(self, database: Database, at: Callable[[str], str] = str) -> None:
        self.contacts: MongoStore[Contact] = MongoStore(database, CONTACTS, at(CONTACTS.name))
        self.agents: MongoStore[AgentTime] = MongoStore(database, AGENTS, at(AGENTS.name))
        self.intervals: MongoStore[Interval] = MongoStore(database, INTERVALS, at(INTERVALS.name))

    async def create_indexes(self) -> None:
        for store in (self.contacts, self.agents, self.intervals):
            await store.create_indexes()

    async def counts_of(
        self, tenant: str, dimension: str, ids: Sequence[str], start: datetime, end: datetime
    ) -> list[tuple[datetime, str, dict[str, int]]]:
        """Return (grain, id, counts) of a dimension with start <= grain < end, by time and id."""
        where: Document = {
            "tenant": tenant,
            "ix.dimension": dimension,
            "ix.start": {"$gte": start, "$lt": end},
        }
        if ids:
            where["ix.id"] = {"$in": list(ids)}
        with guarded():
            cursor = self.intervals.collection.find(where, {"ix": 1, "state.counts": 1})
            rows = await cursor.sort([("ix.start", 1), ("ix.id", 1)]).to_list(None)
        return [(row["ix"]["start"], row["ix"]["id"], row["state"]["counts"]) for row in rows]

    async def waiting_now(self, tenant: str) -> dict[str, tuple[int, datetime]]:
        """Return, by queue, how many wait and since when the first of them does."""
        steps: list[dict[str, Any]] = [
            {"$match": {"tenant": tenant, "ix.status": "waiting"}},
            {"$group": {"_id": "$ix.queue_id", "n": {"$sum": 1}, "since": {"$min": "$ix.queued_at"}}},
        ]
        with guarded():
            rows = await self.contacts.collection.aggregate(steps).to_list(None)
        return {row["_id"]: (row["n"], row["since"]) for row in rows}

    async def agents_now(self, tenant: str) -> dict[str, int]:
        """Return how many agents are in each state, those signed out left aside."""
        steps: list[dict[str, Any]] = [
            {"$match": {"tenant": tenant, "ix.state": {"$ne": "signed_out"}}},
            {"$group": {"_id": "$ix.state", "n": {"$sum": 1}}},
        ]
        with guarded():
            rows = await self.agents.collection.aggregate(steps).to_list(None)
        return {row["_id"]: row["n"] for row in rows}

    async def ledger(self, tenant: str, where: Document, after: Sequence[Place], limit: int) -> list[Contact]:
        """Return contacts in the order in which they started, those after a place in that order."""
        filters: Document = {**where, "ix.started_at": {"$ne": None, **where.get("ix.started_at", {})}}
        if after:
            time, contact_id = after
            filters["$or"] = [
                {"ix.started_at": {"$gt": time}},
                {"ix.started_at": time, "_id": {"$gt": f"{tenant}/{contact_id}"}},
            ]
        return await self.contacts.find(tenant, filters, sort=[("ix.started_at", 1), ("_id", 1)], limit=limit)


def sum_counts(rows: Sequence[tuple[datetime, str, dict[str, int]]]) -> dict[str, int]:
    """Return the sums over rows."""
    total: dict[str, int] = {}
    for _, _, counts in rows:
        total = add(total, counts)
    return total


__all__ = ["AGENTS", "CONTACTS", "INTERVALS", "Stores", "sum_counts"]
