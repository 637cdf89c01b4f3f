"""What the workflow service answers: commands and questions about tickets."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

from pydantic import ValidationError

from libs.apply import Apply
from libs.clock import Now
from libs.errors import Invalid, NotFound, Violation
from libs.events.base import Event, Scalar, follow_id
from libs.rpc.common.v1.common_pb2 import PageRequest, PageResponse
from libs.rpc.workflow.v1 import workflow_pb2 as pb
from libs.rpc.workflow.v1.workflow_pb2_grpc import WorkflowServiceServicer
from libs.rpc_server import Caller, Context, caller
from libs.stored import Key, Store
from libs.structs import plain_of
from services.workflow.domain import commands
from services.workflow.domain.commands import Command
from services.workflow.domain.journey import Journey
from services.workflow.domain.ticket import Ticket
from services.workflow.messages import public, ticket_message
from services.workflow.store import TicketStore, Wanted

READERS = ("agent", "supervisor", "manager", "admin", "service", "qa", "analyst")
PAGE, LARGEST_PAGE, MOST_FIELDS, LONGEST_FIELD = 50, 500, 50, 1000
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: read aloud, they are mistaken
C = TypeVar("C", bound=Command)


class WorkflowService(WorkflowServiceServicer):
    """
    Staff work on tickets; a customer sees what is public of his own, comments, reopens and confirms.

    Commands change a ticket through `apply`, so the same `request_id` again changes nothing.
    """

    def __init__(
        self, tickets: TicketStore, journeys: Store[Journey], apply: Apply[Ticket], now: Now
    ) -> None:
        self._tickets = tickets
        self._journeys = journeys
        self._apply = apply
        self._now = now

    async def OpenTicket(self, request: pb.OpenTicketRequest, context: Context) -> pb.OpenTicketResponse:
        who = caller()
        command_id = id_of(who, request.request_id, "OpenTicket")
        command = made(
            commands.Open,
            {
                "ticket_id": ticket_number(command_id),
                "by": who.subject,
                "ticket_type": request.type,
                "priority": "normal" if is_customer(who) else request.priority or "normal",
                "subject": request.subject,
                "description": request.description,
                "customer_id": who.subject if is_customer(who) else request.customer_id,
                "session_id": request.session_id,
                "interaction_id": request.interaction_id,
                "agent_id": "" if is_customer(who) else request.assignee.agent_id,
                "group": "" if is_customer(who) else request.assignee.group_id,
                "fields": fields_of(request),
            },
        )
        return pb.OpenTicketResponse(
            ticket=shown(who, await self._do(who, command, command_id, await self._journey(who, request)))
        )

    async def GetTicket(self, request: pb.GetTicketRequest, context: Context) -> pb.GetTicketResponse:
        who = caller()
        return pb.GetTicketResponse(ticket=shown(who, await self._visible(who, request.ticket_id)))

    async def ListTickets(self, request: pb.ListTicketsRequest, context: Context) -> pb.ListTicketsResponse:
        who = caller()
        page = request.page
        size = min(page.page_size, LARGEST_PAGE) if page.page_size > 0 else PAGE
        wanted = Wanted(
            statuses=tuple(request.statuses),
            agent_id=request.agent_id,
            group_id=request.group_id,
            customer_id=who.subject if is_customer(who) else request.customer_id,
            session_id=request.session_id,
            type=request.type,
            overdue_only=request.overdue_only,
            after=after_of(page),
        )
        found = await self._tickets.search(who.tenant, wanted, size + 1)
        more = token_of(found[size - 1]) if len(found) > size else ""
        return pb.ListTicketsResponse(
            tickets=[shown(who, each, brief=True) for each in found[:size]],
            page=PageResponse(next_page_token=more),
        )

    async def AssignTicket(
        self, request: pb.AssignTicketRequest, context: Context
    ) -> pb.AssignTicketResponse:
        who = caller()
        fields = {"agent_id": request.assignee.agent_id, "group": request.assignee.group_id}
        ticket = await self._command(who, commands.Assign, request, {**fields, "note": request.note})
        return pb.AssignTicketResponse(ticket=ticket)

    async def CommentTicket(
        self, request: pb.CommentTicketRequest, context: Context
    ) -> pb.CommentTicketResponse:
        who = caller()
        if not request.text.strip():
            raise Invalid(Violation("text", "is empty"))
        fields = {"text": request.text, "public": request.public, "by_customer": is_customer(who)}
        return pb.CommentTicketResponse(ticket=await self._command(who, commands.Comment, request, fields))

    async def ResolveTicket(
        self, request: pb.ResolveTicketRequest, context: Context
    ) -> pb.ResolveTicketResponse:
        fields = {"resolution": request.resolution}
        ticket = await self._command(caller(), commands.Resolve, request, fields)
        return pb.ResolveTicketResponse(ticket=ticket)

    async def ReopenTicket(
        self, request: pb.ReopenTicketRequest, context: Context
    ) -> pb.ReopenTicketResponse:
        who = caller()
        ticket = await self._command(who, commands.Reopen, request, {"reason": request.reason})
        return pb.ReopenTicketResponse(ticket=ticket)

    async def CloseTicket(self, request: pb.CloseTicketRequest, context: Context) -> pb.CloseTicketResponse:
        who = caller()
        fields = {"confirmed_by_customer": request.confirmed_by_customer or is_customer(who)}
        return pb.CloseTicketResponse(ticket=await self._command(who, commands.Close, request, fields))

    async def EscalateTicket(
        self, request: pb.EscalateTicketRequest, context: Context
    ) -> pb.EscalateTicketResponse:
        fields = {
            "reason": request.reason,
            "agent_id": request.assignee.agent_id,
            "group": request.assignee.group_id,
        }
        ticket = await self._command(caller(), commands.Escalate, request, fields)
        return pb.EscalateTicketResponse(ticket=ticket)

    async def _command(
        self, who: Caller, kind: type[Command], request: Any, fields: Mapping[str, object]
    ) -> pb.Ticket:
        """Do what is asked of a ticket that is there, and return it as the caller may see it."""
        await self._visible(who, request.ticket_id)
        expected = request.expected_version if request.HasField("expected_version") else None
        command = made(
            kind,
            {"ticket_id": request.ticket_id, "by": who.subject, "expected_version": expected, **fields},
        )
        return shown(who, await self._do(who, command, id_of(who, request.request_id, kind.type)))

    async def _journey(self, who: Caller, request: pb.OpenTicketRequest) -> str:
        """Return the journey of the session that the ticket comes from, "" where none is known."""
        key = Key(who.tenant, request.session_id)
        stored = (await self._journeys.load([key])).get(key) if request.session_id else None
        return stored.state.journey_id if stored else ""

    async def _do(self, who: Caller, command: Command, command_id: str, journey_id: str = "") -> Ticket:
        key = Key(who.tenant, command.ticket_id)
        now = self._now()
        event = Event(command_id, who.tenant, now, command, journey_id)
        return (await self._apply([(key, event)], now))[key].state

    async def _visible(self, who: Caller, ticket_id: str) -> Ticket:
        """Return the ticket. :raises NotFound: there is none, or it is another customer's."""
        key = Key(who.tenant, ticket_id)
        stored = (await self._tickets.load([key])).get(key)
        if stored is None or (is_customer(who) and stored.state.customer_id != who.subject):
            raise NotFound("ticket", ticket_id)
        return stored.state


