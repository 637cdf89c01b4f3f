"""A reader comes to terms with its group although the leader left just as it came."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress

import pytest
from aiokafka import AIOKafkaConsumer

from libs import bus, clock, topics
from libs.events import visitor
from libs.events.base import AnyEvent, Event
from libs.settings import Settings

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

SESSION_MS = 4000
LATER_S = (0.0, 0.3, 0.6, 0.9, 1.2, 1.5)  # the leader leaves: one of them falls into the moment
KEYS = 12  # on all partitions


async def test_it_reads_all_although_the_leader_left_as_it_came(kafka_bootstrap: str) -> None:
    settings = Settings(kafka_bootstrap=kafka_bootstrap, kafka_session_timeout_ms=SESSION_MS)
    await topics.create(settings)
    mine = uuid.uuid4().hex[:8]
    events = [page(f"{mine}-{number}") for number in range(KEYS)]

    async with bus.connect(settings, "/test") as kafka:
        await kafka.publish(events)
        async with asyncio.timeout(120):
            await asyncio.gather(
                *(read_after_a_leader(kafka, settings, f"{mine}-{n}", s, mine) for n, s in enumerate(LATER_S))
            )


def page(visitor_id: str) -> AnyEvent:
    return Event(
        f"{visitor_id}-1", "acme", clock.now(), visitor.PageViewed(visitor_id=visitor_id, url="/"), "j-1"
    )


async def read_after_a_leader(
    kafka: bus.KafkaBus, settings: Settings, group: str, later_s: float, mine: str
) -> None:
    """Join a group whose leader leaves a moment later; return when everything was read."""
    leader = AIOKafkaConsumer(
        visitor.PageViewed.topic(),
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=group,
        enable_auto_commit=False,
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=SESSION_MS // 4,
    )
    await leader.start()
    seen: set[str] = set()
    is_whole = asyncio.Event()

    async def handle(events: Sequence[AnyEvent]) -> None:
        seen.update(event.key for event in events if event.key.startswith(mine))
        if len(seen) == KEYS:
            is_whole.set()

    reading = asyncio.create_task(kafka.consume(group, [visitor.PageViewed], handle))
    await asyncio.sleep(later_s)
    await leader.stop()
    await is_whole.wait()
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
