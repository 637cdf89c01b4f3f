"""An independent reader of the bus: a plain Kafka client and the CloudEvents library, none of our code."""

import json
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer
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
    """Return every event of every topic, by topic, partition and offset."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=50
    )
    await consumer.start()
    try:
        names = [f"trunkline.{topic}" for topic in TOPICS]
        consumer.subscribe(names)
        seen: list[Seen] = []
        quiet = 0
        while quiet < 6:
            batches = await consumer.getmany(timeout_ms=500)
            quiet = 0 if batches else quiet + 1
            for place, records in batches.items():
                for record in records:
                    message = KafkaMessage(dict(record.headers), record.key, record.value)
                    event = from_kafka_event(message)
                    extension = event.get_extension
                    seen.append(
                        Seen(
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
                    )
        return sorted(seen, key=lambda each: (each.topic, each.partition, each.offset))
    finally:
        await consumer.stop()


def _data(data: object) -> dict[str, Any]:
    if isinstance(data, dict):
        return data
    assert isinstance(data, str | bytes)
    return dict(json.loads(data))
