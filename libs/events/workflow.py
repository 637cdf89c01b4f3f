"""Facts owned by the workflow service; key: ticket id."""

from typing import ClassVar, Literal

from pydantic import AwareDatetime

from libs.events.base import Fact, Id, OptionalId, Part, Short, Text

Priority = Literal["low", "normal", "high", "urgent"]
Status = Literal["open", "assigned", "waiting", "resolved", "closed"]


class _TicketFact(Fact):
    ticket_id: Id
    customer_id: OptionalId = ""
    session_id: OptionalId = ""

    @property
    def key(self) -> str:
        return self.ticket_id


class OpenedPii(Part):
    subject: Short = ""
    description: Text = ""


class TicketOpened(_TicketFact):
    """A ticket was opened from a contact, by an agent, a flow or the customer."""

    type: ClassVar[str] = "trunkline.workflow.ticket_opened.v1"
    interaction_id: OptionalId = ""
    ticket_type: Id
    priority: Priority
    opened_by: OptionalId = ""
    group: OptionalId = ""
    first_response_due: AwareDatetime | None = None
    resolution_due: AwareDatetime | None = None
    pii: OpenedPii = OpenedPii()


class TicketAssigned(_TicketFact):
    """The ticket is now with this agent or group."""

    type: ClassVar[str] = "trunkline.workflow.ticket_assigned.v1"
    agent_id: OptionalId = ""
    group: OptionalId = ""
    by: OptionalId = ""


class CommentPii(Part):
    text: Text


class TicketCommented(_TicketFact):
    """Something was added to the ticket; a public comment is visible to the customer."""

    type: ClassVar[str] = "trunkline.workflow.ticket_commented.v1"
    author: OptionalId = ""
    public: bool = False
    pii: CommentPii


class TicketDueSoon(_TicketFact):
    """A due time comes near."""

    type: ClassVar[str] = "trunkline.workflow.ticket_due_soon.v1"
    target: Literal["first_response", "resolution"]
    due_at: AwareDatetime


class TicketOverdue(_TicketFact):
    """A due time has passed."""

    type: ClassVar[str] = "trunkline.workflow.ticket_overdue.v1"
    target: Literal["first_response", "resolution"]
    due_at: AwareDatetime


class TicketEscalated(_TicketFact):
    """The ticket was raised to a higher level, by timer or by hand."""

    type: ClassVar[str] = "trunkline.workflow.ticket_escalated.v1"
    level: int
    priority: Priority
    by: OptionalId = ""
    reason: Short = ""


class ResolutionPii(Part):
    resolution: Text = ""


class TicketResolved(_TicketFact):
    """The work is done; the customer may still disagree."""

    type: ClassVar[str] = "trunkline.workflow.ticket_resolved.v1"
    by: OptionalId = ""
    within_target: bool = True
    pii: ResolutionPii = ResolutionPii()


class TicketReopened(_TicketFact):
    """The ticket was not done after all."""

    type: ClassVar[str] = "trunkline.workflow.ticket_reopened.v1"
    by: OptionalId = ""
    reason: Short = ""


class TicketClosed(_TicketFact):
    """The ticket is closed for good."""

    type: ClassVar[str] = "trunkline.workflow.ticket_closed.v1"
    by: OptionalId = ""
    confirmed_by_customer: bool = False
