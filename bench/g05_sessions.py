"""G5: events of contacts folded into sessions: state, version guard, terminal check, offset committed."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import orjson

from bench.g03_bus import TENANT
from bench.harness import Figure, Stage, compare
from bench.reading import by_hand, by_the_library, fill, fresh_database, naively, nothing
from libs import bus, clock, telemetry, topics
from libs.apply import Apply
from libs.events import interaction
from libs.events.base import AnyEvent, Event, Fact
from libs.mongo import MongoStore
from libs.settings import Settings
from services.session.domain import context
from services.session.domain.session import decider
from services.session.handlers import Handler
from services.session.settings import SessionSettings
from services.session.store import CONTEXTS, Sessions

CONTACTS = 2_500  # a voice channel's report of each: begun, queued, answered, over
ONE_BY_ONE = 300
TOPIC = interaction.Started.topic()
WANTED: tuple[type[Fact], ...] = (
    interaction.Started,
    interaction.QueueEntered,
    interaction.MediaChanged,
    interaction.Ended,
)
EVENTS = CONTACTS * len(WANTED)
PHASES = {"started": "open", "queue_entered": "waiting", "media_changed": "talking", "ended": "closed"}


def life(number: int, tenant: str = TENANT) -> Iterator[AnyEvent]:
    """Yield what an outside switch reports of one contact."""
    name, began = f"call-{number}", clock.now() - timedelta(hours=1)
    facts: tuple[Fact, ...] = (
        interaction.Started(
            interaction_id=name, channel="voice", entry_point="hotline", distribution="external"
        ),
        interaction.QueueEntered(interaction_id=name, queue_id="service"),
        interaction.MediaChanged(interaction_id=name, change="answered", agent_id="ana", queue_id="service"),
        interaction.Ended(interaction_id=name, by="customer"),
    )
    for step, fact in enumerate(facts):
        event_id = str(uuid.uuid4())
        yield Event(
            event_id,
            tenant,
            began + timedelta(seconds=step * 20),
            fact,
            f"j-{number}",
            source="/adapter",
            sequence=step + 1,
            traceparent=telemetry.rooted(event_id),
        )


class OneByOne:
    """What one writes first: read the session, change it, write it where nobody else has, by event."""

    def __init__(self, sessions: Any) -> None:
        self._sessions = sessions

    async def __call__(self, row: Any) -> None:
        attributes = {name: value.decode() for name, value in row.headers}
        data = orjson.loads(row.value)
        key = f"{attributes['ce_tenant']}/{data['interaction_id']}"
        session = await self._sessions.find_one({"_id": key}) or {"_id": key, "v": 0, "phase": "", "seen": []}
        if session["phase"] == "closed" or attributes["ce_id"] in session["seen"]:
            return
        before = session["v"]
        session["v"] += 1
        session["phase"] = PHASES[attributes["ce_type"].rsplit(".", 2)[1]]
        session["seen"].append(attributes["ce_id"])
        await self._sessions.replace_one({"_id": key, "v": before} if before else {"_id": key}, session, True)


@asynccontextmanager
async def projection(stage: Stage, settings: Settings) -> AsyncIterator[Handler]:
    """Yield the session service's handler on a database of its own; in the end no contact may be open."""
    rules = SessionSettings().rules()
    async with fresh_database(stage) as database, bus.connect(settings, "/bench") as kafka:
        sessions, contexts = Sessions(database, rules), MongoStore(database, CONTEXTS)
        await sessions.create_indexes()
        yield Handler(
            Apply(sessions, decider(rules), kafka.publish, "/bench"),
            Apply(contexts, context.decide, kafka.publish, "/bench"),
            sessions,
            kafka,
            rules,
            clock.now,
        )
        living = await database["sessions"].count_documents({"ix.living": {"$ne": []}})
        assert living == 0, f"{living} contacts have not ended"


async def run(stage: Stage) -> list[Figure]:
    """Compare the session service's reader with reading alone and with one event at a time."""
    settings = stage.settings()
    await topics.create(settings)
    lives = [life(number) for number in range(CONTACTS)]
    await fill(settings, (next(each) for _ in WANTED for each in lives))

    async def ours() -> float:
        async with projection(stage, settings) as handler:
            return await by_the_library(settings, WANTED, handler, EVENTS)

    async def one_at_a_time() -> float:
        async with fresh_database(stage) as database:
            return await naively(settings, TOPIC, OneByOne(database["sessions"]), ONE_BY_ONE)

    rates = await compare(
        {
            "the session projection": ours,
            "raw aiokafka getmany + commit": lambda: by_hand(settings, TOPIC, nothing, EVENTS),
            "a naive loop, one event at a time": one_at_a_time,
        },
        warm_up=False,
    )
    rates.show()
    return [
        rates.figure("G5", "the session projection", "raw aiokafka getmany + commit", 0.015),
        rates.figure("G5", "the session projection", "a naive loop, one event at a time", 12),
    ]
