"""An independent reader of the bus: a plain Kafka client and the CloudEvents library, none of our code."""

import json
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event

TOPICS = (
    "visitor",
    "interaction",
    "session",
    "queue",
    "routing",
    "agent",
    "ivr",
    "crm_context",
    "workflow",
    "recording",
    "analytics",
    "repair",
    "audit",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """An event as any reader of the bus sees it."""

    topic: str
    partition: int
    offset: int
    key: str
    id: str
    type: str
    source: str
    subject: str
    tenant: str
    correlation_id: str
    causation_id: str
    trace_id: str
    sequence: int
    data: dict[str, Any]

    @property
    def name(self) -> str:
        """Return the type without what all types share: routing.agent_offered."""
        return self.type.removeprefix("trunkline.").rpartition(".v")[0]


async def everything(bootstrap: str) -> list[Seen]:
    """
    Return every event that the topics hold at the time of the call, by topic, partition and offset.

    Partitions are assigned by hand: a client that subscribes without a group starts anew from the earliest
    offset whenever its metadata learns of another partition, and so would see records twice.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=50
    )
    await consumer.start()
    try:
        await consumer.topics()
        left = {
            TopicPartition(f"trunkline.{topic}", number)
            for topic in TOPICS
            for number in consumer.partitions_for_topic(f"trunkline.{topic}") or ()
        }
        consumer.assign(left)
        await consumer.seek_to_beginning(*left)
        ends: dict[TopicPartition, int] = {}
        seen: list[Seen] = []
        while left:
            for place, records in (await consumer.getmany(*left, timeout_ms=500)).items():
                seen.extend(_seen(place, record) for record in records)
            for place in list(left):
                if (end := consumer.highwater(place)) is not None:
                    ends.setdefault(place, end)
                if place in ends and await consumer.position(place) >= ends[place]:
                    left.discard(place)
        return sorted(seen, key=lambda each: (each.topic, each.partition, each.offset))
    finally:
        await consumer.stop()


def _seen(place: TopicPartition, record: ConsumerRecord[bytes, bytes]) -> Seen:
    event = from_kafka_event(KafkaMessage(dict(record.headers), record.key, record.value))
    extension = event.get_extension
    return Seen(
        place.topic,
        place.partition,
        record.offset,
        record.key.decode(),
        event.get_id(),
        event.get_type(),
        event.get_source(),
        str(event.get_subject()),
        str(extension("tenant")),
        str(extension("correlationid")),
        str(extension("causationid") or ""),
        str(extension("traceparent")).split("-")[1],
        int(extension("sequence")),
        _data(event.get_data()),
    )


def _data(data: object) -> dict[str, Any]:
    if isinstance(data, dict):
        return data
    assert isinstance(data, str | bytes)
    return dict(json.loads(data))
