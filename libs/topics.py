"""Create the topics of the bus where they are missing: python -m libs.topics"""

import asyncio
from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from libs.events.catalogue import TOPICS, dead_letters_of
from libs.kafka_security import client_config
from libs.settings import Settings
from libs.wire import Record

RETENTION_MS = 14 * 24 * 3600 * 1000
DEAD_LETTER_RETENTION_MS = 90 * 24 * 3600 * 1000
MOST_BYTES = 1024 * 1024
DEAD_LETTER_BYTES = MOST_BYTES + 64 * 1024  # a letter holds the largest record, and says why it is one


async def create(settings: Settings) -> list[str]:
    """
    Create missing topics and return their names; those that exist keep their settings.

    :raises KafkaError: the broker refused for another reason.
    """
    config = client_config(settings.kafka_client_config)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap, **config)
    await admin.start()
    try:
        there = set(await admin.list_topics())
        wanted = dict.fromkeys(TOPICS, (RETENTION_MS, MOST_BYTES)) | {
            dead_letters_of(topic): (DEAD_LETTER_RETENTION_MS, DEAD_LETTER_BYTES) for topic in TOPICS
        }
        missing = [
            NewTopic(
                topic,
                settings.kafka_partitions,
                settings.kafka_replication,
                topic_configs={
                    "retention.ms": str(retention),
                    "max.message.bytes": str(most_bytes),
                    # A call log or an archive of long ago is as old as its writing: retention spares it.
                    "message.timestamp.type": "LogAppendTime",
                },
            )
            for topic, (retention, most_bytes) in wanted.items()
            if topic not in there
        ]
        if missing:
            answer = await admin.create_topics(missing)
            for row in answer.topic_errors:
                if row[1] not in (0, TopicAlreadyExistsError.errno):
                    raise for_code(row[1])(row[0])
        return [topic.name for topic in missing]
    finally:
        await admin.close()


async def records_of(settings: Settings, topic: str) -> AsyncIterator[Record]:
    """
    Yield what a topic holds now, from its beginning, without a group.

    Where it ends is taken from the answers to fetches: not every broker answers rightly when asked for it.

    :raises KafkaError: the broker does not answer.
    """
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        enable_auto_commit=False,
        fetch_max_wait_ms=settings.kafka_fetch_wait_ms,
        **client_config(settings.kafka_client_config),
    ) as reader:
        await reader.topics()
        left = {TopicPartition(topic, number) for number in reader.partitions_for_topic(topic) or ()}
        if left:
            reader.assign(left)
            await reader.seek_to_beginning(*left)
        ends: dict[TopicPartition, int] = {}
        while left:
            fetched = await reader.getmany(*left, timeout_ms=100, max_records=2000)
            for place in list(left):
                if place not in ends and (end := reader.highwater(place)) is not None:
                    ends[place] = end
                for row in fetched.get(place, ()):
                    yield Record(
                        topic, row.key, row.value, row.headers, row.partition, row.offset, row.timestamp
                    )
                if place in ends and await reader.position(place) >= ends[place]:
                    left.discard(place)


if __name__ == "__main__":
    created = asyncio.run(create(Settings()))
    print(f"topics: {len(created)} created, {2 * len(TOPICS) - len(created)} there already")
