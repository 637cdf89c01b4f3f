"""Pages of streams: frames that have left the end of their stream, kept for readers who come back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from gateway.stream import MOST_CHARACTERS, MOST_FRAMES, PageClosed
from libs.events.base import AnyEvent
from libs.mongo import Database, Document, IndexModel, committed, guarded, insert_new
from libs.stored import Key

AT_ONCE = 4  # pages read together


@dataclass(frozen=True, slots=True)
class Page:
    """Frames `first`, `first` + 1, ... of a stream."""

    first: int
    frames: tuple[str, ...]

    @property
    def last(self) -> int:
        return self.first + len(self.frames) - 1


class Pages(Protocol):
    """Where pages are kept."""

    async def keep(self, closed: Sequence[AnyEvent]) -> None:
        """Keep pages that were closed; the same ones again change nothing."""
        ...

    async def after(self, key: Key, seen: int) -> list[Page]:
        """Return the first pages of a stream that hold frames after a number, in order."""
        ...


class MongoPages:
    """Pages as documents, each gone when its youngest frame is old enough, or when a stream has too many."""

    def __init__(self, database: Database, resume_for: timedelta) -> None:
        self._pages = database["pages"]
        self._reading = committed(database)["pages"]
        self._resume_for = resume_for

    async def create_indexes(self) -> None:
        """Create what is missing; safe to call at every start."""
        with guarded():
            await self._pages.create_indexes(
                [
                    IndexModel([("stream", 1), ("last", 1)], name="stream"),
                    IndexModel([("kept_until", 1)], name="kept", expireAfterSeconds=0),
                ]
            )

    async def keep(self, closed: Sequence[AnyEvent]) -> None:
        documents = [self._document(event, page) for event in closed if (page := _page_of(event))]
        await insert_new(self._pages, documents)
        for document in documents:
            if document["last"] > MOST_FRAMES or document["characters"] > MOST_CHARACTERS:
                await self._let_go(document)

    async def _let_go(self, newest: Document) -> None:
        """Drop what a stream has more than it may."""
        too_old = {"last": {"$lte": newest["last"] - MOST_FRAMES}}
        too_much = {"characters": {"$lte": newest["characters"] - MOST_CHARACTERS}}
        with guarded():
            await self._pages.delete_many({"stream": newest["stream"], "$or": [too_old, too_much]})

    async def after(self, key: Key, seen: int) -> list[Page]:
        with guarded():
            cursor = self._reading.find({"stream": str(key), "last": {"$gt": seen}}).sort("last", 1)
            rows = await cursor.limit(AT_ONCE).to_list(None)
        return [Page(row["first"], tuple(row["frames"])) for row in rows]

    def _document(self, event: AnyEvent, page: PageClosed) -> Document:
        stream = Key(event.tenant, page.stream)
        return {
            "_id": f"{stream}/{page.first}",
            "stream": str(stream),
            "first": page.first,
            "last": page.last,
            "frames": list(page.frames),
            "characters": page.characters,
            "kept_until": event.time + self._resume_for,
        }


class LocalPages:
    """Pages in a dictionary: for tests and simulations."""

    def __init__(self) -> None:
        self.kept: dict[Key, dict[int, Page]] = {}

    async def keep(self, closed: Sequence[AnyEvent]) -> None:
        for event in closed:
            if page := _page_of(event):
                of_stream = self.kept.setdefault(Key(event.tenant, page.stream), {})
                of_stream.setdefault(page.first, Page(page.first, page.frames))

    async def after(self, key: Key, seen: int) -> list[Page]:
        pages = sorted(self.kept.get(key, {}).values(), key=lambda page: page.last)
        return [page for page in pages if page.last > seen][:AT_ONCE]


def _page_of(event: AnyEvent) -> PageClosed | None:
    return event.data if isinstance(event.data, PageClosed) else None
