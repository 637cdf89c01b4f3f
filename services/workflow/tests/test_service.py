"""The service on a bus and stores in memory: requests, commands, pages, what customers see."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from libs.apply import Apply
from libs.errors import Conflict, Invalid, NotFound, Refused
from libs.events import ivr, session, workflow
from libs.events.base import AnyEvent, Event, Fact
from libs.local import LocalBus, LocalStore
from libs.rpc.common.v1.common_pb2 import PageRequest
from libs.rpc.workflow.v1 import workflow_pb2 as pb
from libs.rpc_caller import Caller, acting_for
from libs.stored import Key
from services.workflow.domain import journey
from services.workflow.domain.deciding import decide
from services.workflow.domain.journey import Journey
from services.workflow.domain.ticket import Ticket, due
from services.workflow.handlers import WANTED, handler
from services.workflow.rpc import WorkflowService
from services.workflow.settings import POLICY_FILE, policy_in
from services.workflow.store import Wanted, index

NINE = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
ANA = Caller("acme", "ana", frozenset({"agent"}))
CUSTOMER = Caller("acme", "c-1", frozenset({"customer"}))
CONTEXT: Any = None  # no method asks anything of it
SOURCE = "/trunkline/workflow"


class LocalTickets(LocalStore[Ticket]):
    """Tickets in memory."""

    async def search(self, tenant: str, wanted: Wanted, limit: int) -> list[Ticket]:
        exact = ("agent_id", "group_id", "customer_id", "session_id", "type")
        found = []
        for key, stored in self.kept.items():
            fields = index(stored.state)
            if (
                key.tenant == tenant
                and all(fields[name] == getattr(wanted, name) for name in exact if getattr(wanted, name))
                and (not wanted.statuses or fields["status"] in wanted.statuses)
                and (not wanted.overdue_only or fields["overdue"])
                and (wanted.after is None or (fields["due"], fields["id"]) > wanted.after)
            ):
                found.append(stored.state)
        return sorted(found, key=lambda each: (index(each)["due"], each.ticket_id))[:limit]


class World:
    """The whole service in memory."""

    def __init__(self) -> None:
        self.now = NINE
        self.bus = LocalBus(SOURCE)
        self.store = LocalTickets("tickets", lambda key: Ticket(key.id), due)
        journeys: LocalStore[Journey] = LocalStore("journeys", lambda key: Journey(key.id))
        decide_so = partial(decide, policy=policy_in(POLICY_FILE))
        self.apply = Apply(self.store, decide_so, self.bus.publish, SOURCE)
        note = Apply(journeys, journey.note, self.bus.publish, SOURCE)
        self.handler = handler(self.apply, note, lambda: self.now)
        self.rpc = WorkflowService(self.store, journeys, self.apply, lambda: self.now)

    def told(self) -> list[str]:
        return [type(event.data).__name__ for event in self.bus.told("trunkline.workflow")]

    async def open(self, **fields: Any) -> pb.Ticket:
        request = pb.OpenTicketRequest(
            **{"type": "question", "subject": "Why?", "customer_id": "c-1", **fields}
        )
        with acting_for(ANA):
            return (await self.rpc.OpenTicket(request, CONTEXT)).ticket


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    it = World()
    job = asyncio.create_task(it.bus.consume("workflow", WANTED, it.handler))
    try:
        yield it
    finally:
        job.cancel()
        await asyncio.wait({job})
        assert job.cancelled()


async def eventually(count: int, it: World) -> None:
    async with asyncio.timeout(5):
        while len(it.told()) < count:  # noqa: ASYNC110 - the bus in memory has nobody to say so
            await asyncio.sleep(0.005)


def event(name: str, data: Fact) -> AnyEvent:
    return Event(name, "acme", NINE, data, "j-1")


REQUESTED = ivr.TicketRequested(
    session_id="s-1",
    interaction_id="i-1",
    ticket_id="T-1",
    ticket_type="card_loss",
    priority="urgent",
    subject="Lost card",
    customer_id="c-1",
)


async def test_opens_what_self_service_asks_for_and_nothing_more_when_all_is_read_again() -> None:
    async with world() as it:
        await it.bus.publish([event("e-1", REQUESTED)])
        await eventually(1, it)
        kept = it.store.kept[Key("acme", "T-1")]

        it.bus.rewind("workflow")
        await it.bus.publish([event("e-2", REQUESTED.model_copy(update={"ticket_id": "T-2"}))])
        await eventually(2, it)

        assert it.store.kept[Key("acme", "T-1")] == kept
        assert it.told() == ["TicketOpened", "TicketOpened"]
        assert {each.journey_id for each in it.bus.told("trunkline.workflow")} == {"j-1"}


async def test_tells_a_ticket_in_the_journey_of_its_session() -> None:
    async with world() as it:
        started = session.Started(session_id="s-1", interaction_id="i-1", channel="chat", entry_point="web")
        await it.bus.publish([event("e-1", started), event("e-2", REQUESTED)])
        await eventually(1, it)

        await it.open(session_id="s-1")

        assert [each.journey_id for each in it.bus.told("trunkline.workflow")] == ["j-1", "j-1"]


async def test_does_every_command_once_by_request_id() -> None:
    async with world() as it:
        opened = await it.open(request_id="r-1")
        again = await it.open(request_id="r-1")
        with acting_for(ANA):
            ask: dict[str, Any] = {"ticket_id": opened.ticket_id, "request_id": "r-2"}
            assignee = pb.Assignee(agent_id="bob")
            answers = [
                (await it.rpc.AssignTicket(pb.AssignTicketRequest(**ask, assignee=assignee), CONTEXT)).ticket,
                (await it.rpc.AssignTicket(pb.AssignTicketRequest(**ask, assignee=assignee), CONTEXT)).ticket,
                (await it.rpc.CommentTicket(pb.CommentTicketRequest(**ask, text="Hm"), CONTEXT)).ticket,
                (
                    await it.rpc.EscalateTicket(pb.EscalateTicketRequest(**ask, reason="angry"), CONTEXT)
                ).ticket,
                (await it.rpc.ResolveTicket(pb.ResolveTicketRequest(**ask, resolution="So"), CONTEXT)).ticket,
                (await it.rpc.CloseTicket(pb.CloseTicketRequest(**ask), CONTEXT)).ticket,
                (await it.rpc.CloseTicket(pb.CloseTicketRequest(**ask), CONTEXT)).ticket,
                (await it.rpc.ReopenTicket(pb.ReopenTicketRequest(**ask), CONTEXT)).ticket,
            ]

        assert opened == again
        assert [each.version for each in answers] == [2, 2, 3, 4, 5, 6, 6, 7]
        assert answers[-1].status == "assigned"
        assert [each.what for each in answers[-1].history] == [
            "opened", "assigned", "commented", "escalated", "resolved", "closed", "reopened",
        ]  # fmt: skip
        assert len(it.told()) == 7


async def test_refuses_and_changes_nothing() -> None:
    async with world() as it:
        ticket_id = (await it.open()).ticket_id
        kept = dict(it.store.kept)
        with acting_for(ANA):
            with pytest.raises(Refused):
                await it.rpc.CloseTicket(pb.CloseTicketRequest(ticket_id=ticket_id), CONTEXT)
            with pytest.raises(Conflict):
                await it.rpc.ResolveTicket(
                    pb.ResolveTicketRequest(ticket_id=ticket_id, expected_version=7), CONTEXT
                )
            with pytest.raises(NotFound):
                await it.rpc.GetTicket(pb.GetTicketRequest(ticket_id="T-0"), CONTEXT)
            with pytest.raises(Invalid):
                await it.rpc.CommentTicket(pb.CommentTicketRequest(ticket_id=ticket_id, text=" "), CONTEXT)
            with pytest.raises(Invalid):
                await it.rpc.AssignTicket(pb.AssignTicketRequest(ticket_id=ticket_id), CONTEXT)
        with acting_for(Caller("other", "ana", frozenset({"agent"}))), pytest.raises(NotFound):
            await it.rpc.GetTicket(pb.GetTicketRequest(ticket_id=ticket_id), CONTEXT)

        assert it.store.kept == kept


def deep_fields() -> Struct:
    fields = Struct()
    fields.update({"a": {"b": 1}})
    return fields


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"type": ""}, "ticket_type"),
        ({"priority": "asap"}, "priority"),
        ({"subject": "x" * 300}, "subject"),
        ({"customer_id": "a/b"}, "customer_id"),
        ({"fields": deep_fields()}, "fields.a"),
    ],
)
async def test_names_the_field_that_is_wrong(fields: dict[str, Any], names: str) -> None:
    async with world() as it:
        with pytest.raises(Invalid) as refused:
            await it.open(**fields)

        assert [each.field for each in refused.value.violations] == [names]
        assert it.told() == []


async def test_lists_page_by_page_what_is_due_first() -> None:
    async with world() as it:
        for number, priority in enumerate(["low", "urgent", "normal", "urgent", "high"]):
            await it.open(request_id=f"r-{number}", priority=priority)
        pages: list[list[str]] = []
        token = ""
        with acting_for(ANA):
            while not pages or token:
                request = pb.ListTicketsRequest(page=PageRequest(page_size=2, page_token=token))
                answer = await it.rpc.ListTickets(request, CONTEXT)
                pages.append([each.priority for each in answer.tickets])
                token = answer.page.next_page_token
            with pytest.raises(Invalid):
                await it.rpc.ListTickets(pb.ListTicketsRequest(page=PageRequest(page_token="x")), CONTEXT)

        assert pages == [["urgent", "urgent"], ["high", "normal"], ["low"]]


async def test_escalates_by_the_clock_and_lists_what_is_overdue() -> None:
    async with world() as it:
        await it.open(priority="urgent")
        await it.open(priority="low")

        it.now += timedelta(hours=6)
        assert await it.apply.tick(it.now) == 2
        assert await it.apply.tick(it.now) == 0
        with acting_for(ANA):
            late = (await it.rpc.ListTickets(pb.ListTicketsRequest(overdue_only=True), CONTEXT)).tickets

        assert [(each.priority, each.overdue, each.escalation_level) for each in late] == [
            ("urgent", True, 1),
            ("low", True, 0),  # only its first response is
        ]
        assert it.told().count("TicketEscalated") == 1


async def test_shows_a_customer_what_is_public_of_his_own_tickets() -> None:
    async with world() as it:
        mine = (await it.open(assignee=pb.Assignee(agent_id="bob"))).ticket_id
        other = (await it.open(customer_id="c-2")).ticket_id
        with acting_for(ANA):
            for text, public in (("He is angry", False), ("We are on it", True)):
                await it.rpc.CommentTicket(
                    pb.CommentTicketRequest(ticket_id=mine, text=text, public=public), CONTEXT
                )
        with acting_for(CUSTOMER):
            seen = (await it.rpc.GetTicket(pb.GetTicketRequest(ticket_id=mine), CONTEXT)).ticket
            listed = (await it.rpc.ListTickets(pb.ListTicketsRequest(customer_id="c-2"), CONTEXT)).tickets
            answered = pb.CommentTicketRequest(ticket_id=mine, text="Thank you")
            after = (await it.rpc.CommentTicket(answered, CONTEXT)).ticket
            with pytest.raises(NotFound):
                await it.rpc.GetTicket(pb.GetTicketRequest(ticket_id=other), CONTEXT)

        assert (seen.status, seen.assignee.agent_id, [each.text for each in seen.comments]) == (
            "waiting",
            "",
            ["We are on it"],
        )
        assert "angry" not in str(seen)
        assert [each.ticket_id for each in listed] == [mine]
        assert after.status == "assigned"


async def test_tells_personal_data_only_where_it_belongs() -> None:
    async with world() as it:
        await it.open(subject="Ann Lee", description="calls from 555-0100")

        (opened,) = it.bus.told("trunkline.workflow")
        assert isinstance(opened.data, workflow.TicketOpened)
        plain = opened.data.model_dump_json(exclude={"pii"})
        assert opened.data.pii.subject == "Ann Lee"
        assert "Ann" not in plain
        assert "555" not in plain
