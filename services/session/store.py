"""Sessions and contexts as documents, and how sessions are found."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from libs.errors import NotFound
from libs.mongo import Database, Document, IndexModel, MongoStore, Shape, guarded, key_of
from libs.stored import Key, Stored
from services.session.domain import context, state
from services.session.domain.context import Context
from services.session.domain.state import Rules, Session, blank, keys_of


@dataclass(frozen=True, slots=True)
class Place:
    """An open session, or one that an interaction belongs to: as much as is needed to place events."""

    key: Key
    journey_id: str
    interaction_ids: tuple[str, ...]
    keys: tuple[str, ...]
    active_at: datetime | None
    living: frozenset[str]  # interactions whose contact is not closed
    external: frozenset[str]  # those of them that end with their channel, whatever routing says
    is_open: bool = True

    @property
    def idle(self) -> bool:
        return not self.living


class Places(Protocol):
    """Finds sessions: in the database, or among those of a test."""

    async def around(self, interactions: Collection[Key], keys: Collection[str]) -> list[Place]:
        """Return the sessions that have one of the interactions, and the open ones that have a key."""
        ...


def place_of(session: Session) -> Place:
    is_open = session.closed_at is None
    living = [each for each in session.contacts if each.phase != "closed"]
    return Place(
        Key(session.tenant, session.session_id),
        session.journey_id,
        tuple(each.interaction_id for each in session.contacts),
        keys_of(session.tenant, session.identities, session.visitor_ids) if is_open else (),
        session.active_at,
        frozenset(each.interaction_id for each in living),
        frozenset(each.interaction_id for each in living if each.external),
        is_open,
    )


def index(session: Session) -> Document:
    """Return what a session is found by."""
    is_open = session.closed_at is None
    living = [each for each in session.contacts if each.phase != "closed"]
    found_by: Document = {
        "interactions": [f"{session.tenant}/{each.interaction_id}" for each in session.contacts],
        "journey": session.journey_id,
        "visitors": list(session.visitor_ids),
        "customer": session.customer_id,
        "channels": list({each.channel for each in session.contacts}),
        "open": is_open,
        "living": sorted([each.interaction_id for each in living]),
        "external": sorted([each.interaction_id for each in living if each.external]),
        "active_at": session.active_at,
        "began_at": session.began_at,
    }
    if is_open and (keys := keys_of(session.tenant, session.identities, session.visitor_ids)):
        found_by["keys"] = list(keys)
    if is_open and session.opening_keys:
        found_by["opening_keys"] = list(session.opening_keys)
    return found_by


def shape(rules: Rules) -> Shape[Session]:
    return Shape(
        "sessions",
        Session,
        blank,
        due=partial(state.due, rules=rules),
        index=index,
        indexes=(
            # Two processes cannot open two sessions for one person: the second write is refused.
            IndexModel([("ix.opening_keys", 1)], unique=True, sparse=True, name="opening_keys"),
            IndexModel([("ix.keys", 1)], sparse=True, name="keys"),
            IndexModel([("ix.interactions", 1)], name="interactions"),
            IndexModel([("tenant", 1), ("ix.customer", 1), ("ix.began_at", -1)], name="customer"),
            IndexModel([("tenant", 1), ("ix.journey", 1), ("ix.began_at", -1)], name="journey"),
            IndexModel([("tenant", 1), ("ix.began_at", -1), ("_id", -1)], name="began"),
        ),
    )


CONTEXTS: Shape[Context] = Shape("contexts", Context, context.blank, due=context.due)


class Sessions(MongoStore[Session]):
    """The sessions in the database."""

    def __init__(self, database: Database, rules: Rules) -> None:
        super().__init__(database, shape(rules))

    async def around(self, interactions: Collection[Key], keys: Collection[str]) -> list[Place]:
        ways: list[Document] = []
        if interactions:
            ways.append({"ix.interactions": {"$in": [str(key) for key in interactions]}})
        if keys:
            ways.append({"ix.keys": {"$in": list(keys)}})
        if not ways:
            return []
        with guarded():
            rows = await self.collection.find({"$or": ways}, {"ix": 1}).to_list(None)
        return [_place(row["_id"], row["ix"]) for row in rows]

    async def stored(self, key: Key) -> Stored[Session]:
        """Return a session with its version. :raises NotFound: there is none."""
        found = (await self.load([key])).get(key)
        if found is None:
            raise NotFound("session", key.id)
        return found

    async def page(
        self, tenant: str, where: Document, after: Sequence[Any], limit: int
    ) -> list[tuple[str, Stored[Session]]]:
        """Return sessions with their document ids, the newest first, from after a place in that order."""
        question: Document = {**where, "tenant": tenant}
        if after:
            began_at, name = after
            question["$or"] = [
                {"ix.began_at": {"$lt": began_at}},
                {"ix.began_at": began_at, "_id": {"$lt": name}},
            ]
        with guarded():
            cursor = self.collection.find(question).sort([("ix.began_at", -1), ("_id", -1)]).limit(limit)
            return [(row["_id"], self.read(row)) for row in await cursor.to_list(None)]

    async def indexed(self, tenant: str, where: Document, limit: int) -> list[tuple[Key, Document]]:
        """Return keys and index fields of sessions, the newest first."""
        with guarded():
            cursor = (
                self.collection.find({**where, "tenant": tenant}, {"ix": 1})
                .sort([("ix.began_at", -1)])
                .limit(limit)
            )
            return [(key_of(row["_id"]), row["ix"]) for row in await cursor.to_list(None)]


def _place(document_id: str, ix: Document) -> Place:
    key = key_of(document_id)
    names = tuple(name.partition("/")[2] for name in ix["interactions"])
    return Place(
        key,
        ix["journey"],
        names,
        tuple(ix.get("keys", ())),
        ix["active_at"],
        frozenset(ix["living"]),
        frozenset(ix["external"]),
        ix["open"],
    )
