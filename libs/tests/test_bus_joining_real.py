"""A reader comes to terms with its group although the leader left just as it came."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.protocol.group import JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest

from libs import bus, clock, topics
from libs.events import visitor
from libs.events.base import AnyEvent, Event
from libs.settings import Settings

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

TOPIC = visitor.PageViewed.topic()
SESSION_MS = 4000
LATER_S = 2.3  # after the reader has asked to join, while the broker still waits for the leader
KEYS = 12  # on all partitions


async def test_it_reads_all_although_the_leader_left_as_it_came(kafka_bootstrap: str) -> None:
    settings = Settings(kafka_bootstrap=kafka_bootstrap, kafka_session_timeout_ms=SESSION_MS)
    await topics.create(settings)
    mine = uuid.uuid4().hex[:8]
    client = AIOKafkaClient(bootstrap_servers=kafka_bootstrap)
    await client.bootstrap()
    try:
        leader = await leader_of(client, mine)
        async with bus.connect(settings, "/test") as kafka:
            await kafka.publish([page(f"{mine}-{number}") for number in range(KEYS)])
            reading = asyncio.create_task(read_all(kafka, mine))
            await asyncio.sleep(LATER_S)
            await client.send(client.get_random_node(), LeaveGroupRequest(mine, leader))

            async with asyncio.timeout(80):
                await reading
    finally:
        await client.close()


async def leader_of(client: AIOKafkaClient, group: str) -> str:
    """Found a group, lead it, and say no more: return the member's id."""
    node = client.get_random_node()

    def join(member: str) -> JoinGroupRequest:
        metadata = RoundRobinPartitionAssignor.metadata([TOPIC])
        content = metadata if isinstance(metadata, bytes) else metadata.encode()
        protocols = [("roundrobin", content)]
        return JoinGroupRequest(group, SESSION_MS, SESSION_MS, member, None, "consumer", protocols)

    joined = await client.send(node, join(""))
    if joined.error_code:  # it wants a member to come with the id that it gives him
        joined = await client.send(node, join(joined.member_id))
    terms = [(joined.member_id, b"")]
    await client.send(node, SyncGroupRequest(group, joined.generation_id, joined.member_id, None, terms))
    return str(joined.member_id)


async def read_all(kafka: bus.KafkaBus, group: str) -> None:
    """Return when all was read that is this test's."""
    seen: set[str] = set()
    is_whole = asyncio.Event()

    async def handle(events: Sequence[AnyEvent]) -> None:
        seen.update(event.key for event in events if event.key.startswith(group))
        if len(seen) == KEYS:
            is_whole.set()

    reading = asyncio.create_task(kafka.consume(group, [visitor.PageViewed], handle))
    try:
        await is_whole.wait()
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


def page(visitor_id: str) -> AnyEvent:
    data = visitor.PageViewed(visitor_id=visitor_id, url="/")
    return Event(f"{visitor_id}-1", "acme", clock.now(), data, "j-1")
