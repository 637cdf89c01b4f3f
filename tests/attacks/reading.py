"""The bus as somebody with access to it sees it: raw records, none of our code."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

Planted = tuple[bytes, list[tuple[str, bytes]]]


def poison(canary: str, tenant: str) -> list[Planted]:
    """Return records that no reader can read, each in its own way."""
    marks = [
        ("ce_specversion", b"1.0"),
        ("ce_type", b"trunkline.interaction.message_sent.v1"),
        ("ce_source", b"/evil"),
        ("ce_subject", b"i-1"),
        ("ce_time", b"2026-03-02T09:30:00.000Z"),
        ("ce_correlationid", b"jo-1"),
        ("ce_tenant", tenant.encode()),
    ]
    bodies = [
        json.dumps({"interaction_id": [canary]}).encode(),
        f'{{"interaction_id": "{canary}'.encode(),
        json.dumps({"pii": {"text": canary}}).encode(),
    ]
    return [(body, [*marks, ("ce_id", uuid4().hex.encode())]) for body in bodies]


async def plant(bootstrap: str, topic: str, records: Sequence[Planted]) -> None:
    """Put raw records on a topic."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for value, headers in records:
            await producer.send_and_wait(topic, value, key=b"i-1", headers=headers)
    finally:
        await producer.stop()


async def records_of(bootstrap: str, topics: Sequence[str]) -> list[Any]:
    """Return all records that topics hold at the time of the call."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=50
    )
    await consumer.start()
    found: list[Any] = []
    try:
        await consumer.topics()
        left = {
            TopicPartition(topic, number)
            for topic in topics
            for number in consumer.partitions_for_topic(topic) or ()
        }
        consumer.assign(left)
        await consumer.seek_to_beginning(*left)
        while left:
            for records in (await consumer.getmany(*left, timeout_ms=300)).values():
                found.extend(records)
            for place in list(left):
                end = consumer.highwater(place)
                if end is not None and await consumer.position(place) >= end:
                    left.discard(place)
    finally:
        await consumer.stop()
    return found
