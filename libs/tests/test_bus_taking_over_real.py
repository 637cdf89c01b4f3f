"""A reader that is given many partitions goes on where each of them was left, at once."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient

from libs import bus, clock, topics
from libs.events import visitor
from libs.events.base import AnyEvent, Event
from libs.events.catalogue import TOPICS
from libs.settings import Settings
from libs.wire import Record

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

KEYS = 12


async def test_it_asks_for_all_places_at_once_and_reads_nothing_twice(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(kafka_bootstrap=kafka_bootstrap, kafka_session_timeout_ms=4000)
    await topics.create(settings)
    mine = uuid.uuid4().hex[:8]
    asked: Counter[str] = Counter()
    send = AIOKafkaClient.send

    async def counting(client: AIOKafkaClient, node_id: Any, request: Any, **options: Any) -> Any:
        asked[type(request).__name__] += 1
        return await send(client, node_id, request, **options)

    async with bus.connect(settings, "/test") as kafka:
        first = [page(f"{mine}-first-{number}") for number in range(KEYS)]
        await kafka.publish(first)
        assert await keys_read(kafka, mine, until=KEYS) == {event.key for event in first}
        second = [page(f"{mine}-second-{number}") for number in range(KEYS)]
        await kafka.publish(second)

        monkeypatch.setattr(AIOKafkaClient, "send", counting)
        assert await keys_read(kafka, mine, until=KEYS) == {event.key for event in second}
    assert asked["ListOffsetsRequest"] + asked["OffsetRequest"] <= 3
    assert 0 < asked["OffsetFetchRequest"] <= 3, "one of ours, and what the client asks for beside it"


async def keys_read(kafka: bus.KafkaBus, group: str, until: int) -> set[str]:
    """Read all topics as a member of the group until so many keys of this test have come."""
    keys: list[str] = []
    is_enough = asyncio.Event()

    async def handle(records: Sequence[Record]) -> None:
        found = [(record.key or b"").decode() for record in records]
        keys.extend(key for key in found if group in key)
        if len(keys) >= until:
            is_enough.set()

    reading = asyncio.create_task(kafka.consume_records(group, TOPICS, handle))
    try:
        async with asyncio.timeout(60):
            await is_enough.wait()
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
    assert len(keys) == len(set(keys))
    return set(keys)


def page(visitor_id: str) -> AnyEvent:
    data = visitor.PageViewed(visitor_id=visitor_id, url="/")
    return Event(f"{visitor_id}-1", "acme", clock.now(), data, "j-1")
