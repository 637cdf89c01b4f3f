"""Tickets: opened, given to somebody, talked about, resolved, taken up again, closed."""

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from gateway.asking import Ask, Cursor, Limit, Name, NameQuery, answer
from gateway.openapi import body, gives
from gateway.rest import router
from libs.rpc.workflow.v1 import workflow_pb2 as pb
from libs.structs import struct_of

routes = router("tickets")
ShortText = Annotated[str, Field(max_length=256)]
LongText = Annotated[str, Field(max_length=16_384)]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:@+=~-]{0,128}$")]


class AssigneeBody(BaseModel):
    """An agent or a group."""

    model_config = body(agent_id="agent1")
    agent_id: Id = ""
    group_id: Id = ""

    def message(self) -> pb.Assignee:
        return pb.Assignee(agent_id=self.agent_id, group_id=self.group_id)


class OpenBody(BaseModel):
    """The ticket to open."""

    model_config = body(
        type="question",
        priority="normal",
        subject="Call back",
        description="About the loan.",
        customer_id="cu-1001",
        interaction_id="in-1001",
    )
    type: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:@+=~-]{1,128}$")]
    priority: Literal["", "low", "normal", "high", "urgent"] = ""
    subject: ShortText = ""
    description: LongText = ""
    customer_id: Id = ""
    session_id: Id = ""
    interaction_id: Id = ""
    assignee: AssigneeBody | None = None
    fields: dict[str, Any] = {}


class AssignBody(BaseModel):
    """Who shall have the ticket."""

    model_config = body(assignee={"agent_id": "agent1"}, note="knows the case")
    assignee: AssigneeBody
    note: ShortText = ""


class CommentBody(BaseModel):
    """What is to be said; a public comment is visible to the customer."""

    model_config = body(text="We are looking into it.", public=True)
    text: Annotated[str, Field(min_length=1, max_length=16_384)]
    public: bool = False


class ResolveBody(BaseModel):
    """What the resolution is."""

    model_config = body(resolution="Card replaced.")
    resolution: LongText = ""


class ReopenBody(BaseModel):
    """Why it is taken up again."""

    model_config = body(reason="Still no card.")
    reason: ShortText = ""


class CloseBody(BaseModel):
    """Whether the customer agrees that it is solved."""

    model_config = body(confirmed_by_customer=True)
    confirmed_by_customer: bool = False


class EscalateBody(BaseModel):
    """Why it is raised, and to whom; nobody: as the ticket's type says."""

    model_config = body(reason="Promised for today.")
    reason: ShortText = ""
    assignee: AssigneeBody | None = None