def is_customer(who: Caller) -> bool:
    return who.roles.isdisjoint(READERS)


def shown(who: Caller, ticket: Ticket, *, brief: bool = False) -> pb.Ticket:
    """Return a ticket as the caller may see it; `brief` without comments and history."""
    return ticket_message(public(ticket) if is_customer(who) else ticket, brief=brief)


def id_of(who: Caller, request_id: str, method: str) -> str:
    """Return the id of a command: the same for the same request."""
    return follow_id(f"{who.tenant}/{request_id}", method) if request_id else str(uuid4())


def ticket_number(command_id: str) -> str:
    """Return a number of 60 bits that follows from the command and can be read aloud: T-1A2B-3C4D-5E6F."""
    number = UUID(follow_id(command_id, "ticket")).int
    letters = [_LETTERS[number >> 5 * place & 31] for place in range(12)]
    return "T-" + "-".join("".join(letters[place : place + 4]) for place in (0, 4, 8))


def made(kind: type[C], fields: Mapping[str, object]) -> C:
    """Return the command. :raises Invalid: naming each field that is wrong."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise Invalid(
            *(
                Violation(".".join(map(str, each["loc"])), each["msg"])
                for each in error.errors(include_input=False, include_url=False)
            )
        ) from None


def fields_of(request: pb.OpenTicketRequest) -> dict[str, Scalar]:
    try:
        fields = plain_of(request.fields)
    except ValueError as error:
        raise Invalid(Violation("fields", str(error))) from error
    if len(fields) > MOST_FIELDS:
        raise Invalid(Violation("fields", f"are more than {MOST_FIELDS}"))
    for name, value in fields.items():
        if isinstance(value, dict | list) or len(str(value)) > LONGEST_FIELD or len(name) > 64:
            raise Invalid(Violation(f"fields.{name[:64]}", f"takes one value of {LONGEST_FIELD} characters"))
    return dict(fields)


def token_of(last: Ticket) -> str:
    assert last.resolution_due is not None, "every ticket that was opened is due"
    return urlsafe_b64encode(json.dumps([last.resolution_due.isoformat(), last.ticket_id]).encode()).decode()


def after_of(page: PageRequest) -> tuple[datetime, str] | None:
    if not page.page_token:
        return None
    try:
        due_at, ticket_id = json.loads(urlsafe_b64decode(page.page_token.encode()))
        time = datetime.fromisoformat(due_at)
        if time.tzinfo is None:
            raise ValueError("no offset")
        return time, str(ticket_id)
    except (ValueError, TypeError) as error:
        raise Invalid(Violation("page.page_token", "is none of ours")) from error
