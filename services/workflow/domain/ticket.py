"""A ticket: all that is known of one piece of work."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from libs.events.base import Scalar
from libs.events.workflow import Priority, Status
from services.workflow.domain.policy import Target

MOST_COMMENTS = 500
MOST_CHANGES = 1000
LONGEST_NOTE = 1000


@dataclass(frozen=True, slots=True)
class Comment:
    """Something said about the ticket; the customer may see a public one."""

    comment_id: str
    author: str
    text: str
    time: datetime
    public: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One step in the ticket's life."""

    time: datetime
    what: str
    by: str
    from_status: str
    to_status: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Timer:
    """What is to happen at a time, once."""

    at: datetime
    what: Literal["due_soon", "overdue"]
    target: Target


@dataclass(frozen=True, slots=True)
class Ticket:
    """
    A ticket, from before it exists (`version` 0) until it is closed.

    `version` grows by one with every change. Timers hold only what can still come: a target that was met has
    none left.
    """

    ticket_id: str
    version: int = 0
    journey_id: str = ""
    ticket_type: str = ""
    priority: Priority = "normal"
    subject: str = ""
    description: str = ""
    status: Status = "open"
    customer_id: str = ""
    session_id: str = ""
    interaction_id: str = ""
    agent_id: str = ""
    group: str = ""
    fields: Mapping[str, Scalar] = field(default_factory=dict)
    comments: tuple[Comment, ...] = ()
    history: tuple[Change, ...] = ()
    timers: tuple[Timer, ...] = ()
    first_response_due: datetime | None = None
    resolution_due: datetime | None = None
    first_responded_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    opened_at: datetime | None = None
    updated_at: datetime | None = None
    opened_by: str = ""
    overdue: tuple[Target, ...] = ()
    level: int = 0
    reopened: int = 0
    resolution: str = ""

    def without_timers_of(self, *targets: Target) -> "Ticket":
        return replace(self, timers=tuple(each for each in self.timers if each.target not in targets))

    def stepped(self, now: datetime, what: str, by: str, status: Status, note: str = "") -> "Ticket":
        """Return the ticket one step further, with the step in its history."""
        change = Change(now, what, by, self.status if self.version else "", status, note[:LONGEST_NOTE])
        return replace(
            self,
            version=self.version + 1,
            status=status,
            updated_at=now,
            history=(*self.history, change)[-MOST_CHANGES:],
        )


def due(ticket: Ticket) -> datetime | None:
    """Return when the ticket wants to be told that time has passed."""
    return min((timer.at for timer in ticket.timers), default=None)