@routes.get("/tickets", operation_id="list_tickets", **gives(pb.Ticket, listed=True))
async def list_tickets(
    ask: Ask,
    status: Annotated[list[str], Query(max_length=10)] = [],  # noqa: B006  (FastAPI copies it)
    agent_id: NameQuery = "",
    group_id: NameQuery = "",
    customer_id: NameQuery = "",
    session_id: NameQuery = "",
    type: NameQuery = "",  # noqa: A002  (the name of the field)
    overdue_only: bool = False,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Response:
    """Find tickets, the one due first in front. A customer finds his own."""
    found = await ask.services.workflow.ListTickets(
        pb.ListTicketsRequest(
            statuses=status,
            agent_id=agent_id,
            group_id=group_id,
            customer_id=customer_id,
            session_id=session_id,
            overdue_only=overdue_only,
            type=type,
            page=ask.page(limit, cursor),
        )
    )
    return ask.listed(found.tickets, found.page)


@routes.post("/tickets", operation_id="open_ticket", **gives(pb.Ticket, 201))
async def open_ticket(ask: Ask, ticket: OpenBody) -> Response:
    """Open a ticket."""
    opened = await ask.services.workflow.OpenTicket(
        pb.OpenTicketRequest(
            type=ticket.type,
            priority=ticket.priority,
            subject=ticket.subject,
            description=ticket.description,
            customer_id=ticket.customer_id,
            session_id=ticket.session_id,
            interaction_id=ticket.interaction_id,
            assignee=ticket.assignee.message() if ticket.assignee else None,
            fields=struct_of(ticket.fields),
            request_id=ask.request_id,
        )
    )
    return answer(opened.ticket, 201, location=f"/v1/tickets/{opened.ticket.ticket_id}")


@routes.get("/tickets/{ticket_id}", operation_id="get_ticket", **gives(pb.Ticket))
async def get_ticket(ask: Ask, ticket_id: Name) -> Response:
    """Return one ticket with comments and history."""
    found = await ask.services.workflow.GetTicket(pb.GetTicketRequest(ticket_id=ticket_id))
    return answer(found.ticket)


@routes.post("/tickets/{ticket_id}/assign", operation_id="assign_ticket", **gives(pb.Ticket))
async def assign_ticket(ask: Ask, ticket_id: Name, command: AssignBody) -> Response:
    """Give a ticket to an agent or to a group."""
    request = pb.AssignTicketRequest(
        ticket_id=ticket_id,
        assignee=command.assignee.message(),
        note=command.note,
        request_id=ask.request_id,
        expected_version=ask.expected_version,
    )
    return answer((await ask.services.workflow.AssignTicket(request)).ticket)


@routes.post("/tickets/{ticket_id}/comments", operation_id="comment_ticket", **gives(pb.Ticket))
async def comment_ticket(ask: Ask, ticket_id: Name, command: CommentBody) -> Response:
    """Add a comment."""
    request = pb.CommentTicketRequest(
        ticket_id=ticket_id,
        text=command.text,
        public=command.public,
        request_id=ask.request_id,
        expected_version=ask.expected_version,
    )
    return answer((await ask.services.workflow.CommentTicket(request)).ticket)


@routes.post("/tickets/{ticket_id}/resolve", operation_id="resolve_ticket", **gives(pb.Ticket))
async def resolve_ticket(ask: Ask, ticket_id: Name, command: ResolveBody) -> Response:
    """Say that the work is done."""
    request = pb.ResolveTicketRequest(
        ticket_id=ticket_id,
        resolution=command.resolution,
        request_id=ask.request_id,
        expected_version=ask.expected_version,
    )
    return answer((await ask.services.workflow.ResolveTicket(request)).ticket)


@routes.post("/tickets/{ticket_id}/reopen", operation_id="reopen_ticket", **gives(pb.Ticket))
async def reopen_ticket(ask: Ask, ticket_id: Name, command: ReopenBody) -> Response:
    """Take a resolved or closed ticket up again."""
    request = pb.ReopenTicketRequest(
        ticket_id=ticket_id,
        reason=command.reason,
        request_id=ask.request_id,
        expected_version=ask.expected_version,
    )
    return answer((await ask.services.workflow.ReopenTicket(request)).ticket)


@routes.post("/tickets/{ticket_id}/close", operation_id="close_ticket", **gives(pb.Ticket))
async def close_ticket(ask: Ask, ticket_id: Name, command: CloseBody) -> Response:
    """Close a resolved ticket for good."""
    request = pb.CloseTicketRequest(
        ticket_id=ticket_id,
        confirmed_by_customer=command.confirmed_by_customer,
        request_id=ask.request_id,
        expected_version=ask.expected_version,
    )
    return answer((await ask.services.workflow.CloseTicket(request)).ticket)


@routes.post("/tickets/{ticket_id}/escalate", operation_id="escalate_ticket", **gives(pb.Ticket))
async def escalate_ticket(ask: Ask, ticket_id: Name, command: EscalateBody) -> Response:
    """Raise a ticket to the next level."""
    request = pb.EscalateTicketRequest(
        ticket_id=ticket_id,
        reason=command.reason,
        assignee=command.assignee.message() if command.assignee else None,
        request_id=ask.request_id,
        expected_version=ask.expected_version,
    )
    return answer((await ask.services.workflow.EscalateTicket(request)).ticket)
