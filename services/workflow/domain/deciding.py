"""
What a ticket makes of a command, a request of self-service, or the time: the pure core of workflow.

    open -> assigned <-> waiting (for the customer) -> resolved -> closed;  resolved, closed -> reopened
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import TypedDict

from libs.errors import AlreadyExists, Conflict, Invalid, NotFound, Refused, Violation
from libs.events import ivr, workflow
from libs.events.base import AnyEvent, Fact, Facts, Tick, after, follow_id
from libs.events.workflow import Priority, Status
from services.workflow.domain.commands import (
    Assign,
    Close,
    Command,
    Comment,
    Escalate,
    Open,
    Reopen,
    Resolve,
)
from services.workflow.domain.policy import PRIORITIES, Policy, Target, higher
from services.workflow.domain.ticket import MOST_COMMENTS, Ticket, Timer
from services.workflow.domain.ticket import Comment as Said

ALIVE: tuple[Status, ...] = ("open", "assigned", "waiting")
DONE: tuple[Status, ...] = ("resolved", "closed")
BY_FLOW = "ivr"


def decide(ticket: Ticket, event: AnyEvent, now: datetime, policy: Policy) -> tuple[Ticket, Facts]:
    """
    Return the ticket after the event, and the facts that follow.

    :raises NotFound: there is no such ticket.
    :raises AlreadyExists: there is one already.
    :raises Conflict: it has another version than the caller has seen.
    :raises Refused: its status does not allow it.
    """
    match event.data:
        case ivr.TicketRequested() as request:
            return (ticket, ()) if ticket.version else _open(ticket, event, _asked(request), now, policy)
        case Tick():
            return _pass_time(ticket, event, now)
        case Open() as command:
            if ticket.version:
                raise AlreadyExists("ticket_exists", f"there is a ticket {ticket.ticket_id} already")
            return _open(ticket, event, command, now, policy)
        case Command() as command:
            if not ticket.version:
                raise NotFound("ticket", ticket.ticket_id)
            if command.expected_version is not None and command.expected_version != ticket.version:
                raise Conflict(command.expected_version, ticket.version)
            return _obey(ticket, event, command, now, policy)
    return ticket, ()


def _obey(
    ticket: Ticket, event: AnyEvent, command: Command, now: datetime, policy: Policy
) -> tuple[Ticket, Facts]:
    match command:
        case Assign():
            return _assign(ticket, event, command, now)
        case Comment():
            return _comment(ticket, event, command, now)
        case Resolve():
            return _resolve(ticket, event, command, now)
        case Reopen():
            return _reopen(ticket, event, command, now, policy)
        case Close():
            _must_be(ticket, DONE[:1], "closed")
            closed = ticket.without_timers_of("first_response", "resolution").stepped(
                now, "closed", command.by, "closed"
            )
            fact = workflow.TicketClosed(
                **_of(ticket), by=command.by, confirmed_by_customer=command.confirmed_by_customer
            )
            return replace(closed, closed_at=now), (_told(ticket, event, now, fact),)
        case Escalate():
            _must_be(ticket, ALIVE, "escalated")
            raised, facts = _escalate(ticket, event, now, by=command.by, reason=command.reason)
            if not (command.agent_id or command.group):
                return raised, facts
            assign = Assign(
                ticket_id=ticket.ticket_id, by=command.by, agent_id=command.agent_id, group=command.group
            )
            raised, more = _assign(raised, event, assign, now)
            return raised, (*facts, *more)
    return ticket, ()


def _asked(request: ivr.TicketRequested) -> Open:
    priority: Priority = next((each for each in PRIORITIES if each == request.priority), "normal")
    return Open(
        ticket_id=request.ticket_id,
        by=BY_FLOW,
        ticket_type=request.ticket_type,
        priority=priority,
        subject=request.subject,
        description=request.pii.description,
        customer_id=request.customer_id,
        session_id=request.session_id,
        interaction_id=request.interaction_id,
    )


def _open(
    ticket: Ticket, event: AnyEvent, command: Open, now: datetime, policy: Policy
) -> tuple[Ticket, Facts]:
    group = command.group or ("" if command.agent_id else policy.groups.get(command.ticket_type, ""))
    ticket = replace(
        ticket,
        journey_id=event.journey_id or follow_id(f"{event.tenant}/ticket/{ticket.ticket_id}", "journey"),
        ticket_type=command.ticket_type,
        priority=command.priority,
        subject=command.subject,
        description=command.description,
        customer_id=command.customer_id,
        session_id=command.session_id,
        interaction_id=command.interaction_id,
        group=group,
        fields=command.fields,
        opened_at=now,
        opened_by=command.by,
    ).stepped(now, "opened", command.by, "open")
    ticket = _timed(ticket, "first_response", now, policy)
    ticket = _timed(ticket, "resolution", now, policy)
    fact = workflow.TicketOpened(
        **_of(ticket),
        interaction_id=ticket.interaction_id,
        ticket_type=ticket.ticket_type,
        priority=ticket.priority,
        opened_by=command.by,
        group=group,
        first_response_due=ticket.first_response_due,
        resolution_due=ticket.resolution_due,
        pii=workflow.OpenedPii(subject=ticket.subject, description=ticket.description),
    )
    facts = (_told(ticket, event, now, fact),)
    if not command.agent_id:
        return ticket, facts
    assign = Assign(ticket_id=ticket.ticket_id, by=command.by, agent_id=command.agent_id, group=group)
    ticket, more = _assign(ticket, event, assign, now)
    return ticket, (*facts, *more)


def _timed(ticket: Ticket, target: Target, now: datetime, policy: Policy) -> Ticket:
    """Return the ticket with the due time of a target counted from now, and its timers."""
    remind_at, due_at = policy.due(ticket.priority, target, now)
    timers = (
        *ticket.without_timers_of(target).timers,
        Timer(remind_at, "due_soon", target),
        Timer(due_at, "overdue", target),
    )
    if target == "first_response":
        return replace(ticket, timers=timers, first_response_due=due_at)
    return replace(ticket, timers=timers, resolution_due=due_at)


def _assign(ticket: Ticket, event: AnyEvent, command: Assign, now: datetime) -> tuple[Ticket, Facts]:
    _must_be(ticket, ALIVE, "assigned")
    if not (command.agent_id or command.group):
        raise Invalid(Violation("assignee", "names neither an agent nor a group"))
    status: Status = "assigned" if command.agent_id else "open"
    ticket = replace(ticket, agent_id=command.agent_id, group=command.group or ticket.group)
    fact = workflow.TicketAssigned(**_of(ticket), agent_id=ticket.agent_id, group=ticket.group, by=command.by)
    stepped = ticket.stepped(now, "assigned", command.by, status, command.note)
    return stepped, (_told(ticket, event, now, fact),)


def _comment(ticket: Ticket, event: AnyEvent, command: Comment, now: datetime) -> tuple[Ticket, Facts]:
    _must_be(ticket, (*ALIVE, "resolved"), "commented")
    if len(ticket.comments) >= MOST_COMMENTS:
        raise Refused("too_many_comments", f"a ticket has {MOST_COMMENTS} comments at most")
    is_public = command.public or command.by_customer
    said = Said(follow_id(event.id, "comment"), command.by, command.text, now, is_public)
    status = ticket.status
    if status == "assigned" and is_public and not command.by_customer:
        status = "waiting"
    elif status == "waiting" and command.by_customer:
        status = "assigned"
    ticket = replace(ticket, comments=(*ticket.comments, said))
    if is_public and not command.by_customer and ticket.first_responded_at is None:
        ticket = replace(ticket.without_timers_of("first_response"), first_responded_at=now)
    fact = workflow.TicketCommented(
        **_of(ticket), author=command.by, public=is_public, pii=workflow.CommentPii(text=command.text)
    )
    return ticket.stepped(now, "commented", command.by, status), (_told(ticket, event, now, fact),)


def _resolve(ticket: Ticket, event: AnyEvent, command: Resolve, now: datetime) -> tuple[Ticket, Facts]:
    _must_be(ticket, ALIVE, "resolved")
    in_time = ticket.resolution_due is None or now <= ticket.resolution_due
    ticket = ticket.without_timers_of("first_response", "resolution")
    ticket = replace(
        ticket,
        resolution=command.resolution,
        resolved_at=now,
        first_responded_at=ticket.first_responded_at or now,
    )
    fact = workflow.TicketResolved(
        **_of(ticket),
        by=command.by,
        within_target=in_time,
        pii=workflow.ResolutionPii(resolution=command.resolution),
    )
    stepped = ticket.stepped(now, "resolved", command.by, "resolved", command.resolution)
    return stepped, (_told(ticket, event, now, fact),)


def _reopen(
    ticket: Ticket, event: AnyEvent, command: Reopen, now: datetime, policy: Policy
) -> tuple[Ticket, Facts]:
    _must_be(ticket, DONE, "reopened")
    status: Status = "assigned" if ticket.agent_id else "open"
    ticket = replace(
        ticket, reopened=ticket.reopened + 1, resolved_at=None, closed_at=None, resolution="", overdue=()
    )
    ticket = _timed(ticket, "resolution", now, policy)
    fact = workflow.TicketReopened(**_of(ticket), by=command.by, reason=command.reason)
    stepped = ticket.stepped(now, "reopened", command.by, status, command.reason)
    return stepped, (_told(ticket, event, now, fact),)


def _escalate(
    ticket: Ticket, event: AnyEvent, now: datetime, *, by: str, reason: str
) -> tuple[Ticket, Facts]:
    """Return the ticket one level up and one priority higher; what was promised stays promised."""
    ticket = replace(ticket, level=ticket.level + 1, priority=higher(ticket.priority))
    fact = workflow.TicketEscalated(
        **_of(ticket), level=ticket.level, priority=ticket.priority, by=by, reason=reason
    )
    stepped = ticket.stepped(now, "escalated", by, ticket.status, reason)
    return stepped, (_told(ticket, event, now, fact),)


def _pass_time(ticket: Ticket, event: AnyEvent, now: datetime) -> tuple[Ticket, Facts]:
    """Let every timer that has come fire once; a missed resolution escalates the ticket."""
    come = sorted((each for each in ticket.timers if each.at <= now), key=lambda each: (each.at, each.what))
    facts: list[AnyEvent] = []
    for timer in come:
        ticket = replace(ticket, timers=tuple(each for each in ticket.timers if each != timer))
        due_at = ticket.first_response_due if timer.target == "first_response" else ticket.resolution_due
        assert due_at is not None, "a target with a timer has a due time"
        if timer.what == "due_soon":
            soon = workflow.TicketDueSoon(**_of(ticket), target=timer.target, due_at=due_at)
            facts.append(_told(ticket, event, now, soon, timer.target))
        else:
            late = workflow.TicketOverdue(**_of(ticket), target=timer.target, due_at=due_at)
            facts.append(_told(ticket, event, now, late, timer.target))
            ticket = replace(ticket, overdue=(*ticket.overdue, timer.target))
        ticket = ticket.stepped(now, timer.what, "", ticket.status, timer.target)
        if timer.what == "overdue" and timer.target == "resolution":
            ticket, more = _escalate(ticket, event, now, by="", reason="resolution_overdue")
            facts.extend(more)
    return ticket, facts


def _must_be(ticket: Ticket, statuses: Collection[Status], what: str) -> None:
    if ticket.status not in statuses:
        raise Refused(
            "status_forbids",
            f"a ticket that is {ticket.status} cannot be {what}",
            {"ticket_id": ticket.ticket_id, "status": ticket.status},
        )


class _Of(TypedDict):
    ticket_id: str
    customer_id: str
    session_id: str


def _of(ticket: Ticket) -> _Of:
    return _Of(ticket_id=ticket.ticket_id, customer_id=ticket.customer_id, session_id=ticket.session_id)


def _told(ticket: Ticket, event: AnyEvent, now: datetime, fact: Fact, what: str = "") -> AnyEvent:
    return after(event, now, fact, journey_id=ticket.journey_id, what=what)
