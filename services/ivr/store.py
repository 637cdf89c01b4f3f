"""How dialogues and flows are kept, and the flows that this process has at hand."""

from collections.abc import Collection
from typing import Protocol

from libs.mongo import Database, IndexModel, MongoStore, Shape
from libs.stored import Key, Store
from services.ivr.domain import deciding
from services.ivr.domain.dialogue import Dialogue, Flows, Pin
from services.ivr.domain.flow import EVERY_ENTRY_POINT, Flow
from services.ivr.domain.publishing import FlowRecord, FlowText

DIALOGUES: Shape[Dialogue] = Shape(
    "dialogues",
    Dialogue,
    blank=lambda key: Dialogue(key.id),
    due=deciding.due,
    index=lambda dialogue: {"session_id": dialogue.session_id, "flow_id": dialogue.flow_id},
    indexes=(IndexModel([("tenant", 1), ("ix.session_id", 1)], name="session"),),
)
FLOWS: Shape[FlowRecord] = Shape(
    "flows",
    FlowRecord,
    blank=lambda key: FlowRecord(key.id),
    index=lambda record: {
        "flow_id": record.flow_id,
        "entry_points": list(record.present.entry_points) if record.versions else [],
    },
    indexes=(
        IndexModel([("tenant", 1), ("ix.entry_points", 1)], name="entry_points"),
        IndexModel([("tenant", 1), ("ix.flow_id", 1)], name="flow_id"),
    ),
)
TEXTS: Shape[FlowText] = Shape("flow_texts", FlowText, blank=lambda key: FlowText(key.id))


class FlowStore(Store[FlowRecord], Protocol):
    """Flows, found by what they are for."""

    async def bound(self, tenant: str, entry_points: Collection[str]) -> list[FlowRecord]:
        """Return the flows that list one of the entry points."""
        ...

    async def listed(self, tenant: str, after: str, limit: int) -> list[FlowRecord]:
        """Return flows by id, those after the given one."""
        ...


class MongoFlows(MongoStore[FlowRecord]):
    """Flows in the database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, FLOWS)

    async def bound(self, tenant: str, entry_points: Collection[str]) -> list[FlowRecord]:
        return await self.find(tenant, {"ix.entry_points": {"$in": list(entry_points)}}, limit=1000)

    async def listed(self, tenant: str, after: str, limit: int) -> list[FlowRecord]:
        return await self.find(tenant, {"ix.flow_id": {"$gt": after}}, sort=[("ix.flow_id", 1)], limit=limit)


class Library:
    """The flows that this process has at hand; a version never changes, so it is fetched once."""

    def __init__(self, flows: FlowStore, texts: Store[FlowText]) -> None:
        self._flows = flows
        self._texts = texts
        self._versions: dict[Pin, Flow | None] = {}
        self._bound: dict[tuple[str, str], Pin] = {}

    def at_hand(self) -> Flows:
        return Flows(self._versions, self._bound)

    async def bind(self, wanted: Collection[tuple[str, str]]) -> None:
        """Find out what new dialogues of these (tenant, entry point) follow: the latest published wins."""
        by_tenant: dict[str, set[str]] = {}
        for tenant, entry_point in wanted:
            by_tenant.setdefault(tenant, {EVERY_ENTRY_POINT}).add(entry_point)
        bound: dict[tuple[str, str], Pin] = {}
        for tenant, entry_points in by_tenant.items():
            records = await self._flows.bound(tenant, entry_points)
            for entry_point in entry_points:
                fitting = [record for record in records if record.binds(entry_point)]
                if fitting:
                    best = max(fitting, key=lambda each: (each.binds(entry_point), each.present.published_at))
                    bound[tenant, entry_point] = Pin(tenant, best.flow_id, best.version)
        self._bound = bound

    async def fetch(self, pin: Pin) -> Flow | None:
        """Return a version, and have it at hand from now on; None where there is none."""
        if pin not in self._versions:
            key = Key(pin.tenant, pin.flow_id)
            stored = (await self._flows.load([key])).get(key)
            record = stored.state if stored else FlowRecord(pin.flow_id)
            document = ""
            if 1 <= pin.version <= record.version:
                document = await self.document(pin.tenant, record.numbered(pin.version).digest)
            self._versions[pin] = Flow.model_validate_json(document) if document else None
        return self._versions[pin]

    async def document(self, tenant: str, digest: str) -> str:
        """Return a flow's document as JSON, "" where it is not kept."""
        key = Key(tenant, digest)
        stored = (await self._texts.load([key])).get(key)
        return stored.state.document if stored else ""
