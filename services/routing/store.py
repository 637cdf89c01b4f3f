"""Where routing keeps its pools, and the records of its decisions beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from libs.events import routing
from libs.events.base import AnyEvent
from libs.mongo import Database, IndexModel, MongoStore, Shape, guarded, insert_new
from libs.mongo_journal import Division, JournalStore
from libs.stored import Key, Store
from services.routing.domain.configuration.changing import Configuration
from services.routing.domain.model import Pool, due
from services.routing.domain.strategy.publishing import StrategyRecord

POOLS = Shape("pools", Pool, lambda key: Pool(key.id), due=due)
DIVISION = Division(items=("queues", "agents", "contacts", "callbacks"), ordered=("finished", "strategies"))
STRATEGIES: Shape[StrategyRecord] = Shape(
    "strategies",
    StrategyRecord,
    blank=lambda key: StrategyRecord(key.id),
    index=lambda record: {"strategy_id": record.strategy_id},
    indexes=(IndexModel([("tenant", 1), ("ix.strategy_id", 1)], name="strategy_id"),),
)
CONFIGURATIONS: Shape[Configuration] = Shape("configurations", Configuration, lambda key: Configuration())
ConfigurationStore = Store[Configuration]
LONGEST_LIST = 500  # decisions of one contact, pools of one tenant


class Pools(Protocol):
    """The pools as questions need them."""

    async def get(self, key: Key) -> Pool | None: ...

    async def of_tenant(self, tenant: str) -> list[Pool]: ...


class MongoPools(JournalStore[Pool]):
    """The pools; what a batch of events changes in one is what is written."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, POOLS, DIVISION)

    async def of_tenant(self, tenant: str) -> list[Pool]:
        return await self.find(tenant, {}, sort=[("_id", 1)], limit=LONGEST_LIST)


class MongoConfigurations(JournalStore[Configuration]):
    """The configurations; what is put or removed in one is what is written."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, CONFIGURATIONS, Division(items=("items",)))


class StrategyStore(Store[StrategyRecord], Protocol):
    """The strategies by id."""

    async def listed(self, tenant: str, after: str, limit: int) -> list[StrategyRecord]:
        """Return strategies by id, those after the given one."""
        ...


class MongoStrategies(MongoStore[StrategyRecord]):
    """The strategies, one document each, with all their versions."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, STRATEGIES)

    async def listed(self, tenant: str, after: str, limit: int) -> list[StrategyRecord]:
        where = {"ix.strategy_id": {"$gt": after}}
        return await self.find(tenant, where, sort=[("ix.strategy_id", 1)], limit=limit)


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision record and when it was taken."""

    at: datetime
    record: routing.DecisionRecorded


class Decisions(Protocol):
    """The decision records, found by contact or by their own id."""

    async def keep(self, events: Sequence[AnyEvent]) -> None: ...

    async def of_contact(self, tenant: str, contact_id: str) -> list[Decision]: ...

    async def get(self, tenant: str, decision_id: str) -> Decision | None: ...


class MongoDecisions:
    """The decision records, each written once, whatever is told twice; the server drops the old ones."""

    def __init__(self, database: Database, kept_days: float) -> None:
        self._collection = database["decisions"]
        self._kept = timedelta(days=kept_days)

    async def create_indexes(self) -> None:
        with guarded():
            await self._collection.create_index([("tenant", 1), ("contact_id", 1), ("at", 1)], name="contact")
            await self._collection.create_index("forget_at", expireAfterSeconds=0, name="forget")

    async def keep(self, events: Sequence[AnyEvent]) -> None:
        """Write the decisions among the facts told."""
        documents = [
            {
                "_id": f"{event.tenant}/{event.data.decision_id}",
                "tenant": event.tenant,
                "contact_id": event.data.contact_id,
                "at": event.time,
                "forget_at": event.time + self._kept,
                "record": event.data.model_dump(),
            }
            for event in events
            if isinstance(event.data, routing.DecisionRecorded)
        ]
        await insert_new(self._collection, documents)

    async def of_contact(self, tenant: str, contact_id: str) -> list[Decision]:
        """Return the decisions about a contact, the oldest first."""
        with guarded():
            cursor = self._collection.find({"tenant": tenant, "contact_id": contact_id})
            documents = await cursor.sort("at", 1).to_list(LONGEST_LIST)
        return [_read(document) for document in documents]

    async def get(self, tenant: str, decision_id: str) -> Decision | None:
        with guarded():
            document = await self._collection.find_one({"_id": f"{tenant}/{decision_id}"})
        return _read(document) if document else None


def _read(document: dict[str, object]) -> Decision:
    at = document["at"]
    assert isinstance(at, datetime)
    return Decision(at, routing.DecisionRecorded.model_validate(document["record"]))
