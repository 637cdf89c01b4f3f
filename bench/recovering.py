"""
A reader that notes its progress, to be killed: python -m bench.recovering ours|raw GROUP FILE

It takes page views from the bus and counts them in the database, through the platform's libraries or by
the least code on the bare clients. Each event that is kept is a line: the moment and its number.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import WriteConcern
from pymongo.errors import PyMongoError

from libs import bus, clock, mongo
from libs.apply import Apply
from libs.events import visitor
from libs.events.base import AnyEvent, Facts
from libs.mongo import MongoStore, Shape
from libs.settings import Settings
from libs.stored import Key

RETRY_S = 0.05
TOPIC = visitor.PageViewed.topic()


@dataclass(frozen=True, slots=True)
class Views:
    """How many pages a visitor has seen."""

    count: int = 0


def decide(views: Views, event: AnyEvent, now: datetime) -> tuple[Views, Facts]:
    return replace(views, count=views.count + 1), ()


class Progress:
    """The file of lines."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a", encoding="utf-8")

    def note(self, titles: Sequence[str]) -> None:
        now = time.monotonic()
        self._file.writelines(f"{now:.4f} {title}\n" for title in titles)
        self._file.flush()


async def ours(settings: Settings, group: str, progress: Progress) -> None:
    """Count through the platform's libraries."""
    async with (
        mongo.connect(settings.mongo_url, settings.database_of(group)) as database,
        bus.connect(settings, "/bench") as kafka,
    ):
        store = MongoStore(database, Shape("views", Views, lambda key: Views()))
        apply = Apply(store, decide, _nothing, "/bench")

        async def handle(events: Sequence[AnyEvent]) -> None:
            await apply([(Key(event.tenant, event.key), event) for event in events], clock.now())
            progress.note([str(getattr(event.data, "title", "")) for event in events])

        await kafka.consume(group, [visitor.PageViewed], handle)


async def _nothing(facts: Sequence[AnyEvent]) -> None:
    """Tell nobody."""


async def raw(settings: Settings, group: str, progress: Progress) -> None:
    """Count with the bare clients: try again whatever fails, commit after every batch."""
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
        settings.mongo_url, serverSelectionTimeoutMS=3000
    )
    views = client[group].get_collection("views", write_concern=WriteConcern("majority", j=True))
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=settings.kafka_fetch_wait_ms,
        session_timeout_ms=settings.kafka_session_timeout_ms,
        heartbeat_interval_ms=settings.kafka_session_timeout_ms // 4,
    )
    await consumer.start()
    while True:
        fetched = await consumer.getmany(timeout_ms=200)
        for row in [row for rows in fetched.values() for row in rows]:
            while True:
                try:
                    await views.update_one({"_id": row.key}, {"$inc": {"count": 1}}, upsert=True)
                    break
                except PyMongoError:
                    await asyncio.sleep(RETRY_S)
            progress.note([str(_title(row.value))])
        if fetched:
            with suppress(KafkaError):
                await consumer.commit()


def _title(value: bytes) -> str:
    return visitor.PageViewed.model_validate_json(value).title


def main() -> None:
    kind, group, file = sys.argv[1:4]
    run = {"ours": ours, "raw": raw}[kind]
    asyncio.run(run(Settings(), group, Progress(Path(file))))


if __name__ == "__main__":
    main()
