"""What people ask of tickets; commands never leave the service."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from libs.events.base import Fact, Id, OptionalId, Scalar, Short, Text
from libs.events.workflow import Priority


class Command(Fact):
    """What all commands say: which ticket, who asks, and which version he has seen."""

    ticket_id: Id
    by: OptionalId = ""
    expected_version: int | None = None

    @property
    def key(self) -> str:
        return self.ticket_id


class Open(Command):
    type: ClassVar[str] = "trunkline.command.open_ticket.v1"
    ticket_type: Id
    priority: Priority = "normal"
    subject: Short
    description: Text = ""
    customer_id: OptionalId = ""
    session_id: OptionalId = ""
    interaction_id: OptionalId = ""
    agent_id: OptionalId = ""
    group: OptionalId = ""
    fields: Mapping[str, Scalar] = Field(default_factory=dict)


class Assign(Command):
    type: ClassVar[str] = "trunkline.command.assign_ticket.v1"
    agent_id: OptionalId = ""
    group: OptionalId = ""
    note: Text = ""


class Comment(Command):
    type: ClassVar[str] = "trunkline.command.comment_ticket.v1"
    text: Text
    public: bool = False
    by_customer: bool = False


class Resolve(Command):
    type: ClassVar[str] = "trunkline.command.resolve_ticket.v1"
    resolution: Text = ""


class Reopen(Command):
    type: ClassVar[str] = "trunkline.command.reopen_ticket.v1"
    reason: Short = ""


class Close(Command):
    type: ClassVar[str] = "trunkline.command.close_ticket.v1"
    confirmed_by_customer: bool = False


class Escalate(Command):
    type: ClassVar[str] = "trunkline.command.escalate_ticket.v1"
    reason: Short = ""
    agent_id: OptionalId = ""
    group: OptionalId = ""
