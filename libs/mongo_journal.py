"""
Aggregates too large to be written whole each time, such as a pool of many thousand agents.

Each write appends what it has changed to a journal in the aggregate's document: one guarded write decides
what is so, as for every other aggregate. Now and then the writer folds the journal: the items that have
changed are written as documents of their own, then the journal forgets these changes. Whoever reads takes the
items as he finds them and repeats the journal over them; what is repeated in vain changes nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, Generic, NamedTuple, TypeVar, get_args, get_type_hints

import bson
from pydantic import TypeAdapter
from pymongo import ASCENDING, IndexModel, ReplaceOne
from pymongo.errors import BulkWriteError

from libs import clock
from libs.errors import Unavailable
from libs.mongo import DUPLICATE, Database, Document, MongoStore, Shape, Write, guarded
from libs.stored import Change, Key, Stored

S = TypeVar("S")
Place = tuple[str, str]  # an item: its field, and its name there

JOURNAL_BYTES = 256 * 1024
JOURNAL_WRITES = 1000
KNOWN = 1000  # aggregates of which it is remembered what was last written
ATTEMPTS = 5  # to read a document together with its items
GONE_FOR = timedelta(days=1)  # a process that stood still for longer might bring back what has gone


class Division(NamedTuple):
    """
    Which fields of a state are dictionaries that are kept item by item.

    Those of `items` come back in any order. Those of `ordered` are few and stay in the document; what changes
    in them goes to their end.
    """

    items: tuple[str, ...]
    ordered: tuple[str, ...] = ()


@dataclass(slots=True)
class Known(Generic[S]):
    """
    What was last written of an aggregate, or read.

    `changed` are the items in its journal, with the version that changed them last; `is_divided` says that
    all others are documents of their own already.
    """

    version: int
    state: S
    is_divided: bool = False
    changed: dict[Place, int] = field(default_factory=dict)
    writes: int = 0
    size: int = 0  # of the journal, in bytes


class JournalStore(MongoStore[S]):
    """Aggregates of one kind that may be large; it goes on from what a MongoStore has written."""

    def __init__(self, database: Database, shape: Shape[S], division: Division) -> None:
        super().__init__(database, shape)
        self._division = division
        self._items = database[f"{shape.name}_items"]
        self._known: dict[Key, Known[S]] = {}
        hints = get_type_hints(shape.state, include_extras=True)
        self._adapters: dict[str, TypeAdapter[Any]] = {
            name: TypeAdapter(get_args(hints[name])[1]) for name in (*division.items, *division.ordered)
        }
        compared = {each.name for each in fields(shape.state) if each.compare}  # type: ignore[arg-type]
        self._rest = compared - set(self._adapters)

    async def create_indexes(self) -> None:
        await super().create_indexes()
        indexes = [
            IndexModel([("of", ASCENDING)], name="of"),
            IndexModel("gone_at", expireAfterSeconds=round(GONE_FOR.total_seconds()), name="forget"),
        ]
        with guarded():
            await self._items.create_indexes(indexes)

    # --- reading

    async def load(self, keys: Collection[Key]) -> dict[Key, Stored[S]]:
        by_id = {str(key): key for key in keys}
        loaded: dict[Key, Stored[S]] = {}
        for document in await self._documents({"_id": {"$in": list(by_id)}}):
            key = by_id[document["_id"]]
            loaded[key] = stored = self.read(document)
            known = self._known.get(key)
            if known is None or known.version < stored.version:
                self._know(key, self._known_of(document, stored))
        return loaded

    def read(self, document: Document) -> Stored[S]:
        """Return the aggregate of a document whose items are in it already."""
        for patch in document.get("journal", ()):
            self._repeat(patch, document["state"])
        return super().read(document)

    def _repeat(self, patch: Document, state: Document) -> None:
        state.update(patch["rest"])
        for name, item in patch["gone"]:
            state[name].pop(item, None)
        for name, item, value in patch["put"]:
            if name in self._division.ordered:
                state[name].pop(item, None)
            state[name][item] = value

    async def _documents(self, where: Document, **options: Any) -> list[Document]:
        """
        Return documents with their items in them.

        An item may be newer than the document that was read before it: then both are read again.
        """
        for _ in range(ATTEMPTS):
            with guarded():
                documents = {
                    row["_id"]: row for row in await self.collection.find(where, **options).to_list(None)
                }
                divided = [name for name, row in documents.items() if row.get("divided")]
                items = await self._items.find({"of": {"$in": divided}}).to_list(None) if divided else []
            if all(item["v"] <= documents[item["of"]]["v"] for item in items):
                for name in divided:
                    documents[name]["state"] |= {each: {} for each in self._division.items}
                for item in items:
                    if "value" in item:
                        documents[item["of"]]["state"][item["field"]][item["name"]] = item["value"]
                return list(documents.values())
        raise Unavailable("contended", "a large aggregate changed each time it was read")

    # --- writing

    async def save(self, changes: Sequence[Change[S]]) -> set[Key]:
        ready = [change for change in changes if self._is_known(change)]
        refused = {change.key for change in changes} - {change.key for change in ready}  # to be loaded first
        if not ready:
            return refused
        plans = [self._plan(change) for change in ready]
        refused |= await self._save(ready, [write for write, _ in plans])
        for change, (_, known) in zip(ready, plans, strict=True):
            if change.key in refused:
                self._known.pop(change.key, None)
                continue
            self._know(change.key, known)
            if known.size > JOURNAL_BYTES or known.writes >= JOURNAL_WRITES:
                await self._fold(change.key, known)
        return refused

    def _is_known(self, change: Change[S]) -> bool:
        """Return whether it is known what the change is one of."""
        known = self._known.get(change.key)
        return change.base_version == (known.version if known else 0)

    def _know(self, key: Key, known: Known[S]) -> None:
        self._known.pop(key, None)
        self._known[key] = known
        while len(self._known) > KNOWN:
            del self._known[next(iter(self._known))]

    def _known_of(self, document: Document, stored: Stored[S]) -> Known[S]:
        """Return what is known of an aggregate that was just read."""
        journal = document.get("journal", [])
        changed: dict[Place, int] = {}
        for patch in journal:
            changed |= self._places(patch, patch["v"])
        size = sum(len(bson.encode(patch)) for patch in journal)
        return Known(
            stored.version, stored.state, document.get("divided", False), changed, len(journal), size
        )

    def _plan(self, change: Change[S]) -> tuple[Write, Known[S]]:
        """Return how the change is written, and what will be known then."""
        stored = change.stored
        known = self._known.get(change.key)
        if known is None:
            return Write(self.write(change)), Known(stored.version, stored.state)
        patch = self._difference(known.state, stored.state)
        about = self._about(stored)
        absent = {name: "" for name in ("due_at", "untold_at") if name not in about}
        update = {
            "$set": about,
            "$push": {"journal": {"v": stored.version, **patch}},
            **({"$unset": absent} if absent else {}),
        }
        # Should the write fail, more counts as changed than is: it is folded in vain.
        known.changed.update(self._places(patch, stored.version))
        size = known.size + len(bson.encode(patch))
        after = Known(stored.version, stored.state, known.is_divided, known.changed, known.writes + 1, size)
        return Write(update, is_update=True), after

    def _difference(self, old: S, new: S) -> Document:
        """Return what makes one state of the other."""
        rest = {name for name in self._rest if getattr(old, name) != getattr(new, name)}
        put: list[list[Any]] = []
        gone: list[list[str]] = []
        for name, adapter in self._adapters.items():
            before, now = getattr(old, name), getattr(new, name)
            if before is now:
                continue
            come = 0
            for item, value in now.items():
                was = before.get(item)
                if was is not value and was != value:
                    put.append([name, item, adapter.dump_python(value, mode="python")])
                    come += item not in before
            if len(before) + come != len(now):
                gone += [[name, item] for item in before if item not in now]
        dumped = self._adapter.dump_python(new, mode="python", include=rest) if rest else {}
        return {"rest": dumped, "put": put, "gone": gone}

    async def _fold(self, key: Key, known: Known[S]) -> None:
        """Write the items that the journal has changed, all the first time, and let it forget them."""
        places = dict.fromkeys(self._all_places(known.state), known.version) if not known.is_divided else {}
        places |= known.changed
        writes = [self._item(key, place, version, known.state) for place, version in places.items()]
        head = self._rest | set(self._division.ordered)
        folded = {
            "state": self._adapter.dump_python(known.state, mode="python", include=head),
            "divided": True,
            "folded": known.version,
        }
        with guarded():
            try:
                if writes:
                    await self._items.bulk_write(writes, ordered=False)
            except BulkWriteError as error:  # somebody knows them newer, or has folded the same
                problems = (error.details or {}).get("writeErrors", ())
                if any(problem.get("code") != DUPLICATE for problem in problems):
                    raise
            await self.collection.update_one(
                {"_id": str(key), "folded": {"$not": {"$gte": known.version}}},
                {"$set": folded, "$pull": {"journal": {"v": {"$lte": known.version}}}},
            )
        self._know(key, Known(known.version, known.state, is_divided=True))

    def _places(self, patch: Document, version: int) -> dict[Place, int]:
        """Return the items of their own that a patch changes."""
        changed = [(name, item) for name, item, *_ in (*patch["put"], *patch["gone"])]
        return {(name, item): version for name, item in changed if name in self._division.items}

    def _all_places(self, state: S) -> list[Place]:
        return [(name, item) for name in self._division.items for item in getattr(state, name)]

    def _item(self, key: Key, place: Place, version: int, state: S) -> ReplaceOne[Document]:
        """Return the write of an item, which does nothing (but fail) where the item is as new already."""
        name, item = place
        document: Document = {"of": str(key), "field": name, "name": item, "v": version}
        items: Mapping[str, Any] = getattr(state, name)
        if item in items:
            document["value"] = self._adapters[name].dump_python(items[item], mode="python")
        else:
            document["gone_at"] = clock.now()
        return ReplaceOne({"_id": f"{key}/{name}/{item}", "v": {"$lt": version}}, document, upsert=True)
