"""Routing as its own process, with a real database and a real broker."""

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.dev.ports import free_ports
from deploy.dev.processes import LOOPBACK, Child, answers_http
from libs import bus, clock, mongo, topics
from libs.events import queue, routing
from libs.events.base import AnyEvent, Event, Fact
from libs.rpc.routing.v1 import routing_pb2 as pb
from libs.rpc.routing.v1.routing_pb2_grpc import RoutingServiceStub
from libs.rpc_client import Caller, acting_for, channel
from libs.settings import Settings
from services.routing.store import MongoDecisions, MongoPools
from services.routing.tests import cases
from services.routing.tests.cases import POOL

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]
ROOT = Path(__file__).parents[3]
AGENT = "ana.maria@bank"  # a full stop in a name is a trap for documents


@pytest.fixture
async def settings(mongo_url: str, kafka_bootstrap: str) -> Settings:
    grpc_port, health_port = free_ports(2)
    settings = Settings(
        mongo_url=mongo_url,
        mongo_database_prefix=f"t{uuid.uuid4().hex[:8]}_",
        kafka_bootstrap=kafka_bootstrap,
        service_secret=uuid.uuid4().hex,
        grpc_port=grpc_port,
        health_port=health_port,
    )
    await topics.create(settings)
    return settings


def process(settings: Settings, folder: Path) -> Child:
    env = {
        "TRUNKLINE_MONGO_URL": settings.mongo_url,
        "TRUNKLINE_MONGO_DATABASE_PREFIX": settings.mongo_database_prefix,
        "TRUNKLINE_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "TRUNKLINE_SERVICE_SECRET": settings.service_secret,
        "TRUNKLINE_GRPC_PORT": str(settings.grpc_port),
        "TRUNKLINE_HEALTH_PORT": str(settings.health_port),
        "PATH": os.environ["PATH"],
    }
    return Child([sys.executable, "-m", "services.routing"], folder / "routing.log", env, ROOT)


class Ear:
    """Hears what the processes tell about one tenant."""

    def __init__(self, tenant: str) -> None:
        self.heard: list[AnyEvent] = []
        self._tenant = tenant

    @asynccontextmanager
    async def listening(self, on: bus.KafkaBus) -> AsyncIterator["Ear"]:
        async def handle(events: object) -> None:
            assert isinstance(events, list)
            self.heard += [each for each in events if each.tenant == self._tenant]

        wanted = (
            routing.AgentOffered,
            routing.ContactAssigned,
            routing.ContactReleased,
            routing.ContactWrappedUp,
        )
        task = asyncio.create_task(on.consume(f"ear-{self._tenant}", wanted, handle))
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def hears(self, kind: type[Fact]) -> AnyEvent:
        found: list[AnyEvent] = []

        def heard() -> bool:
            found[:] = [each for each in self.heard if isinstance(each.data, kind)]
            return bool(found)

        await until(heard)
        return found[0]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(40):
        while not true():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.02)


async def test_it_serves_a_contact_and_survives_being_killed(settings: Settings, tmp_path: Path) -> None:
    tenant = f"acme{uuid.uuid4().hex[:6]}"
    child = process(settings, tmp_path)
    url = f"http://{LOOPBACK}:{settings.health_port}/readyz"
    child.start()
    try:
        await asyncio.to_thread(child.await_ready, "routing", lambda: answers_http(url), 40)
        async with (
            bus.connect(settings, "/test") as the_bus,
            Ear(tenant).listening(the_bus) as ear,
            channel(f"{LOOPBACK}:{settings.grpc_port}", settings.service_secret, "test", clock.now) as line,
        ):

            async def publish(*facts: Fact) -> None:
                events = [Event(str(uuid.uuid4()), tenant, clock.now(), each, "j-1") for each in facts]
                await the_bus.publish(events)

            await publish(
                cases.service(wrap_up_s=1),
                cases.configured(AGENT),
                cases.signed_in(AGENT),
                cases.ready(AGENT),
                cases.queued("c1"),
            )
            offer = (await ear.hears(routing.AgentOffered)).data
            assert isinstance(offer, routing.AgentOffered)
            assert offer.agent_id == AGENT

            child.kill(signal.SIGKILL)
            accepted = queue.OfferAccepted(
                pool_id=POOL, contact_id="c1", agent_id=AGENT, offer_id=offer.offer_id
            )
            await publish(accepted)
            child.start()
            await ear.hears(routing.ContactAssigned)
            await publish(cases.withdrawn("c1"))
            wrapped = (await ear.hears(routing.ContactWrappedUp)).data

            assert isinstance(wrapped, routing.ContactWrappedUp)
            assert wrapped.timed_out
            names = [each.type.split(".")[2] for each in {each.id: each for each in ear.heard}.values()]
            assert names == ["agent_offered", "contact_assigned", "contact_released", "contact_wrapped_up"]
            with acting_for(Caller(tenant, "sue", frozenset({"supervisor"}))):
                answer = await RoutingServiceStub(line).ExplainAssignment(
                    pb.ExplainAssignmentRequest(interaction_id="c1"), wait_for_ready=True, timeout=20
                )
            assert [each.chosen_agent_id for each in answer.decisions] == [AGENT]
        assert child.kill(signal.SIGTERM) == 0
    finally:
        child.kill()


async def test_it_keeps_a_decision_once_and_finds_it_by_contact(settings: Settings) -> None:
    pool = cases.floor().staff("ana")
    pool.tell(cases.queued("c1"))
    pool.tell(cases.queued("c2"))
    async with mongo.connect(settings.mongo_url, settings.database_of("routing")) as database:
        decisions, pools = MongoDecisions(database, 1), MongoPools(database)
        await decisions.create_indexes()
        await pools.create_indexes()

        await decisions.keep(pool.told)
        await decisions.keep(pool.told)

        (found,) = await decisions.of_contact("acme", "c1")
        assert found.record.chosen_agent_id == "ana"
        assert await decisions.get("acme", found.record.decision_id) == found
        assert await decisions.get("other", found.record.decision_id) is None
        assert await decisions.of_contact("other", "c1") == []
        assert await pools.of_tenant("acme") == []
