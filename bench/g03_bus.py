"""G3: reading events through the bus library, beside bare aiokafka and beside FastStream."""

import asyncio
import gc
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer
from faststream.kafka import KafkaBroker
from faststream.middlewares import AckPolicy

from bench.harness import Figure, Stage, Stopwatch, compare
from bench.reading import finished
from libs import bus, bus_reading, clock, service, telemetry, topics
from libs.events import visitor
from libs.events.base import AnyEvent, Event
from libs.settings import Settings

EVENTS = 100_000
ONE_BY_ONE = 2_000  # of a reader that commits each of them: more would only take longer
BATCH = 500
TENANT = "acme"
TOPIC = visitor.PageViewed.topic()


def page(number: int) -> AnyEvent:
    """Return a page view as a browser tells it."""
    data = visitor.PageViewed(
        visitor_id=f"v-{number % 997}",
        url=f"https://shop.example/catalogue/item-{number}",
        title="Item",
        referrer="https://shop.example/catalogue",
    )
    event_id = str(uuid.uuid4())
    return Event(
        event_id,
        TENANT,
        clock.now(),
        data,
        f"j-{number % 997}",
        source="/adapter",
        traceparent=telemetry.rooted(event_id),
    )


class Seen:
    """The no-op handler: looks at trace and tenant, leaves out what it has seen."""

    def __init__(self, watch: Stopwatch) -> None:
        self._watch = watch
        self._ids: set[str] = set()
        self.handled = 0
        self.done = asyncio.Event()

    async def handle(self, events: Sequence[AnyEvent]) -> None:
        ids = self._ids
        for event in events:
            if event.id in ids or event.tenant != TENANT or len(event.traceparent) != 55:
                continue
            ids.add(event.id)
            self.handled += 1
        if self._watch.add(len(events)):
            self.done.set()


@asynccontextmanager
async def as_in_our_processes() -> AsyncIterator[None]:
    """Set the collector as libs.service does in every process of ours, and back for the next contender."""
    before = gc.get_threshold()
    service.spare_the_collector()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def ours(settings: Settings) -> float:
    """Read all through KafkaBus.consume."""
    watch = Stopwatch(EVENTS)
    seen = Seen(watch)
    async with as_in_our_processes(), bus.connect(settings, "/bench") as reader:
        reading = asyncio.create_task(
            reader.consume(
                f"ours-{uuid.uuid4().hex}",
                [visitor.PageViewed],
                seen.handle,
                keeps_dead_letters_of=[TOPIC],
                tenants=[TENANT],
                batch=BATCH,
            )
        )
        await finished(seen.done, reading)
    if seen.handled != EVENTS:
        raise AssertionError(f"{seen.handled} events were handled")
    return watch.rate


async def raw_so(settings: Settings) -> float:
    """Read as `raw` does, committing as seldom and collecting as seldom as we."""
    async with as_in_our_processes():
        return await raw(settings, bus_reading.COMMIT_EVERY_S)


async def raw(settings: Settings, commit_every_s: float = 0.0) -> float:
    """Read all through aiokafka, looking at nothing, and commit after each getmany, or more seldom."""
    watch = Stopwatch(EVENTS)
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=f"raw-{uuid.uuid4().hex}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=BATCH,
        fetch_max_wait_ms=settings.kafka_fetch_wait_ms,
        session_timeout_ms=settings.kafka_session_timeout_ms,
        heartbeat_interval_ms=settings.kafka_session_timeout_ms // 4,
    )
    await consumer.start()
    try:
        now = asyncio.get_running_loop().time
        committed_at = now()
        done = False
        while not done:
            fetched = await consumer.getmany(timeout_ms=200, max_records=BATCH)
            if not fetched:
                continue
            done = watch.add(sum(map(len, fetched.values())))
            if now() - committed_at >= commit_every_s or done:
                await consumer.commit()
                committed_at = now()
    finally:
        await consumer.stop()
    return watch.rate


async def faststream_one(settings: Settings) -> float:
    """Read some through FastStream, one at a time, each acknowledged when handled."""
    watch = Stopwatch(ONE_BY_ONE)
    done = asyncio.Event()
    broker = KafkaBroker(settings.kafka_bootstrap, logger=None)

    @broker.subscriber(
        TOPIC,
        group_id=f"one-{uuid.uuid4().hex}",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=settings.kafka_fetch_wait_ms,
        session_timeout_ms=settings.kafka_session_timeout_ms,
        heartbeat_interval_ms=settings.kafka_session_timeout_ms // 4,
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    async def handle(body: visitor.PageViewed) -> None:
        if not done.is_set() and watch.add(1):
            done.set()

    return await _faststream(broker, done, watch)


async def faststream_batch(settings: Settings) -> float:
    """Read all through FastStream in batches, each acknowledged when handled."""
    watch = Stopwatch(EVENTS)
    done = asyncio.Event()
    broker = KafkaBroker(settings.kafka_bootstrap, logger=None)

    @broker.subscriber(
        TOPIC,
        group_id=f"batch-{uuid.uuid4().hex}",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=settings.kafka_fetch_wait_ms,
        session_timeout_ms=settings.kafka_session_timeout_ms,
        heartbeat_interval_ms=settings.kafka_session_timeout_ms // 4,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        batch=True,
        max_records=BATCH,
    )
    async def handle(bodies: list[visitor.PageViewed]) -> None:
        if watch.add(len(bodies)):
            done.set()

    return await _faststream(broker, done, watch)


async def _faststream(broker: KafkaBroker, done: asyncio.Event, watch: Stopwatch) -> float:
    await broker.start()
    try:
        async with asyncio.timeout(60):
            await done.wait()
    finally:
        await broker.stop()
    return watch.rate


async def run(stage: Stage) -> list[Figure]:
    """Compare the bus library with what it stands on and with what could be used in its place."""
    settings = stage.settings()
    await topics.create(settings)
    async with bus.connect(settings, "/adapter") as writer:
        for start in range(0, EVENTS, 2_000):
            await writer.publish([page(number) for number in range(start, start + 2_000)])

    def turn(contender: Callable[[Settings], Awaitable[float]]) -> Callable[[], Awaitable[float]]:
        return lambda: contender(settings)

    rates = await compare(
        {
            "the bus library": turn(ours),
            "raw aiokafka getmany + commit": turn(raw),
            "FastStream one by one": turn(faststream_one),
            "FastStream batch": turn(faststream_batch),
            # For the reader only: what Python code beside pydantic can come near to, but not reach.
            "raw aiokafka, commits and collector as ours": turn(raw_so),
        },
        warm_up=False,
    )
    rates.show()
    return [
        rates.figure("G3", "the bus library", "raw aiokafka getmany + commit", 0.65),
        rates.figure("G3", "the bus library", "FastStream one by one", 3),
        rates.figure("G3", "the bus library", "FastStream batch", 1),
    ]
