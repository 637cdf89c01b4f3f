"""All records of all topics, read by a plain Kafka client: none of our code stands between."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.integration.watcher import TOPICS

DEAD_LETTERS = "-dlq"


@dataclass(frozen=True)
class Row:
    """A record as it lies on a partition."""

    topic: str
    partition: int
    offset: int
    key: str
    headers: dict[str, str]
    value: bytes

    @property
    def place(self) -> tuple[str, int, int]:
        return self.topic, self.partition, self.offset

    @property
    def id(self) -> str:
        return self.headers.get("ce_id", "")

    @property
    def type(self) -> str:
        return self.headers.get("ce_type", "")

    @property
    def tenant(self) -> str:
        return self.headers.get("ce_tenant", "")

    @property
    def source(self) -> str:
        return self.headers.get("ce_source", "")

    @property
    def sequence(self) -> int:
        return int(self.headers.get("ce_sequence") or 0)

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self.headers["ce_time"])

    @property
    def name(self) -> str:
        """Return the type without what all types share: routing.agent_offered."""
        return self.type.removeprefix("trunkline.").rpartition(".v")[0]

    @cached_property
    def data(self) -> dict[str, Any]:
        """Return the fact; what stands at its default is not there."""
        found = json.loads(self.value)
        assert isinstance(found, dict)
        return found


async def all_rows(bootstrap: str) -> list[Row]:
    """Return every record there is now, dead letters too, by topic, partition and offset."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=50
    )
    await consumer.start()
    try:
        await consumer.topics()
        left = {
            TopicPartition(name, number)
            for topic in TOPICS
            for name in (f"trunkline.{topic}", f"trunkline.{topic}{DEAD_LETTERS}")
            for number in consumer.partitions_for_topic(name) or ()
        }
        consumer.assign(left)
        await consumer.seek_to_beginning(*left)
        ends: dict[TopicPartition, int] = {}
        rows: list[Row] = []
        while left:
            for place, records in (await consumer.getmany(*left, timeout_ms=500)).items():
                rows += [
                    Row(
                        place.topic,
                        place.partition,
                        record.offset,
                        (record.key or b"").decode("utf-8", "replace"),
                        {name: value.decode("utf-8", "replace") for name, value in record.headers},
                        record.value or b"",
                    )
                    for record in records
                ]
            for place in list(left):
                if (end := consumer.highwater(place)) is not None:
                    ends.setdefault(place, end)
                if place in ends and await consumer.position(place) >= ends[place]:
                    left.discard(place)
        return sorted(rows, key=lambda row: row.place)
    finally:
        await consumer.stop()


async def committed(bootstrap: str, group: str, topics: Collection[str]) -> dict[tuple[str, int], int]:
    """
    Return how far a group says it has come with every partition of some topics, 0 where it said nothing.

    All of them, since the one that nobody reads any more is the one to be found.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        await consumer.topics()
        partitions = [
            TopicPartition(topic, number)
            for topic in sorted(topics)
            for number in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        consumer.assign(partitions)
        return {
            (each.topic, each.partition): max(0, await consumer.committed(each) or 0) for each in partitions
        }
    finally:
        await consumer.stop()
