"""Reads topics from their beginning without a group, as far as they go, and then what came meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from libs.bus_reading import merge
from libs.kafka_security import client_config
from libs.settings import Settings
from libs.wire import Record

AT_ONCE = 2000
POLLS = 3  # so many answers are waited for before it is believed where the ends are
Place = tuple[str, int]


class Follower:
    """A reader of its own; made by `follow`."""

    def __init__(self, reader: Any, places: Collection[TopicPartition]) -> None:
        self._reader = reader
        self._places = list(places)
        self.firsts: dict[Place, int] = {}  # the offset of the first record that the broker still has

    @property
    def begins_late(self) -> list[str]:
        """Return the topics whose first records are gone from the broker."""
        return sorted({topic for (topic, _), first in self.firsts.items() if first > 0})

    async def until(self, ends: Mapping[Place, int]) -> AsyncGenerator[list[Record]]:
        """Yield what stands before the given places, and nothing of what stands behind."""
        wanted = {place: ends.get((place.topic, place.partition), 0) for place in self._places}
        while await self._behind(wanted):
            fetched = await self._reader.getmany(*self._places, timeout_ms=100, max_records=AT_ONCE)
            rows = [
                row
                for row in merge(fetched or {})
                if row.offset < wanted[TopicPartition(row.topic, row.partition)]
            ]
            if rows:
                yield [_record(row) for row in rows]

    async def rest(self) -> AsyncGenerator[list[Record]]:
        """
        Yield what the topics hold that was not yielded yet, in batches, by time of writing where possible.

        Where a topic ends is taken from the answers to fetches and from the broker's word, whichever is
        further: not every broker answers the question rightly.
        """
        ends = dict(await self._reader.end_offsets(self._places)) if self._places else {}
        polls = 0
        while polls < POLLS or await self._behind(ends):
            fetched = await self._reader.getmany(*self._places, timeout_ms=100, max_records=AT_ONCE)
            polls += 1
            if polls <= POLLS:
                ends = {
                    each: max(ends.get(each, 0), self._reader.highwater(each) or 0) for each in self._places
                }
            if fetched:
                yield [_record(row) for row in merge(fetched)]

    async def _behind(self, ends: Mapping[TopicPartition, int]) -> bool:
        for place, end in ends.items():
            if await self._reader.position(place) < end:
                return True
        return False

    async def positions(self) -> dict[Place, int]:
        """Return where reading goes on."""
        return {(place.topic, place.partition): await self._reader.position(place) for place in self._places}


Follow = Callable[
    [Settings, Collection[str], Mapping[Place, int] | None], AbstractAsyncContextManager[Follower]
]


@asynccontextmanager
async def follow(
    settings: Settings, topics: Collection[str], start: Mapping[Place, int] | None = None
) -> AsyncIterator[Follower]:
    """
    Open a reader of all partitions of some topics, from the given places, else from their beginning.

    :raises KafkaError: the broker does not answer.
    """
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=settings.kafka_fetch_wait_ms,
        **client_config(settings.kafka_client_config),
    ) as reader:
        places = await _places(reader, topics)
        follower = Follower(reader, places)
        if places:
            reader.assign(places)
            await reader.seek_to_beginning(*places)
        for place in places:
            first = await reader.position(place)
            follower.firsts[place.topic, place.partition] = first
            if start is not None:
                reader.seek(place, max(first, start.get((place.topic, place.partition), 0)))
        yield follower


async def committed(settings: Settings, group: str, topics: Collection[str]) -> dict[Place, int]:
    """Return how far a group has come: the offset that it reads next, 0 where it has committed none."""
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=group,
        enable_auto_commit=False,
        **client_config(settings.kafka_client_config),
    ) as reader:
        places = await _places(reader, topics)
        if places:
            reader.assign(places)
        return {(place.topic, place.partition): await reader.committed(place) or 0 for place in places}


async def _places(reader: Any, topics: Collection[str]) -> Sequence[TopicPartition]:
    known = await reader.topics()
    missing = set(topics) - set(known)
    for _ in range(20):
        if not missing:
            break
        await asyncio.sleep(0.1)
        missing = set(topics) - set(await reader.topics())
    return [
        TopicPartition(topic, number)
        for topic in sorted(topics)
        for number in sorted(reader.partitions_for_topic(topic) or ())
    ]


def _record(row: Any) -> Record:
    return Record(row.topic, row.key, row.value, row.headers, row.partition, row.offset, row.timestamp)
