"""Writes records to Kafka: many callers, few requests, the order kept."""

import asyncio
import functools
import logging
from collections import defaultdict, deque
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2 as _murmur2

from libs import metrics
from libs.errors import Unavailable
from libs.wire import Record

log = logging.getLogger(__name__)


@functools.lru_cache(maxsize=65_536)
def _hash(key: bytes) -> int:
    return int(_murmur2(key)) & 0x7FFFFFFF


LOOK_EVERY_S = 0.1
MOST_WAITING = 20_000  # callers: so many have a bus that does not answer, and memory has an end


class Writer:
    """
    Writes what many callers hand in as few requests as possible.

    One flush is on its way at a time; what arrives meanwhile goes with the next. So order is kept, and the
    batch grows with the load by itself. Who has waited for `patience_s` is told that the bus does not answer.
    """

    def __init__(self, client: AIOKafkaProducer, patience_s: float | None = None) -> None:
        self._client = client
        self._patience_s = patience_s
        self._deadlines: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: list[tuple[Sequence[Record], asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._places: dict[str, list[TopicPartition]] = {}
        self._spread = 0

    async def write(self, records: Sequence[Record]) -> None:
        """Return when all are written. :raises Unavailable: they are not known to be, or too many wait."""
        if not records:
            return
        if len(self._waiting) >= MOST_WAITING:
            raise Unavailable("bus_busy", "too many wait for the bus already")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((records, done))
        self._wake.set()
        if self._patience_s is not None:
            self._deadlines.append((loop.time() + self._patience_s, done))
            if self._timer is None:
                self._timer = loop.call_later(LOOK_EVERY_S, self._look, loop)
        await done

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell those who have waited too long; one timer for all, since one for each costs too much."""
        now, deadlines = loop.time(), self._deadlines
        while deadlines and (deadlines[0][1].done() or deadlines[0][0] <= now):
            _, done = deadlines.popleft()
            if not done.done():
                done.set_exception(Unavailable("bus_unreachable", "the bus does not answer"))
        self._timer = loop.call_later(LOOK_EVERY_S, self._look, loop) if deadlines else None

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            # Whoever has given up meanwhile will ask again: his records are not written behind his back.
            taken = [(records, done) for records, done in self._waiting if not done.done()]
            self._waiting = []
            try:
                await self._flush([record for records, _ in taken for record in records])
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("publishing failed", extra={"error": type(error).__name__})
                self._places.clear()
                failure = Unavailable("bus_unreachable", "the bus does not answer")
                _settle(taken, failure)
            except asyncio.CancelledError:
                _settle(taken, Unavailable("bus_closing", "the bus is closing"))
                raise
            except Exception as error:  # noqa: BLE001 - a bug, raised in those who wait: it ends the process
                _settle(taken, error)
            else:
                _settle(taken, None)

    async def _flush(self, records: Sequence[Record]) -> None:
        groups: dict[TopicPartition, list[Record]] = defaultdict(list)
        places = self._places
        for record in records:
            found = places.get(record.topic) or await self._places_of(record.topic)
            if record.partition >= 0:
                place = TopicPartition(record.topic, record.partition)
            elif record.key is None:
                self._spread += 1
                place = found[self._spread % len(found)]
            else:
                place = found[_hash(record.key) % len(found)]
            groups[place].append(record)
        pending: list[Awaitable[Any]] = []
        for place, group in groups.items():
            batch = self._client.create_batch()
            for record in group:
                key, value, headers = record.key, record.value, list(record.headers)
                stamp = record.timestamp_ms or None
                if batch.append(key=key, value=value, timestamp=stamp, headers=headers) is None:
                    batch.close()
                    pending.append(
                        await self._client.send_batch(batch, place.topic, partition=place.partition)
                    )
                    batch = self._client.create_batch()
                    if batch.append(key=key, value=value, timestamp=stamp, headers=headers) is None:
                        raise ValueError(
                            "a record larger than a batch was published"
                        )  # refused at every edge
            batch.close()
            pending.append(await self._client.send_batch(batch, place.topic, partition=place.partition))
        results = await asyncio.gather(*pending, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        for place, group in groups.items():
            metrics.published.labels(place.topic).inc(len(group))

    async def _places_of(self, topic: str) -> Sequence[TopicPartition]:
        partitions = await self._client.partitions_for(topic)
        if not partitions:
            raise TimeoutError(f"no partitions of {topic}")
        found = self._places[topic] = [TopicPartition(topic, number) for number in range(len(partitions))]
        return found


def _settle(taken: Iterable[tuple[Sequence[Record], asyncio.Future[None]]], error: Exception | None) -> None:
    for _, done in taken:
        if not done.done():
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
