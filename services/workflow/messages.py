"""Tickets as the gRPC contract shows them, to staff and to the customer."""

from dataclasses import replace

from libs.rpc.workflow.v1 import workflow_pb2 as pb
from libs.structs import stamp, struct_of
from services.workflow.domain.ticket import Ticket

# What a customer learns of a ticket's life; who works on it and what is said among staff is not his.
PUBLIC_STEPS = ("opened", "assigned", "resolved", "reopened", "closed")


def public(ticket: Ticket) -> Ticket:
    """Return what the customer may see of his ticket."""
    return replace(
        ticket,
        agent_id="",
        group="",
        opened_by="",
        level=0,
        overdue=(),
        fields={},
        comments=tuple(each for each in ticket.comments if each.public),
        history=tuple(replace(each, by="", note="") for each in ticket.history if each.what in PUBLIC_STEPS),
    )


def ticket_message(ticket: Ticket, *, brief: bool = False) -> pb.Ticket:
    """Return the message; `brief` without comments and history."""
    return pb.Ticket(
        ticket_id=ticket.ticket_id,
        type=ticket.ticket_type,
        priority=ticket.priority,
        subject=ticket.subject,
        description=ticket.description,
        status=ticket.status,
        customer_id=ticket.customer_id,
        session_id=ticket.session_id,
        interaction_id=ticket.interaction_id,
        assignee=pb.Assignee(agent_id=ticket.agent_id, group_id=ticket.group),
        comments=[] if brief else comment_messages(ticket),
        first_response_due_at=stamp(ticket.first_response_due),
        resolution_due_at=stamp(ticket.resolution_due),
        first_responded_at=stamp(ticket.first_responded_at),
        resolved_at=stamp(ticket.resolved_at),
        closed_at=stamp(ticket.closed_at),
        opened_at=stamp(ticket.opened_at),
        updated_at=stamp(ticket.updated_at),
        opened_by=ticket.opened_by,
        overdue=bool(ticket.overdue),
        escalation_level=ticket.level,
        reopened=ticket.reopened,
        resolution=ticket.resolution,
        history=[] if brief else change_messages(ticket),
        version=ticket.version,
        fields=struct_of(ticket.fields),
    )


def comment_messages(ticket: Ticket) -> list[pb.Comment]:
    return [
        pb.Comment(
            comment_id=each.comment_id,
            author_id=each.author,
            text=each.text,
            time=stamp(each.time),
            public=each.public,
        )
        for each in ticket.comments
    ]


def change_messages(ticket: Ticket) -> list[pb.Change]:
    return [
        pb.Change(
            time=stamp(each.time),
            what=each.what,
            by=each.by,
            from_status=each.from_status,
            to_status=each.to_status,
            note=each.note,
        )
        for each in ticket.history
    ]
