"""The only module that knows the database driver: aggregates as documents, guarded by their version."""

import json
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import uuid4

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pydantic import TypeAdapter
from pymongo import ASCENDING, IndexModel, InsertOne, ReplaceOne, UpdateOne
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from libs import clock, wire
from libs.errors import Unavailable
from libs.events.base import AnyEvent, Fact
from libs.stored import Change, Key, Stored

S = TypeVar("S")
Document = dict[str, Any]
Database = AsyncIOMotorDatabase[Document]
Collection_ = AsyncIOMotorCollection[Document]
DUPLICATE = 11000
LOOK_AHEAD = timedelta(seconds=1)  # in which deadlines that others write may be overlooked
NOT_PRIMARY = {91, 189, 10107, 11600, 11602, 13435, 13436}  # server codes of a step-down or shutdown


@contextmanager
def guarded() -> Iterator[None]:
    """Turn the driver's passing faults into Unavailable; everything else is a bug and passes."""
    try:
        yield
    except (ConnectionFailure, ExecutionTimeout) as error:
        raise Unavailable(
            "store_unreachable", f"the store does not answer ({type(error).__name__})"
        ) from error
    except PyMongoError as error:
        if getattr(error, "code", None) in NOT_PRIMARY or error.has_error_label("RetryableWriteError"):
            raise Unavailable("store_unreachable", "the store has no primary now") from error
        raise


@contextmanager
def watching() -> Iterator[None]:
    """As `guarded`, for changes: what the server has forgotten has to be looked at anew, which is no bug."""
    try:
        with guarded():
            yield
    except OperationFailure as error:
        raise Unavailable("changes_lost", f"the changes cannot be followed ({error.code})") from error


@asynccontextmanager
async def connect(url: str, database: str) -> AsyncIterator[Database]:
    """Yield a database; every write is acknowledged by a majority and journaled."""
    client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
        url,
        tz_aware=True,
        tzinfo=UTC,
        serverSelectionTimeoutMS=3000,
        socketTimeoutMS=20_000,
        appname=database,
    )
    try:
        yield client.get_database(database, write_concern=WriteConcern("majority", j=True))
    finally:
        client.close()


def committed(database: Database) -> Database:
    """Return the database as a majority has it: what is read there is never taken back by a fail-over."""
    return database.with_options(read_concern=ReadConcern("majority"))


async def ping(database: Database) -> None:
    """Return when the store answers. :raises Unavailable: it does not."""
    with guarded():
        await database.command("ping")


@dataclass(frozen=True, slots=True)
class Shape(Generic[S]):
    """
    How the aggregates of one kind are kept.

    `blank` makes the state of an unknown one; `due` says when it wants a tick; `index` gives the fields it is
    found by, kept under `ix` beside the state; `indexes` are the database's indexes on these ("ix.name").
    """

    name: str
    state: type[S]
    blank: Callable[[Key], S]
    due: Callable[[S], datetime | None] = lambda state: None
    index: Callable[[S], Document] = lambda state: {}
    indexes: Sequence[IndexModel] = ()
    private: Sequence[type[Fact]] = ()  # facts that are handed on inside the process, never published


class Write(NamedTuple):
    """How a change is written: by its whole document, or by an update of the one that is there."""

    document: Document
    is_update: bool = False

    @property
    def about(self) -> Document:
        """Return where the write has what is kept beside the state."""
        return self.document["$set"] if self.is_update else self.document

    def operation(self, change: Change[Any]) -> Any:
        if not change.base_version:
            return InsertOne(self.document)
        kind = UpdateOne if self.is_update else ReplaceOne
        return kind(_guard(change), self.document)


