"""The service on a bus and stores in memory: from session.started to dialogue_completed, twice."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from libs.apply import Apply
from libs.errors import Invalid, NotFound, Unavailable
from libs.events import interaction, ivr, session
from libs.events.base import AnyEvent, Event, Fact, Scalar
from libs.local import LocalBus, LocalStore
from libs.rpc.common.v1.common_pb2 import PageRequest
from libs.rpc.ivr.v1 import ivr_pb2 as pb
from libs.rpc_caller import Caller, acting_for
from libs.stored import Key
from services.ivr.domain import publishing
from services.ivr.domain.deciding import due
from services.ivr.domain.dialogue import Asked, Dialogue
from services.ivr.domain.publishing import FlowRecord, FlowText
from services.ivr.handlers import WANTED, Dialogues, Handler, concerned
from services.ivr.looking_up import LookUps
from services.ivr.publisher import Publisher, flows_in
from services.ivr.rpc import IvrService
from services.ivr.store import Library

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
FOLDER = Path(__file__).parents[1] / "flows"
TEXT = (FOLDER / "demo_bank.yaml").read_text("utf-8")
ADMIN = Caller("acme", "root", frozenset({"admin"}))
CONTEXT: Any = None  # no method asks anything of it


class LocalFlows(LocalStore[FlowRecord]):
    """Flows in memory."""

    async def bound(self, tenant: str, entry_points: Collection[str]) -> list[FlowRecord]:
        return [
            stored.state
            for key, stored in self.kept.items()
            if key.tenant == tenant and set(stored.state.present.entry_points) & set(entry_points)
        ]

    async def listed(self, tenant: str, after: str, limit: int) -> list[FlowRecord]:
        ids = sorted(key.id for key in self.kept if key.tenant == tenant and key.id > after)
        return [self.kept[Key(tenant, each)].state for each in ids[:limit]]


@dataclass
class Customers:
    """Knows customers by account."""

    known: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict)
    fault: Exception | None = None

    async def answer(self, tenant: str, asked: Asked, dialogue: Dialogue) -> Mapping[str, Scalar]:
        if self.fault:
            raise self.fault
        for each in dialogue.identities:
            if each.value in self.known:
                return self.known[each.value]
        raise NotFound("customer", "of this contact")


class World:
    """The whole service in memory."""

    def __init__(self, customers: Customers) -> None:
        self.now = NOON
        self.bus = LocalBus("/trunkline/ivr")
        self.store: LocalStore[Dialogue] = LocalStore("dialogues", lambda key: Dialogue(key.id), due)
        flows = LocalFlows("flows", lambda key: FlowRecord(key.id))
        texts: LocalStore[FlowText] = LocalStore("flow_texts", lambda key: FlowText(key.id))
        library = Library(flows, texts)
        self.dialogues = Dialogues(self.store, library, self.bus.publish, "/trunkline/ivr")
        apply_flow = Apply(flows, publishing.decide, self.bus.publish, "/trunkline/ivr")
        apply_text = Apply(texts, publishing.keep, self.bus.publish, "/trunkline/ivr")
        self.publisher = Publisher(flows, apply_flow, apply_text, lambda: self.now)
        self.handler = Handler(self.dialogues, library, lambda: self.now)
        self.look_ups = LookUps(self.dialogues, customers, lambda: self.now, 4)
        self.rpc = IvrService(self.store, flows, library, self.publisher, apply_flow, lambda: self.now)

    def told(self) -> list[AnyEvent]:
        return self.bus.told("trunkline.ivr")

    async def until(self, fact: type[Fact], interaction_id: str = "i-1") -> AnyEvent:
        async with asyncio.timeout(5):
            while True:
                for event in self.told():
                    if isinstance(event.data, fact) and concerned(event).id == interaction_id:
                        return event
                await asyncio.sleep(0.005)


@asynccontextmanager
async def world(customers: Customers | None = None) -> AsyncIterator[World]:
    it = World(customers or Customers())
    await it.publisher.publish_missing("acme", flows_in(FOLDER))
    jobs = [
        asyncio.create_task(it.bus.consume("ivr", WANTED, it.handler)),
        asyncio.create_task(it.look_ups.run()),
    ]
    try:
        yield it
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.wait(jobs)
        assert all(job.cancelled() for job in jobs)


def event(name: str, data: Fact, tenant: str = "acme") -> AnyEvent:
    return Event(name, tenant, NOON, data, "j-1")


def began(entry_point: str = "web-chat", account: str = "a-1", **others: str) -> session.Started:
    return session.Started.model_validate(
        {
            "session_id": "s-1",
            "interaction_id": "i-1",
            "channel": "chat",
            "entry_point": entry_point,
            "language": "en",
            "pii": {"identities": [{"kind": "account", "value": account}]},
            **others,
        }
    )


def pressed(key: str) -> interaction.InputReceived:
    return interaction.InputReceived(interaction_id="i-1", kind="key", pii=interaction.InputPii(value=key))


LI: dict[str, Scalar] = {"id": "c-1", "name": "Li", "vip_level": 0, "profile.balance": 10}


async def test_serves_a_customer_and_tells_nothing_new_when_all_is_read_again() -> None:
    async with world(Customers({"a-1": LI})) as it:
        await it.bus.publish(
            [event("e-1", began()), event("e-2", pressed("1")), event("e-3", pressed("1234"))]
        )
        done = await it.until(ivr.DialogueCompleted)
        told, kept = it.told(), dict(it.store.kept)
        it.dialogues.settled = type(it.dialogues.settled)()

        it.bus.rewind("ivr")
        await it.bus.publish([event("e-4", began("hotline").model_copy(update={"interaction_id": "i-2"}))])
        await it.until(ivr.DialogueStarted, interaction_id="i-2")

        assert isinstance(done.data, ivr.DialogueCompleted)
        assert (done.data.outcome, done.data.reason) == ("self_served", "balance")
        assert [each for each in it.told() if concerned(each).id == "i-1"] == told
        assert it.store.kept[Key("acme", "i-1")] == kept[Key("acme", "i-1")]
        assert "$" not in repr(told)


async def test_uses_the_default_flow_where_no_other_lists_the_entry_point() -> None:
    async with world() as it:
        await it.bus.publish([event("e-1", began("kiosk"))])
        done = await it.until(ivr.DialogueCompleted)

        assert isinstance(done.data, ivr.DialogueCompleted)
        assert (done.data.flow_id, done.data.queue_id) == ("direct", "service")


async def test_keeps_the_flows_of_tenants_apart() -> None:
    async with world() as it:
        await it.bus.publish([event("e-1", began(), tenant="other")])
        done = await it.until(ivr.DialogueCompleted)

        assert isinstance(done.data, ivr.DialogueCompleted)
        assert (done.tenant, done.data.outcome, done.data.reason) == ("other", "failed", "no_flow")


async def test_goes_on_when_a_look_up_fails() -> None:
    async with world(Customers(fault=Unavailable("down", "nobody there"))) as it:
        await it.bus.publish([event("e-1", began()), event("e-2", pressed("3"))])
        done = await it.until(ivr.DialogueCompleted)

        assert isinstance(done.data, ivr.DialogueCompleted)
        assert done.data.queue_id == "sales"


async def test_keeps_no_state_of_contacts_served_outside() -> None:
    async with world() as it:
        started = interaction.Started(
            interaction_id="i-1", channel="voice", entry_point="pbx", distribution="external"
        )
        left = interaction.Ended(interaction_id="i-1", by="customer")
        await it.bus.publish([event("e-1", started), event("e-2", began(distribution="external"))])
        await it.bus.publish([event("e-3", left)])
        await it.bus.publish([event("e-4", began("kiosk").model_copy(update={"interaction_id": "i-2"}))])
        await it.until(ivr.DialogueCompleted, interaction_id="i-2")

        assert set(it.store.kept) == {Key("acme", "i-2")}


async def test_hands_over_who_stays_silent() -> None:
    async with world() as it:
        await it.bus.publish([event("e-1", began())])
        await it.until(ivr.InputExpected)

        for _ in range(3):
            it.now += timedelta(seconds=61)
            assert await it.dialogues.tick(it.now) == 1

        assert isinstance(it.told()[-1].data, ivr.DialogueCompleted)
        assert await it.dialogues.tick(it.now + timedelta(days=1)) == 0


async def test_answers_about_flows_and_dialogues() -> None:
    async with world() as it:
        with acting_for(ADMIN):
            await it.bus.publish([event("e-1", began())])
            await it.until(ivr.InputExpected)
            request = pb.PublishFlowRequest(flow=pb.FlowDocument(text=TEXT), request_id="r", comment="again")
            published = [await it.rpc.PublishFlow(request, CONTEXT) for _ in range(2)]
            back = await it.rpc.RollBackFlow(
                pb.RollBackFlowRequest(flow_id="demo-bank", version=1, request_id="b"), CONTEXT
            )
            listed = await it.rpc.ListFlows(pb.ListFlowsRequest(page=PageRequest(page_size=1)), CONTEXT)
            more = await it.rpc.ListFlows(
                pb.ListFlowsRequest(page=PageRequest(page_token=listed.page.next_page_token)), CONTEXT
            )
            dialogue = (
                await it.rpc.GetDialogue(pb.GetDialogueRequest(interaction_id="i-1"), CONTEXT)
            ).dialogue
            kept = await it.rpc.GetFlow(pb.GetFlowRequest(flow_id="demo-bank", version=2), CONTEXT)

        assert [each.version for each in published] == [2, 2]
        assert back.version == 3
        assert [flow.flow_id for flow in listed.flows] == ["demo-bank"]
        assert [flow.flow_id for flow in more.flows] == ["direct"]
        assert [each.rolled_back_to for each in listed.flows[0].versions] == [0, 0, 1]
        assert (dialogue.status, dialogue.node_id, dialogue.flow_version) == (
            "waiting_for_input",
            "main_menu",
            1,
        )
        assert kept.version.comment == "again"


async def test_walks_through_a_flow_without_changing_anything() -> None:
    async with world() as it:
        answers = Struct()
        answers.update({"find_customer": {"id": "c", "name": "Ann", "vip_level": 2}})
        request = pb.TestFlowRequest(flow_id="demo-bank", inputs=["nonsense", "0"], look_ups=answers)
        with acting_for(ADMIN):
            walked = await it.rpc.TestFlow(request, CONTEXT)

        assert walked.outcome == "queued"
        assert [step.node_id for step in walked.steps][-2:] == ["person", "to_vip"]
        assert walked.variables["customer.name"] == "Ann"
        assert it.told() == []


@pytest.mark.parametrize(
    "text", ["", "nodes: []", TEXT.replace("start: find_customer", "start: gone"), "[[["], ids=str.__len__
)
async def test_refuses_to_publish_what_is_wrong(text: str) -> None:
    async with world() as it:
        with acting_for(ADMIN), pytest.raises(Invalid) as refused:
            await it.rpc.PublishFlow(pb.PublishFlowRequest(flow=pb.FlowDocument(text=text)), CONTEXT)

        assert refused.value.violations


async def test_finds_no_dialogue_of_another_tenant() -> None:
    async with world() as it:
        await it.bus.publish([event("e-1", began())])
        await it.until(ivr.InputExpected)

        with acting_for(Caller("other", "root", frozenset({"admin"}))), pytest.raises(NotFound):
            await it.rpc.GetDialogue(pb.GetDialogueRequest(interaction_id="i-1"), CONTEXT)
