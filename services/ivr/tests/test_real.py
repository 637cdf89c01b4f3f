"""The service as it is run: its own process, a real database, a real broker, real calls."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict

from deploy.dev.ports import free_ports
from libs import bus, rpc_client, topics
from libs.errors import Invalid, NotFound
from libs.events import interaction, ivr, session
from libs.events.base import AnyEvent, Event, Fact
from libs.rpc.ivr.v1 import ivr_pb2 as pb
from libs.rpc.ivr.v1.ivr_pb2_grpc import IvrServiceStub
from libs.rpc_caller import Caller, acting_for
from libs.settings import Settings

SECRET = "a secret that only these tests know"
ADMIN = Caller("acme", "root", frozenset({"admin"}))
FLOWS = Path(__file__).parents[1] / "flows"
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
        ivr_address=f"127.0.0.1:{grpc_port}",
    )


@pytest.fixture
def running(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """Run the service, with nobody to look customers up."""
    asyncio.run(topics.create(settings))
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    env = os.environ | {
        "TRUNKLINE_MONGO_URL": settings.mongo_url,
        "TRUNKLINE_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "TRUNKLINE_SERVICE_SECRET": SECRET,
        "TRUNKLINE_GRPC_PORT": str(settings.grpc_port),
        "TRUNKLINE_HEALTH_PORT": str(settings.health_port),
        "TRUNKLINE_MONGO_DATABASE_PREFIX": settings.mongo_database_prefix,
        "TRUNKLINE_CRM_CONTEXT_ADDRESS": nobody,
        "TRUNKLINE_WORKFLOW_ADDRESS": nobody,
    }
    process = subprocess.Popen([sys.executable, "-m", "services.ivr"], env=env)
    yield process
    process.terminate()
    assert process.wait(20) == 0


def event(name: str, data: Fact) -> AnyEvent:
    time = datetime.now(UTC).replace(microsecond=0)
    return Event(name, "acme", time, data, "journey-1")


async def told_by_ivr(settings: Settings, the_bus: bus.KafkaBus, until: type[Fact]) -> list[AnyEvent]:
    """Return what ivr has told, once it has told `until`."""
    told: list[AnyEvent] = []
    done = asyncio.Event()

    async def take(events: object) -> None:
        assert isinstance(events, list | tuple)
        told.extend(events)
        if any(isinstance(each.data, until) for each in told):
            done.set()

    wanted = (ivr.DialogueStarted, ivr.PromptRequested, ivr.InputExpected, ivr.DialogueCompleted)
    reading = asyncio.create_task(the_bus.consume(f"test-{settings.grpc_port}", wanted, take))
    try:
        async with asyncio.timeout(40):
            await done.wait()
    finally:
        reading.cancel()
        await asyncio.wait({reading})
    return told


async def test_publishes_a_flow_and_leads_a_customer_through_it(
    settings: Settings, running: subprocess.Popen[bytes]
) -> None:
    began = session.Started(
        session_id="s-1", interaction_id="i-1", channel="chat", entry_point="web-chat", language="en"
    )
    pressed = interaction.InputReceived(interaction_id="i-1", kind="key", pii=interaction.InputPii(value="3"))
    address = settings.ivr_address
    async with (
        rpc_client.channel(address, SECRET, "test", lambda: datetime.now(UTC)) as channel,
        bus.connect(settings, "/trunkline/session") as the_bus,
    ):
        stub = IvrServiceStub(channel)
        with acting_for(ADMIN):
            document = pb.FlowDocument(text=(FLOWS / "demo_bank.yaml").read_text("utf-8"))
            request = pb.PublishFlowRequest(flow=document, request_id="r-1", expected_version=0)
            published = await stub.PublishFlow(request, timeout=30, wait_for_ready=True)
            again = await stub.PublishFlow(request)
            await the_bus.publish([event("e-1", began), event("e-2", pressed)])

            told = await told_by_ivr(settings, the_bus, ivr.DialogueCompleted)
            dialogue = (await stub.GetDialogue(pb.GetDialogueRequest(interaction_id="i-1"))).dialogue
            kept = await stub.GetFlow(pb.GetFlowRequest(flow_id="demo-bank"))
            with pytest.raises(NotFound):
                await stub.GetDialogue(pb.GetDialogueRequest(interaction_id="i-9"))
            with pytest.raises(Invalid):
                await stub.PublishFlow(pb.PublishFlowRequest(flow=pb.FlowDocument(text="start: nowhere")))

    assert (published.version, again.version) == (1, 1)
    assert isinstance(told[0].data, ivr.DialogueStarted)
    assert {each.journey_id for each in told} == {"journey-1"}
    assert [each.sequence for each in told] == sorted({each.sequence for each in told})
    last = told[-1].data
    assert isinstance(last, ivr.DialogueCompleted)
    assert (last.outcome, last.queue_id, last.flow_version) == ("queue", "sales", 1)
    assert (dialogue.status, dialogue.outcome, dialogue.session_id) == ("completed", "queued", "s-1")
    assert MessageToDict(kept.document)["start"] == "find_customer"
