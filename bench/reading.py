"""What benches of readers share: a topic filled once, and readers that stop when they have seen it all."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaConsumer

from bench.harness import Stage, Stopwatch
from libs import bus, mongo
from libs.events.base import AnyEvent, Fact
from libs.mongo import Database
from libs.reading import Handle
from libs.settings import Settings

BATCH = 500
PORTION = 2_000
LONGEST_S = 120.0


async def fill(settings: Settings, events: Iterable[AnyEvent]) -> None:
    """Publish events, each portion durable before the next one."""
    async with bus.connect(settings, "/adapter") as writer:
        portion: list[AnyEvent] = []
        for event in events:
            portion.append(event)
            if len(portion) == PORTION:
                await writer.publish(portion)
                portion = []
        await writer.publish(portion)


async def by_the_library(
    settings: Settings, wanted: Collection[type[Fact]], handle: Handle, total: int
) -> float:
    """Give `total` events to `handle` through KafkaBus.consume, and return how many a second."""
    watch, done = Stopwatch(total), asyncio.Event()

    async def counted(events: Sequence[AnyEvent]) -> None:
        await handle(events)
        if watch.add(len(events)):
            done.set()

    async with bus.connect(settings, "/bench") as reader:
        reading = asyncio.create_task(
            reader.consume(f"ours-{uuid.uuid4().hex}", wanted, counted, batch=BATCH)
        )
        await finished(done, reading)
    return watch.rate


async def finished(done: asyncio.Event, reading: asyncio.Task[None]) -> None:
    """Wait until all is read; a reader that ends before has failed."""
    waiting = asyncio.create_task(done.wait())
    async with asyncio.timeout(LONGEST_S):
        await asyncio.wait({waiting, reading}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if reading.done():
        reading.result()
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading


@asynccontextmanager
async def consumer_of(settings: Settings, *topics: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Yield aiokafka's consumer of a new group, from the beginning, committing by hand."""
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=f"bare-{uuid.uuid4().hex}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=BATCH,
        fetch_max_wait_ms=settings.kafka_fetch_wait_ms,
        session_timeout_ms=settings.kafka_session_timeout_ms,
        heartbeat_interval_ms=settings.kafka_session_timeout_ms // 4,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def by_hand(
    settings: Settings,
    topic: str | Sequence[str],
    handle: Callable[[Sequence[Any]], Awaitable[None]],
    total: int,
) -> float:
    """Give batches of records to `handle` and commit after each, the least that is safe; return the rate."""
    watch, done = Stopwatch(total), False
    names = (topic,) if isinstance(topic, str) else topic
    async with consumer_of(settings, *names) as consumer:
        while not done:
            fetched = await consumer.getmany(timeout_ms=200, max_records=BATCH)
            rows = [row for some in fetched.values() for row in some]
            if rows:
                await handle(rows)
                await consumer.commit()
                done = watch.add(len(rows))
    return watch.rate


async def naively(
    settings: Settings, topic: str, handle: Callable[[Any], Awaitable[None]], total: int
) -> float:
    """Give records to `handle` one by one, each committed by itself, and return how many a second."""
    watch = Stopwatch(total)
    async with consumer_of(settings, topic) as consumer:
        async for row in consumer:
            await handle(row)
            await consumer.commit()
            if watch.add(1):
                break
    return watch.rate


async def nothing(rows: Sequence[Any]) -> None:
    """Look at nothing: what reading alone costs."""


@asynccontextmanager
async def fresh_database(stage: Stage) -> AsyncIterator[Database]:
    """Yield a database that nobody has used, and drop it afterwards."""
    name = f"bench_{uuid.uuid4().hex[:12]}"
    async with mongo.connect(stage.mongo_url, name) as database:
        try:
            yield database
        finally:
            await database.client.drop_database(name)
