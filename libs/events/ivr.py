"""Facts owned by the ivr service; key: session id."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from libs.events.base import Channel, Fact, Id, Language, OptionalId, Part, Scalar, Short, Text
from libs.events.queue import Attributes, Need


class _DialogueFact(Fact):
    session_id: Id
    interaction_id: Id

    @property
    def key(self) -> str:
        return self.session_id


class DialogueStarted(_DialogueFact):
    """Self-service began; the flow's version stays pinned for this dialogue."""

    type: ClassVar[str] = "trunkline.ivr.dialogue_started.v1"
    flow_id: Id
    flow_version: int
    channel: Channel
    language: Language


class NodeEntered(_DialogueFact):
    """The dialogue came to a node of its flow."""

    type: ClassVar[str] = "trunkline.ivr.node_entered.v1"
    flow_id: Id
    node_id: Id
    kind: Id


class Choice(Part):
    """One thing the customer can choose: by key on a phone, by button in a chat."""

    key: Short
    label: Short


class PromptPii(Part):
    text: Text


class PromptRequested(_DialogueFact):
    """The adapter should say this to the customer: spoken on voice, shown in a chat."""

    type: ClassVar[str] = "trunkline.ivr.prompt_requested.v1"
    prompt_id: Id
    node_id: Id
    language: Language
    choices: Annotated[tuple[Choice, ...], Field(max_length=32)] = ()
    media_url: Short = ""
    pii: PromptPii


class InputExpected(_DialogueFact):
    """The dialogue waits for the customer, at most `timeout_s`."""

    type: ClassVar[str] = "trunkline.ivr.input_expected.v1"
    node_id: Id
    kinds: tuple[Literal["text", "key", "choice", "speech"], ...]
    max_length: int = 0
    timeout_s: float


class CollectedPii(Part):
    collected: dict[str, Scalar] = {}


class DialogueCompleted(_DialogueFact):
    """
    Self-service is over: it met the need, or hands over to a queue with all that was collected.

    `outcome` "queue" names where to; "abandoned": the customer left; "failed": the flow could not go on.
    """

    type: ClassVar[str] = "trunkline.ivr.dialogue_completed.v1"
    flow_id: Id
    flow_version: int
    outcome: Literal["self_served", "queue", "abandoned", "failed"]
    pool_id: OptionalId = ""
    queue_id: OptionalId = ""
    needs: tuple[Need, ...] = ()
    priority: int = 0
    language: Language = ""
    reason: Short = ""  # what the customer wants, in a word: the intent
    path: tuple[Short, ...] = ()  # node ids, in order, the last 50
    attributes: Attributes = {}  # what strategies may ask about the contact
    deadline_s: Annotated[float, Field(ge=0)] = 0.0  # it should be answered so soon; 0: nothing is promised
    pii: CollectedPii = CollectedPii()


class TicketPii(Part):
    description: Text = ""


class TicketRequested(_DialogueFact):
    """The flow asks for a ticket; workflow opens it."""

    type: ClassVar[str] = "trunkline.ivr.ticket_requested.v1"
    ticket_id: Id  # made by the flow's node, so that the customer can be told its number at once
    ticket_type: Id
    priority: Id
    subject: Short
    customer_id: OptionalId = ""
    pii: TicketPii = TicketPii()
