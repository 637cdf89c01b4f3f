"""What agents and customers can ask over their sockets."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from gateway.sockets.link import Command
from libs.events.base import Id, Identity, Language, OptionalId, Scalar, Short, Text

Csat = Annotated[int, Field(ge=1, le=5)]
Nps = Annotated[int, Field(ge=0, le=10)]
Ces = Annotated[int, Field(ge=1, le=7)]
Said = Annotated[str, Field(min_length=1, max_length=16_384)]
Context = Annotated[dict[Annotated[str, Field(max_length=128)], Scalar], Field(max_length=50)]


class Presence(Command):
    """sign_in, sign_out, ready, not_ready."""

    reason: OptionalId = ""


class Answer(Command):
    """accept, decline."""

    offer_id: Id
    interaction_id: OptionalId = ""
    reason: OptionalId = ""


class Say(Command):
    """message of an agent."""

    interaction_id: Id
    text: Said


class End(Command):
    """end of an agent."""

    interaction_id: Id
    reason: Short = ""


class WrapUp(Command):
    """wrap_up."""

    interaction_id: Id
    codes: Annotated[tuple[Id, ...], Field(max_length=16)] = ()
    notes: Text = ""


class Transfer(Command):
    """transfer, to a queue or to a certain agent."""

    interaction_id: Id
    to_queue_id: OptionalId = ""
    to_agent_id: OptionalId = ""
    reason: Short = ""


class Typing(Command):
    """typing; told to whoever looks, kept nowhere."""

    interaction_id: OptionalId = ""
    on: bool = True


class Start(Command):
    """start of a chat; identities are what the customer says of himself."""

    entry_point: Id
    language: Language = ""
    identities: Annotated[tuple[Identity, ...], Field(max_length=16)] = ()
    display_name: Short = ""
    context: Context = {}  # noqa: RUF012  (pydantic copies a default)


class SayInChat(Command):
    """message of a customer."""

    text: Said


class Choose(Command):
    """choose one of a prompt's choices."""

    key: Annotated[str, Field(min_length=1, max_length=256)]


class Survey(Command):
    """survey: how it was."""

    csat: Csat | None = None
    nps: Nps | None = None
    ces: Ces | None = None
    comment: Text = ""


class CallBack(Command):
    """callback: the customer leaves the queue and is called back, when it is his turn or at `due_at`."""

    identities: Annotated[tuple[Identity, ...], Field(min_length=1, max_length=4)]
    due_at: AwareDatetime | None = None
    reason: Short = ""


class Leave(Command):
    """end of a chat by its customer."""

    reason: Short = ""
