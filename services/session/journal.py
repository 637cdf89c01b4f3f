"""The journal of journeys: every event once, found by whomever it concerns."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from libs.errors import NotFound
from libs.events import (
    agent,
    analytics,
    crm_context,
    interaction,
    ivr,
    queue,
    recording,
    routing,
    session,
    visitor,
    workflow,
)
from libs.events.base import AnyEvent, Fact
from libs.events.catalogue import FACTS
from libs.mongo import Database, Document, IndexModel, guarded, insert_new
from libs.wire import to_json

GROUP = "session-journal"
LINES, ALIASES = "journal", "customer_aliases"
MODULES = (visitor, interaction, session, routing, ivr, workflow)
OF_JOURNEYS: tuple[type[Fact], ...] = (
    *(fact for fact in FACTS if fact.__module__ in {module.__name__ for module in MODULES}),
    crm_context.ContextPrepared,
    crm_context.CustomerMerged,
    recording.RecordingStored,
    recording.GapDeclared,
)
# No steps of a journey, or steps that routing tells as well: found by their ids, as the audit links to them.
BY_ID: tuple[type[Fact], ...] = tuple(
    fact
    for fact in FACTS
    if fact not in OF_JOURNEYS
    and fact.__module__ in {module.__name__ for module in (agent, analytics, queue, recording)}
)
KEPT = (*OF_JOURNEYS, *BY_ID)
_KEYLESS = frozenset(BY_ID)


@dataclass(frozen=True, slots=True)
class Line:
    """One event of a journey; `data` and `pii` are JSON text."""

    event_id: str
    type: str
    time: datetime
    sequence: int
    topic: str
    channel: str
    journey_id: str
    session_id: str
    interaction_id: str
    caused_by: str
    data: str
    pii: str

    @property
    def place(self) -> tuple[datetime, int, str]:
        """Return where the line stands in its journey."""
        return self.time, self.sequence, self.event_id


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a journey is wanted."""

    limit: int = 50
    after: Sequence[Any] = ()  # the place of the last line before
    newest_first: bool = False
    from_time: datetime | None = None
    to_time: datetime | None = None
    types: Sequence[str] = ()


class Journal:
    """The journal in the database; customers, sessions and visitors are joined when it is asked."""

    def __init__(self, database: Database, at: Callable[[str], str] = str) -> None:
        self._lines = database[at(LINES)]
        self._aliases = database[at(ALIASES)]

    async def create_indexes(self) -> None:
        """Create what is missing."""
        order = [("tenant", 1), ("keys", 1), ("time", 1), ("sequence", 1), ("event_id", 1)]
        with guarded():
            await self._lines.create_indexes([IndexModel(order, name="keys")])
            await self._aliases.create_indexes(
                [IndexModel([("tenant", 1), ("customer", 1)], name="customer")]
            )

    async def __call__(self, events: Sequence[AnyEvent]) -> None:
        """Write down the events that are not there yet."""
        await insert_new(self._lines, [document_of(event) for event in events])
        for event in events:
            if alias := alias_of(event):
                with guarded():
                    await self._aliases.replace_one({"_id": alias["_id"]}, alias, upsert=True)

    async def names_of_customer(self, tenant: str, customer_id: str) -> list[str]:
        """Return the customer's id and those of all that were merged into it."""
        names = [customer_id]
        asked: set[str] = set()
        while news := [name for name in names if name not in asked][:500]:
            asked.update(news)
            with guarded():
                cursor = self._aliases.find({"tenant": tenant, "customer": {"$in": news}}).limit(500)
                names += [row["merged"] for row in await cursor.to_list(None) if row["merged"] not in names]
        return names

    async def find(self, tenant: str, event_id: str) -> Line:
        """Return one event of a tenant. :raises NotFound: the journal does not have it."""
        with guarded():
            row = await self._lines.find_one({"_id": f"{tenant}/{event_id}"})
        if row is None:
            raise NotFound("event", event_id)
        return line_of(row)

    async def read(self, tenant: str, keys: Iterable[str], part: Part) -> list[Line]:
        """Return the lines of a tenant that have one of the keys, in order of time."""
        question: Document = {"tenant": tenant, "keys": {"$in": list(keys)}}
        if part.types:
            question["type"] = {"$in": list(part.types)}
        within = {"$gte": part.from_time, "$lt": part.to_time}
        if limits := {name: value for name, value in within.items() if value is not None}:
            question["time"] = limits
        if part.after:
            question["$or"] = _after(part.after, "$lt" if part.newest_first else "$gt")
        way = -1 if part.newest_first else 1
        order = [("time", way), ("sequence", way), ("event_id", way)]
        with guarded():
            rows = await self._lines.find(question).sort(order).limit(part.limit).to_list(None)
        return [line_of(row) for row in rows]


def _after(place: Sequence[Any], beyond: str) -> list[Document]:
    time, sequence, event_id = place
    return [
        {"time": {beyond: time}},
        {"time": time, "sequence": {beyond: sequence}},
        {"time": time, "sequence": sequence, "event_id": {beyond: event_id}},
    ]


def alias_of(event: AnyEvent) -> Document | None:
    """Return under which customer a merged one is found, None where the event merged none."""
    if not isinstance(event.data, crm_context.CustomerMerged):
        return None
    merged = event.data.merged_customer_id
    return {
        "_id": f"{event.tenant}/{merged}",
        "tenant": event.tenant,
        "merged": merged,
        "customer": event.data.customer_id,
    }


def document_of(event: AnyEvent) -> Document:
    """
    Return an event as it is kept: personal data apart, values as text, found by keys; nothing empty.

    One that is no step of a journey has no keys: it is found by its id only.
    """
    fields = event.data.__dict__.get  # asking a model for what it does not have costs ten times as much
    interaction_id = fields("interaction_id") or fields("contact_id")
    session_id = fields("session_id")
    found_by = (
        ("j:", event.journey_id),
        ("s:", session_id),
        ("i:", interaction_id),
        ("v:", fields("visitor_id")),
        ("c:", fields("customer_id")),
    )
    data, pii = _texts(event.data)
    document: Document = {
        "_id": f"{event.tenant}/{event.id}",
        "event_id": event.id,
        "tenant": event.tenant,
        "keys": [] if type(event.data) in _KEYLESS else [kind + name for kind, name in found_by if name],
        "time": event.time,
        "sequence": event.sequence,
        "type": event.data.type,
        "journey_id": event.journey_id,
        "data": data,
    }
    for name, value in (
        ("channel", fields("channel")),
        ("session_id", session_id),
        ("interaction_id", interaction_id),
        ("caused_by", event.caused_by),
        ("pii", pii),
    ):
        if value:
            document[name] = value
    return document


def _texts(data: Fact) -> tuple[str, str]:
    """Return the data without its personal part, and that part, as JSON text."""
    whole = to_json(data)
    if "pii" not in data.__dict__:
        return whole.decode(), ""
    values = orjson.loads(whole)
    pii = values.pop("pii", None)
    return orjson.dumps(values).decode(), orjson.dumps(pii).decode() if pii else ""


def line_of(row: Document) -> Line:
    field = row.get
    return Line(
        row["event_id"],
        row["type"],
        row["time"],
        row["sequence"],
        row["type"].rsplit(".", 2)[0],
        field("channel", ""),
        field("journey_id", ""),
        field("session_id", ""),
        field("interaction_id", ""),
        field("caused_by", ""),
        row["data"],
        field("pii", ""),
    )
