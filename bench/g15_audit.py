"""G15: the audit: all facts of contacts into accounts, numbers, floors and intervals, offsets committed."""

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache

from bench.g03_bus import TENANT
from bench.g05_sessions import life
from bench.harness import Figure, Stage, Stopwatch, compare
from bench.reading import BATCH, by_hand, fill, finished, fresh_database, nothing
from libs import bus, clock, topics
from libs.apply import Apply
from libs.backoff import Backoff
from libs.events.base import AnyEvent
from libs.local import LocalBus
from libs.mongo import MongoStore
from libs.settings import Settings
from libs.wire import Record
from services.audit.handlers import SOURCE, Auditing
from services.audit.progress import Progress
from services.audit.settings import AuditSettings
from services.audit.store import ReachedByAll, Stores
from services.audit.tests.making import Day
from services.session.domain import context
from services.session.domain.session import decider
from services.session.handlers import Handler
from services.session.settings import SessionSettings
from services.session.store import CONTEXTS, Sessions

CONTACTS = 1_000
AGENTS = 20
OTHERS = 2_500  # contacts of the service that the audit has to follow
TOPICS = tuple(f"trunkline.{owner}" for owner in ("interaction", "session", "queue", "routing", "agent"))


@lru_cache(maxsize=1)
def day() -> Sequence[AnyEvent]:
    """Return a day on which agents of one pool serve contacts, one after the other."""
    told = Day()
    for number in range(AGENTS):
        told.agent(f"agent{number}")
    for number in range(CONTACTS):
        told.handled(f"c-{number}", f"agent{number % AGENTS}")
    return [each._replace(id=str(uuid.uuid4()), tenant=TENANT) for each in told.events]


@asynccontextmanager
async def ledger(stage: Stage, settings: Settings) -> AsyncIterator[Auditing]:
    """Yield the audit on a database of its own; in the end every contact must be accounted for."""
    async with fresh_database(stage) as database, bus.connect(settings, SOURCE) as kafka:
        progress = Progress(ReachedByAll(database).exchange)
        limits = AuditSettings().limits(progress.judged_from)
        stores = Stores(database, limits)
        await stores.create_indexes()
        yield Auditing(
            limits,
            progress,
            kafka,
            clock.now,
            contacts=stores.contacts,
            tellers=stores.tellers,
            intervals=stores.intervals,
            ledgers=stores.ledgers,
            partitions=stores.partitions,
            breaches=stores.breaches,
            wait=Backoff(random.random),
        )
        stands = await stores.ledger_of(TENANT)
        assert (stands.opened, stands.open, stands.breaches) == (CONTACTS, 0, {}), stands


async def audited(stage: Stage, settings: Settings, total: int) -> float:
    """Read all topics into the ledger, and return how many records a second."""
    watch, done = Stopwatch(total), asyncio.Event()
    async with ledger(stage, settings) as auditing, bus.connect(settings, "/bench") as reader:

        async def counted(records: Sequence[Record]) -> None:
            await auditing.handle(records)
            if watch.add(len(records)):
                done.set()

        reading = reader.consume_records(f"ours-{uuid.uuid4().hex}", TOPICS, counted, batch=BATCH)
        await finished(done, asyncio.create_task(reading))
    return watch.rate


async def sessions(stage: Stage) -> float:
    """Fold contacts into sessions without reading or telling, and return how many contacts a second."""
    rules = SessionSettings().rules()
    events = [event for step in zip(*map(life, range(OTHERS)), strict=True) for event in step]
    async with fresh_database(stage) as database:
        kept, contexts, local = Sessions(database, rules), MongoStore(database, CONTEXTS), LocalBus()
        await kept.create_indexes()
        handler = Handler(
            Apply(kept, decider(rules), local.publish, "/bench"),
            Apply(contexts, context.decide, local.publish, "/bench"),
            kept,
            local,
            rules,
            clock.now,
        )
        began = time.perf_counter()
        for batch in batches(events):
            await handler(batch)
        return OTHERS / (time.perf_counter() - began)


def batches(events: Sequence[AnyEvent]) -> Iterator[Sequence[AnyEvent]]:
    for start in range(0, len(events), BATCH):
        yield events[start : start + BATCH]


async def run(stage: Stage) -> list[Figure]:
    """Compare the audit with reading alone, and with the service whose contacts it must keep up with."""
    settings = stage.settings()
    await topics.create(settings)
    await fill(settings, day())
    total = len(day())
    a_contact = total / CONTACTS

    async def ours() -> float:
        return await audited(stage, settings, total) / a_contact

    async def alone() -> float:
        return await by_hand(settings, TOPICS, nothing, total) / a_contact

    rates = await compare(
        {
            "the audit, contacts": ours,
            "raw aiokafka getmany + commit": alone,
            "the session service, not reading, not telling": lambda: sessions(stage),
        },
        warm_up=False,
    )
    rates.show()
    return [
        rates.figure("G15", "the audit, contacts", "raw aiokafka getmany + commit", 0.01),
        rates.figure("G15", "the audit, contacts", "the session service, not reading, not telling", 1),
    ]