class MongoStore(Generic[S]):
    """
    Aggregates of one kind in one collection; `_id` is "<tenant>/<id>".

    `at` is the collection's name where it is not the shape's: a rebuild works beside the live one.
    """

    def __init__(self, database: Database, shape: Shape[S], at: str = "") -> None:
        self.name = shape.name
        self.collection: Collection_ = database[at or shape.name]
        self._applied: Collection_ = database[f"{at or shape.name}_applied"]
        self._shape = shape
        self._adapter: TypeAdapter[S] = TypeAdapter(shape.state)
        self._private = {fact.type: fact for fact in shape.private}
        self._nothing_due_before: datetime | None = None
        self._saved = 0  # how often deadlines were written

    def blank(self, key: Key) -> S:
        return self._shape.blank(key)

    async def create_indexes(self) -> None:
        """Create what is missing; safe to call at every start."""
        own = [
            IndexModel([("due_at", ASCENDING)], sparse=True, name="due"),
            IndexModel([("untold_at", ASCENDING)], sparse=True, name="untold"),
            *self._shape.indexes,
        ]
        with guarded():
            await self.collection.create_indexes(own)

    async def load(self, keys: Collection[Key]) -> dict[Key, Stored[S]]:
        with guarded():
            if len(keys) == 1:  # one answer needs no cursor
                (key,) = keys
                document = await self.collection.find_one({"_id": str(key)})
                return {key: self.read(document)} if document else {}
            cursor = self.collection.find({"_id": {"$in": [str(key) for key in keys]}})
            documents = await cursor.to_list(None)
        by_id = {str(key): key for key in keys}
        return {by_id[document["_id"]]: self.read(document) for document in documents}

    async def get(self, key: Key) -> S | None:
        """Return the state of one aggregate, None where there is none."""
        return next((stored.state for stored in (await self.load([key])).values()), None)

    async def versions(self, keys: Collection[Key]) -> dict[Key, int]:
        """Return at which versions the aggregates are, of those there are."""
        by_id = {str(key): key for key in keys}
        with guarded():
            cursor = self.collection.find({"_id": {"$in": list(by_id)}}, {"v": 1})
            return {by_id[row["_id"]]: row["v"] for row in await cursor.to_list(None)}

    async def changes(self) -> AsyncGenerator[tuple[Key, int] | None, None]:
        """
        Yield what is saved from now on, by anybody: keys with their versions, in order.

        None comes first, once nothing that is saved later will be missed; so whoever wants to know all looks
        at the aggregates then. Where the driver cannot resume, it ends with Unavailable.
        """
        pipeline: list[Document] = [
            {"$match": {"operationType": {"$in": ["insert", "replace"]}}},
            {"$project": {"documentKey": 1, "v": "$fullDocument.v"}},
        ]
        with watching():
            async with self.collection.watch(pipeline) as stream:
                change = await stream.try_next()  # the driver opens it with the first question
                yield None
                while stream.alive:
                    if change is not None:
                        yield key_of(change["documentKey"]["_id"]), change["v"]
                    change = await stream.try_next()

    async def find(
        self,
        tenant: str,
        where: Document,
        *,
        sort: Sequence[tuple[str, int]] = (),
        skip: int = 0,
        limit: int = 100,
    ) -> list[S]:
        """Return the states of one tenant's aggregates; `where` speaks of "ix." fields."""
        options = {"sort": list(sort) or None, "skip": skip, "limit": limit}
        found = await self._documents({**where, "tenant": tenant}, **options)
        return [self.read(document).state for document in found]

    async def _documents(self, where: Document, **options: Any) -> list[Document]:
        """Return documents as `read` takes them."""
        with guarded():
            return await self.collection.find(where, **options).to_list(None)

    def read(self, document: Document) -> Stored[S]:
        """Return the aggregate of a document."""
        return Stored(
            self._adapter.validate_python(document["state"]),
            document["v"],
            document["seq"],
            tuple(document["applied"]),
            document.get("evicted", False),
            tuple(
                wire.from_structured(json.loads(fact), self._private) for fact in document.get("untold", ())
            ),
        )

    def write(self, change: Change[S]) -> Document:
        """Return the document of a change."""
        state = self._adapter.dump_python(change.stored.state, mode="python")
        return {
            "_id": str(change.key),
            "tenant": change.key.tenant,
            "state": state,
            **self._about(change.stored),
        }

    def _about(self, stored: Stored[S]) -> Document:
        """Return what is kept beside the state, as it changes with each write."""
        about: Document = {
            "v": stored.version,
            "seq": stored.sequence,
            "applied": list(stored.applied),
            "evicted": stored.evicted,
            # As text: a fact may hold numbers and names that JSON allows and the store does not.
            "untold": [wire.to_text(fact) for fact in stored.untold],
            "ix": self._shape.index(stored.state),
        }
        if stored.untold:
            about["untold_at"] = clock.now()
        due = self._shape.due(stored.state)
        if due is not None:
            about["due_at"] = due
        return about

    async def save(self, changes: Sequence[Change[S]]) -> set[Key]:
        return await self._save(changes, [Write(self.write(change)) for change in changes])

    async def _save(self, changes: Sequence[Change[S]], writes: Sequence["Write"]) -> set[Key]:
        evicted = [
            {"_id": f"{change.key}/{event_id}", "k": str(change.key)}
            for change in changes
            for event_id in change.evicted_ids
        ]
        by = uuid4().hex  # whose write of a version it is: another one's may hold the same last event
        for write in writes:
            write.about["by"] = by
        try:
            with guarded():
                await insert_new(self._applied, evicted)
                if len(changes) == 1:
                    return await self._write_one(changes[0], writes[0])
                operations = [write.operation(change) for change, write in zip(changes, writes, strict=True)]
                return await self._write_guarded(changes, operations, by)
        finally:
            self._expect(write.about.get("due_at") for write in writes)

    def _expect(self, deadlines: Iterable[datetime | None]) -> None:
        """Look again when the first of these comes, which may have been written."""
        first = min((each for each in deadlines if each is not None), default=None)
        if first is not None:
            self._saved += 1
            if self._nothing_due_before is not None:
                self._nothing_due_before = min(self._nothing_due_before, first)

    async def _write_one(self, change: Change[S], write: "Write") -> set[Key]:
        """Write without what a bulk of writes costs more."""
        try:
            if change.base_version == 0:
                await self.collection.insert_one(write.document)
                return set()
            if write.is_update:
                result = await self.collection.update_one(_guard(change), write.document)
            else:
                result = await self.collection.replace_one(_guard(change), write.document)
        except DuplicateKeyError:
            return {change.key}
        return set() if result.matched_count else {change.key}

    async def _write_guarded(self, changes: Sequence[Change[S]], operations: list[Any], by: str) -> set[Key]:
        """Write in one request; find out who was refused only when the counts say that somebody was."""
        refused: set[Key] = set()
        try:
            result = await self.collection.bulk_write(operations, ordered=False)
            written = result.inserted_count + result.matched_count
        except BulkWriteError as error:
            details = error.details or {}
            for problem in details.get("writeErrors", ()):
                if problem.get("code") != DUPLICATE:
                    raise
                refused.add(changes[problem["index"]].key)
            written = details.get("nInserted", 0) + details.get("nMatched", 0)
        if written + len(refused) < len(changes):
            ids = [str(change.key) for change in changes if change.key not in refused]
            cursor = self.collection.find({"_id": {"$in": ids}}, {"v": 1, "by": 1})
            now_there = {row["_id"]: (row["v"], row.get("by")) for row in await cursor.to_list(None)}
            refused |= {
                change.key
                for change in changes
                if now_there.get(str(change.key)) != (change.stored.version, by)
            }
        return refused

    async def logged(self, ids: Mapping[Key, Collection[str]]) -> dict[Key, set[str]]:
        names = {f"{key}/{event_id}": (key, event_id) for key, some in ids.items() for event_id in some}
        found: dict[Key, set[str]] = {}
        with guarded():
            cursor = self._applied.find({"_id": {"$in": list(names)}}, {"_id": 1})
            for row in await cursor.to_list(None):
                key, event_id = names[row["_id"]]
                found.setdefault(key, set()).add(event_id)
        return found

    async def mark_told(self, versions: Mapping[Key, int]) -> None:
        operations = [
            UpdateOne({"_id": str(key), "v": version}, {"$set": {"untold": []}, "$unset": {"untold_at": ""}})
            for key, version in versions.items()
        ]
        if operations:
            with guarded():
                await self.collection.bulk_write(operations, ordered=False)

    async def due(self, now: datetime, limit: int) -> list[tuple[Key, int]]:
        """
        Return whose deadline has come, the earliest first.

        The database is asked as seldom as can be: what this process writes it knows, and others, who keep
        time themselves, may be `LOOK_AHEAD` late here.
        """
        if self._nothing_due_before is not None and now < self._nothing_due_before:
            return []
        saved, until = self._saved, now + LOOK_AHEAD
        with guarded():
            where = {"due_at": {"$lte": until}}
            cursor = self.collection.find(where, {"v": 1, "due_at": 1}).sort("due_at", 1).limit(limit)
            rows = await cursor.to_list(None)
        come = [row for row in rows if row["due_at"] <= now]
        if saved == self._saved:
            self._nothing_due_before = now if come else rows[0]["due_at"] if rows else until
        return [(key_of(row["_id"]), row["v"]) for row in come]

    async def with_untold(self, before: datetime, limit: int) -> list[Key]:
        with guarded():
            cursor = self.collection.find({"untold_at": {"$lte": before}}, {"_id": 1}).limit(limit)
            return [key_of(row["_id"]) for row in await cursor.to_list(None)]


def _guard(change: Change[Any]) -> Document:
    """Return the filter that finds the document only as it was when it was read."""
    return {"_id": str(change.key), "v": change.base_version}


async def insert_new(collection: Collection_, documents: Sequence[Document]) -> int:
    """Insert the documents that are not there yet, by `_id`, and return how many these were."""
    if not documents:
        return 0
    with guarded():
        try:
            result = await collection.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            details = error.details or {}
            if any(problem.get("code") != DUPLICATE for problem in details.get("writeErrors", ())):
                raise
            return int(details.get("nInserted", 0))
    return len(result.inserted_ids)


def key_of(document_id: str) -> Key:
    """Return the key that a document's `_id` names."""
    tenant, _, name = document_id.partition("/")
    return Key(tenant, name)


__all__ = [
    "AnyEvent",
    "Awaitable",
    "Collection_",
    "Database",
    "Document",
    "DuplicateKeyError",
    "IndexModel",
    "MongoStore",
    "Shape",
    "Write",
    "committed",
    "connect",
    "guarded",
    "insert_new",
    "key_of",
    "ping",
]
