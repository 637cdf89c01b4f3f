"""The bus and the store in memory, with the same behaviour as the real ones: for tests and simulations."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Generic, TypeVar

from libs import wire
from libs.errors import Unavailable
from libs.events.base import AnyEvent, Fact
from libs.reading import RETRY_S, Handle, HandleRecords, Reading
from libs.stored import Change, Key, Stored
from libs.wire import Record

S = TypeVar("S")


class LocalBus:
    """Topics of one partition each, kept for as long as the object lives."""

    def __init__(self, source: str = "/trunkline/local") -> None:
        self.source = source
        self.topics: dict[str, list[Record]] = defaultdict(list)
        self._offsets: dict[tuple[str, str], int] = defaultdict(int)
        self._news = asyncio.Condition()
        self._arrivals = count(1)

    async def publish(self, events: Sequence[AnyEvent]) -> None:
        await self.publish_records([wire.encode(event) for event in events])

    async def publish_records(self, records: Sequence[Record]) -> None:
        async with self._news:
            for record in records:
                log = self.topics[record.topic]
                log.append(record._replace(partition=0, offset=len(log), timestamp_ms=next(self._arrivals)))
            self._news.notify_all()

    async def consume(
        self,
        group: str,
        wanted: Collection[type[Fact]],
        handle: Handle,
        *,
        keeps_dead_letters_of: Collection[str] = (),
        tenants: Collection[str] = (),
        batch: int = 500,
        patient: bool = False,
    ) -> None:
        reading = Reading(wanted, frozenset(keeps_dead_letters_of), frozenset(tenants), group)

        async def handle_records(records: Sequence[Record]) -> None:
            events, letters = reading.sort_out(records)
            await self.publish_records(letters)
            if events:
                await handle(events)

        await self.consume_records(group, reading.topics, handle_records, batch=batch)

    async def consume_records(
        self,
        group: str,
        topics: Collection[str],
        handle: HandleRecords,
        *,
        batch: int = 500,
        patient: bool = False,
    ) -> None:
        while True:
            taken: list[Record] = []
            async with self._news:
                await self._news.wait_for(lambda: any(self._behind(group, topic) for topic in topics))
                for topic in topics:
                    start = self._offsets[group, topic]
                    taken.extend(self.topics[topic][start : start + batch])
            taken.sort(key=lambda record: record.timestamp_ms)
            attempt = 0
            while True:
                try:
                    await handle(taken)
                    break
                except Unavailable:
                    await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
                    attempt += 1
            for record in taken:
                place = (group, record.topic)
                self._offsets[place] = max(self._offsets[place], record.offset + 1)

    def _behind(self, group: str, topic: str) -> bool:
        return self._offsets[group, topic] < len(self.topics[topic])

    def rewind(self, group: str) -> None:
        """Let a group read everything again from the beginning."""
        for place in self._offsets:
            if place[0] == group:
                self._offsets[place] = 0

    def told(self, topic: str) -> list[AnyEvent]:
        """Return the events of a topic."""
        return [wire.decode(record.headers, record.value) for record in self.topics[topic]]


class LocalStore(Generic[S]):
    """Aggregates in a dictionary, with the version guard of the real store."""

    def __init__(
        self,
        name: str,
        blank: Callable[[Key], S],
        due: Callable[[S], datetime | None] = lambda state: None,
    ) -> None:
        self.name = name
        self.kept: dict[Key, Stored[S]] = {}
        self._blank = blank
        self._due = due
        self._log: dict[Key, set[str]] = defaultdict(set)

    def blank(self, key: Key) -> S:
        return self._blank(key)

    async def load(self, keys: Collection[Key]) -> dict[Key, Stored[S]]:
        return {key: self.kept[key] for key in keys if key in self.kept}

    async def get(self, key: Key) -> S | None:
        stored = self.kept.get(key)
        return stored.state if stored else None

    async def save(self, changes: Sequence[Change[S]]) -> set[Key]:
        refused: set[Key] = set()
        for change in changes:
            present = self.kept.get(change.key)
            if (present.version if present else 0) != change.base_version:
                refused.add(change.key)
                continue
            self._log[change.key].update(change.evicted_ids)
            self.kept[change.key] = change.stored
        return refused

    async def logged(self, ids: Mapping[Key, Collection[str]]) -> dict[Key, set[str]]:
        return {key: self._log[key].intersection(some) for key, some in ids.items()}

    async def mark_told(self, versions: Mapping[Key, int]) -> None:
        for key, version in versions.items():
            stored = self.kept.get(key)
            if stored and stored.version == version:
                self.kept[key] = Stored(
                    stored.state, stored.version, stored.sequence, stored.applied, stored.evicted
                )

    async def due(self, now: datetime, limit: int) -> list[tuple[Key, int]]:
        rows = [(self._due(stored.state), key, stored.version) for key, stored in self.kept.items()]
        ready = sorted((due, str(key), key, version) for due, key, version in rows if due and due <= now)
        return [(key, version) for _, _, key, version in ready[:limit]]

    async def with_untold(self, before: datetime, limit: int) -> list[Key]:
        return [key for key, stored in self.kept.items() if stored.untold][:limit]
