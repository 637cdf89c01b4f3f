"""Routing on a bus in memory: events in, facts out, each once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import pytest
from pydantic import TypeAdapter

from libs import clock
from libs.events import queue, routing
from libs.events.base import AnyEvent, Event, Fact
from libs.local import LocalBus
from libs.service import keep_time
from libs.stored import Key
from services.routing.domain.model import Pool
from services.routing.handlers import GROUP, WANTED, Matching, handler, teller
from services.routing.tests import cases
from services.routing.tests.cases import POOL
from services.routing.tests.places import LocalDecisions, LocalPools

TOPICS = ("trunkline.routing", "trunkline.agent")


class Town:
    """The service on a bus in memory, with a clock that the test moves."""

    def __init__(self) -> None:
        self.bus, self.pools, self.decisions = LocalBus(), LocalPools(), LocalDecisions()
        self.time = clock.now()
        self.matching = Matching(self.pools, teller(self.bus, self.decisions))
        self.count = 0

    def now(self) -> datetime:
        return self.time

    async def publish(self, *facts: Fact, tenant: str = "acme") -> None:
        events = []
        for data in facts:
            self.count += 1
            events.append(Event(f"e-{self.count}", tenant, self.time, data, "j-1"))
        await self.bus.publish(events)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Let the service run."""
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(
                self.bus.consume(
                    GROUP,
                    WANTED,
                    handler(self.matching, self.now),
                    keeps_dead_letters_of=("trunkline.queue",),
                )
            )
            timing = group.create_task(keep_time([self.matching], self.now, 0.01))
            try:
                yield
            finally:
                for task in (reading, timing):
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task

    def told(self, kind: type[Fact]) -> list[AnyEvent]:
        return [each for each in self.bus.told(kind.topic()) if isinstance(each.data, kind)]

    async def hears(self, kind: type[Fact], count: int = 1) -> list[AnyEvent]:
        await until(lambda: len(self.told(kind)) >= count)
        return self.told(kind)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)


def staffed(*agents: str) -> list[Fact]:
    facts: list[Fact] = [cases.service()]
    for agent_id in agents:
        facts += [cases.configured(agent_id), cases.signed_in(agent_id), cases.ready(agent_id)]
    return facts


async def test_it_takes_a_contact_from_the_queue_to_its_end() -> None:
    town = Town()
    async with town.open():
        await town.publish(*staffed("ana"), cases.queued("c1"))
        (event,) = await town.hears(routing.AgentOffered)
        offer = event.data
        assert isinstance(offer, routing.AgentOffered)
        town.time += timedelta(seconds=3)
        accepted = queue.OfferAccepted(pool_id=POOL, contact_id="c1", agent_id="ana", offer_id=offer.offer_id)
        await town.publish(accepted)
        await town.hears(routing.ContactAssigned)
        town.time += timedelta(seconds=60)
        await town.publish(cases.withdrawn("c1"))
        await town.hears(routing.ContactReleased)
        town.time += timedelta(seconds=61)
        (wrapped,) = await town.hears(routing.ContactWrappedUp)

    assert isinstance(wrapped.data, routing.ContactWrappedUp)
    assert (wrapped.data.timed_out, wrapped.journey_id) == (True, "j-1")
    assert [each.sequence for each in town.bus.told("trunkline.routing")] == sorted(
        each.sequence for each in town.bus.told("trunkline.routing")
    )
    assert {each.source for each in town.bus.told("trunkline.routing")} == {"/trunkline/routing/pools"}
    (record,) = await town.decisions.of_contact("acme", "c1")
    assert record.record.chosen_agent_id == "ana"


async def test_it_lets_an_offer_expire_by_time_alone() -> None:
    town = Town()
    async with town.open():
        await town.publish(*staffed("ana"), cases.queued("c1"))
        await town.hears(routing.AgentOffered)
        town.time += timedelta(seconds=15)
        await town.hears(routing.OfferExpired)

    assert isinstance(town.told(routing.ContactRequeued)[0].data, routing.ContactRequeued)


async def test_it_changes_and_tells_nothing_when_everything_comes_again() -> None:
    town = Town()
    async with town.open():
        contacts = [cases.queued(f"c{number}") for number in range(5)]
        await town.publish(*staffed("ana", "bob"), *contacts, cases.withdrawn("c1"), cases.signed_out("bob"))
        await town.hears(routing.ContactAbandoned)
        await until(lambda: town.pools.kept[Key("acme", POOL)].state.agents["bob"].signed_in is False)
    before = town.pools.kept[Key("acme", POOL)].state
    ids = {topic: [each.id for each in town.bus.told(topic)] for topic in TOPICS}
    decided = dict(town.decisions.kept)
    assert len(ids["trunkline.routing"]) == len(set(ids["trunkline.routing"]))

    town.bus.rewind(GROUP)
    town.time += timedelta(seconds=1)
    async with town.open():
        await town.publish(cases.configured("zoe"))
        await until(lambda: "zoe" in town.pools.kept[Key("acme", POOL)].state.agents)

    after = town.pools.kept[Key("acme", POOL)].state
    assert (after.contacts, after.finished, after.queues) == (before.contacts, before.finished, before.queues)
    assert {key: each for key, each in after.agents.items() if key != "zoe"} == before.agents
    assert {each.id for each in town.bus.told("trunkline.routing")} == set(ids["trunkline.routing"])
    assert town.decisions.kept == decided


async def test_it_tells_again_what_it_could_not_tell() -> None:
    town = Town()
    refusals = 1

    async def tell(events: Sequence[AnyEvent]) -> None:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise ConnectionError("the process dies here")
        await town.bus.publish(events)

    events = [Event(f"x-{place}", "acme", town.time, each, "j") for place, each in enumerate(staffed("ana"))]
    events.append(Event("x-c1", "acme", town.time, cases.queued("c1"), "j"))
    with pytest.raises(ConnectionError):
        await handler(Matching(town.pools, tell), town.now)(events)

    successor = Matching(town.pools, tell)
    await handler(successor, town.now)(events)

    assert len(town.told(routing.AgentOffered)) == 1
    assert town.pools.kept[Key("acme", POOL)].version == 1


async def test_it_keeps_tenants_apart() -> None:
    town = Town()
    async with town.open():
        await town.publish(*staffed("ana"), tenant="acme")
        await town.publish(cases.service(), cases.queued("c1"), tenant="other")
        await town.hears(routing.DecisionRecorded)

    assert town.told(routing.AgentOffered) == []
    assert town.pools.kept[Key("acme", POOL)].state.contacts == {}
    assert set(town.pools.kept[Key("other", POOL)].state.contacts) == {"c1"}


def test_it_reads_a_pool_back_as_it_was_written() -> None:
    floor = cases.floor(cases.service(needs=(cases.hard("zh", 2),))).staff(ana={"zh": 3}, bob={"zh": 5})
    floor.tell(cases.queued("c1", needs=(cases.soft("card", 2),), prefers="ana", for_s=9))
    floor.accept("c1", 3)
    floor.tell(cases.queued("c2"), 4)
    floor.tell(cases.queued("c3"), 5)
    floor.tell(cases.withdrawn("gone"), 6)
    adapter = TypeAdapter(Pool)

    assert adapter.validate_python(adapter.dump_python(floor.pool)) == floor.pool
    assert adapter.validate_json(adapter.dump_json(floor.pool)) == floor.pool
