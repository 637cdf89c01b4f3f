"""G8: durable assignments of one router, one by one and in ticks, beside what a database does by itself."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter

from bench.harness import Figure, Stage, compare
from libs import clock, mongo
from libs.apply import Apply
from libs.events import queue
from libs.events.base import AnyEvent, Event, Fact
from libs.mongo import Database
from libs.stored import Key
from services.routing.domain.decide import decide
from services.routing.domain.model import Pool
from services.routing.store import MongoPools

TENANT, POOL = "acme", "main"
KEY = Key(TENANT, POOL)
AGENTS = 1_000  # each takes one contact at a time
ONE_BY_ONE = 200  # assignments a round
TICKS, TICK = 10, 100  # contacts come in as many batches of so many
WORKERS = 16

Row = dict[str, object]


class Router:
    """The routing service's pool and its store; nobody is told of what follows."""

    def __init__(self, database: Database) -> None:
        self._store = MongoPools(database)
        self._apply = Apply(self._store, decide, self._tell, "/bench")
        self._names = iter(range(10**9))

    async def _tell(self, events: Sequence[AnyEvent]) -> None:
        """Tell nobody: what publishing costs is the bus's matter."""

    async def open(self) -> None:
        """Configure a queue and its agents, and let these be ready."""
        await self._store.create_indexes()
        await self._take([queue.QueueConfigured(pool_id=POOL, queue_id="service", offer_timeout_s=600)])
        for number in range(AGENTS):
            name = f"agent-{number}"
            skills = {f"skill-{number % 7}": 3, "service": 1 + number % 5}
            agent = queue.AgentConfigured(pool_id=POOL, agent_id=name, skills=skills, capacity={"chat": 1})
            ready = queue.AgentStateRequested(pool_id=POOL, agent_id=name, state="ready")
            await self._take([agent, queue.AgentSignedIn(pool_id=POOL, agent_id=name), ready])

    async def one_by_one(self) -> float:
        """Return how many contacts a second are assigned that come one after the other."""
        return await self._round(ONE_BY_ONE, 1)

    async def in_ticks(self) -> float:
        """Return how many contacts a second are assigned that come in batches."""
        return await self._round(TICKS, TICK)

    async def _round(self, batches: int, size: int) -> float:
        come = [[self._contact() for _ in range(size)] for _ in range(batches)]
        began = perf_counter()
        for batch in come:
            await self._take(batch)
        took = perf_counter() - began
        names = [each.contact_id for batch in come for each in batch]
        pool = await self._store.get(KEY)
        assert pool is not None and _offered(pool) >= set(names), "somebody was left without an agent"
        await self._take(
            [
                queue.ContactWithdrawn(pool_id=POOL, session_id=f"s-{name}", contact_id=name, by="customer")
                for name in names
            ]
        )
        return batches * size / took

    def _contact(self) -> queue.ContactQueued:
        name = f"c-{next(self._names)}"
        needs = (queue.Need(skill="service", level=1, required=True),)
        return queue.ContactQueued(
            pool_id=POOL,
            session_id=f"s-{name}",
            contact_id=name,
            queue_id="service",
            channel="chat",
            needs=needs,
        )

    async def _take(self, facts: Sequence[Fact]) -> None:
        events: list[AnyEvent] = [
            Event(str(uuid.uuid4()), TENANT, clock.now(), fact, f"j-{uuid.uuid4()}") for fact in facts
        ]
        await self._apply([(KEY, event) for event in events], clock.now())


def _offered(pool: Pool) -> set[str]:
    return {each.contact_id for each in pool.contacts.values() if each.state == "offered"}


class ByHand:
    """Contacts and agents as documents of their own, assigned as they come; nothing is decided."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._contacts = database["contacts_by_hand"]
        self._agents = database["agents_by_hand"]

    async def open(self) -> None:
        await self._contacts.create_index([("state", 1), ("priority", -1), ("at", 1)])
        await self._agents.insert_many([{"_id": number, "load": 0} for number in range(AGENTS)])

    async def cas(self) -> float:
        """Assign contacts one after the other: each by one update that finds it only if it still waits."""

        async def assign(contact: Row, agent: int) -> None:
            change = {"$set": {"state": "offered", "agent": agent}, "$inc": {"v": 1}}
            found = await self._contacts.update_one({"_id": contact["_id"], "state": "waiting"}, change)
            assert found.modified_count == 1

        return await self._one_after_the_other(assign)

    async def transaction(self) -> float:
        """The same, with the agent's load counted in the same transaction."""

        async def assign(contact: Row, agent: int) -> None:
            change = {"$set": {"state": "offered", "agent": agent}, "$inc": {"v": 1}}
            async with (
                await self._database.client.start_session() as session,
                session.start_transaction(write_concern=self._database.write_concern),
            ):
                where = {"_id": contact["_id"], "state": "waiting"}
                await self._contacts.update_one(where, change, session=session)
                await self._agents.update_one({"_id": agent}, {"$inc": {"load": 1}}, session=session)

        return await self._one_after_the_other(assign)

    async def claims(self) -> float:
        """Let many workers claim the most urgent contact that waits, until none is left."""
        await self._waiting(TICKS * TICK)

        async def work(agent: int) -> None:
            change = {"$set": {"state": "offered", "agent": agent}, "$inc": {"v": 1}}
            order = [("priority", -1), ("at", 1)]
            while await self._contacts.find_one_and_update({"state": "waiting"}, change, sort=order):
                pass

        began = perf_counter()
        await asyncio.gather(*(work(number) for number in range(WORKERS)))
        return TICKS * TICK / (perf_counter() - began)

    async def _one_after_the_other(self, assign: Callable[[Row, int], Awaitable[None]]) -> float:
        contacts = await self._waiting(ONE_BY_ONE)
        began = perf_counter()
        for number, contact in enumerate(contacts):
            await assign(contact, number % AGENTS)
        return len(contacts) / (perf_counter() - began)

    async def _waiting(self, count: int) -> list[Row]:
        await self._contacts.delete_many({})
        rows: list[Row] = [
            {"_id": str(uuid.uuid4()), "state": "waiting", "priority": n % 5, "at": n, "v": 1}
            for n in range(count)
        ]
        await self._contacts.insert_many(rows)
        return rows


async def run(stage: Stage) -> list[Figure]:
    """Compare the whole of a decision, kept with its facts, with bare writes of who got whom."""
    async with mongo.connect(stage.mongo_url, "bench_g08") as database:
        router, by_hand = Router(database), ByHand(database)
        await router.open()
        await by_hand.open()
        rates = await compare(
            {
                "routing, one by one": router.one_by_one,
                "routing, in ticks": router.in_ticks,
                "compare-and-set of one document": by_hand.cas,
                "transaction of two updates": by_hand.transaction,
                "claims by 16 workers": by_hand.claims,
            }
        )
    rates.show()
    return [
        rates.figure("G8", "routing, one by one", "compare-and-set of one document", 0.5),
        rates.figure("G8", "routing, in ticks", "compare-and-set of one document", 1.5),
        rates.figure("G8", "routing, in ticks", "claims by 16 workers", 4),
    ]
