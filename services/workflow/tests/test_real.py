"""The service as it is run: its own process, a real database, a real broker, real calls."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest

from deploy.dev.ports import free_ports
from libs import bus, rpc_client, topics
from libs.errors import Conflict, NotFound, Refused
from libs.events import ivr, workflow
from libs.events.base import AnyEvent, Event
from libs.rpc.common.v1.common_pb2 import PageRequest
from libs.rpc.workflow.v1 import workflow_pb2 as pb
from libs.rpc.workflow.v1.workflow_pb2_grpc import WorkflowServiceStub
from libs.rpc_caller import Caller, acting_for
from libs.settings import Settings

SECRET = "a secret that only these tests know"
ANA = Caller("acme", "ana", frozenset({"agent"}))
pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


@pytest.fixture
def settings(mongo_url: str, kafka_bootstrap: str) -> Settings:
    grpc_port, health_port = free_ports(2)
    return Settings(
        mongo_url=mongo_url,
        kafka_bootstrap=kafka_bootstrap,
        service_secret=SECRET,
        grpc_port=grpc_port,
        health_port=health_port,
        mongo_database_prefix=f"test{grpc_port}_",
        workflow_address=f"127.0.0.1:{grpc_port}",
    )


@pytest.fixture
def running(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    asyncio.run(topics.create(settings))
    env = os.environ | {
        "TRUNKLINE_MONGO_URL": settings.mongo_url,
        "TRUNKLINE_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "TRUNKLINE_SERVICE_SECRET": SECRET,
        "TRUNKLINE_GRPC_PORT": str(settings.grpc_port),
        "TRUNKLINE_HEALTH_PORT": str(settings.health_port),
        "TRUNKLINE_MONGO_DATABASE_PREFIX": settings.mongo_database_prefix,
    }
    process = subprocess.Popen([sys.executable, "-m", "services.workflow"], env=env)
    yield process
    process.terminate()
    assert process.wait(20) == 0


async def test_opens_tickets_from_the_bus_and_by_call_and_keeps_them_in_order(
    settings: Settings, running: subprocess.Popen[bytes]
) -> None:
    requested = ivr.TicketRequested(
        session_id="s-1",
        interaction_id="i-1",
        ticket_id="T-1",
        ticket_type="card_loss",
        priority="urgent",
        subject="Lost card",
        customer_id="c-1",
    )
    time = datetime.now(UTC).replace(microsecond=0)
    told: list[AnyEvent] = []
    done = asyncio.Event()

    async def take(events: Sequence[AnyEvent]) -> None:
        told.extend(events)
        if len(told) >= 4:
            done.set()

    async with (
        rpc_client.channel(settings.workflow_address, SECRET, "test", lambda: datetime.now(UTC)) as channel,
        bus.connect(settings, "/trunkline/ivr") as the_bus,
    ):
        stub = WorkflowServiceStub(channel)
        await the_bus.publish([Event("e-1", "acme", time, requested, "journey-1")])
        wanted = (workflow.TicketOpened, workflow.TicketAssigned, workflow.TicketResolved)
        reading = asyncio.create_task(the_bus.consume(f"test-{settings.grpc_port}", wanted, take))
        try:
            with acting_for(ANA):
                opening = pb.OpenTicketRequest(
                    type="question", subject="Why?", request_id="r-1", priority="low"
                )
                opened = (await stub.OpenTicket(opening, timeout=30, wait_for_ready=True)).ticket
                again = (await stub.OpenTicket(opening)).ticket
                assign = pb.AssignTicketRequest(
                    ticket_id=opened.ticket_id, assignee=pb.Assignee(agent_id="bob"), expected_version=1
                )
                assigned = (await stub.AssignTicket(assign)).ticket
                with pytest.raises(Conflict):
                    await stub.AssignTicket(assign)
                with pytest.raises(Refused):
                    await stub.CloseTicket(pb.CloseTicketRequest(ticket_id=opened.ticket_id))
                with pytest.raises(NotFound):
                    await stub.GetTicket(pb.GetTicketRequest(ticket_id="T-0"))
                resolve = pb.ResolveTicketRequest(ticket_id=opened.ticket_id, resolution="Because.")
                await stub.ResolveTicket(resolve)
                async with asyncio.timeout(40):
                    await done.wait()
                first = await stub.ListTickets(pb.ListTicketsRequest(page=PageRequest(page_size=1)))
                token = first.page.next_page_token
                second = await stub.ListTickets(pb.ListTicketsRequest(page=PageRequest(page_token=token)))
        finally:
            reading.cancel()
            await asyncio.wait({reading})

    assert opened == again
    assert (assigned.status, assigned.version) == ("assigned", 2)
    assert [each.ticket_id for each in (*first.tickets, *second.tickets)] == ["T-1", opened.ticket_id]
    by_call = [each for each in told if each.key == opened.ticket_id]
    assert [type(each.data) for each in by_call] == [*wanted]
    assert [each.sequence for each in by_call] == [1, 2, 3]
    assert {each.journey_id for each in told if each.key == "T-1"} == {"journey-1"}
