"""Facts of one interaction on one channel, told by channel adapters; key: interaction id."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from libs.events.base import (
    Channel,
    Direction,
    Fact,
    Id,
    Identity,
    Language,
    OptionalId,
    Part,
    Scalar,
    Short,
    Text,
)

Author = Literal["customer", "agent", "bot", "system", "supervisor"]


class _InteractionFact(Fact):
    interaction_id: Id

    @property
    def key(self) -> str:
        return self.interaction_id


class StartedPii(Part):
    identities: Annotated[tuple[Identity, ...], Field(max_length=16)] = ()
    display_name: Short = ""


class Started(_InteractionFact):
    """
    A customer touched a channel, or was called.

    `distribution` is "external" where an existing ACD serves the contact and the adapter only reports it.
    With a `queue_id` it goes straight to that queue, past self-service; `continues_id` is an earlier
    interaction of the same person, in whose session it goes on if that is still open.
    """

    type: ClassVar[str] = "trunkline.interaction.started.v1"
    channel: Channel
    direction: Direction = "inbound"
    entry_point: Id
    language: Language = ""
    visitor_id: OptionalId = ""
    distribution: Literal["platform", "external"] = "platform"
    context: dict[str, Scalar] = {}
    pool_id: OptionalId = ""
    queue_id: OptionalId = ""
    continues_id: OptionalId = ""
    pii: StartedPii = StartedPii()


class InputPii(Part):
    value: Text


class InputReceived(_InteractionFact):
    """The customer answered self-service: by key, choice, text or speech. What he said is under `pii`."""

    type: ClassVar[str] = "trunkline.interaction.input_received.v1"
    kind: Literal["text", "key", "choice", "speech"]
    pii: InputPii


class MessagePii(Part):
    text: Text = ""
    attachment_name: Short = ""


class MessageSent(_InteractionFact):
    """A message was said in the conversation, by either side; `message_id` is unique in the interaction."""

    type: ClassVar[str] = "trunkline.interaction.message_sent.v1"
    message_id: Id
    author: Author
    agent_id: OptionalId = ""
    media_type: Short = "text/plain"
    attachment_id: OptionalId = ""
    pii: MessagePii


class QueueEntered(_InteractionFact):
    """The contact entered a queue of an ACD outside the platform."""

    type: ClassVar[str] = "trunkline.interaction.queue_entered.v1"
    queue_id: Id
    priority: int = 0


class MediaChanged(_InteractionFact):
    """The state of the media changed; "answered" names the agent where an outside ACD chose him."""

    type: ClassVar[str] = "trunkline.interaction.media_changed.v1"
    change: Literal[
        "answered", "held", "retrieved", "muted", "unmuted", "recording_paused", "recording_resumed"
    ]
    agent_id: OptionalId = ""
    queue_id: OptionalId = ""


class DeliveryFailed(_InteractionFact):
    """A message, prompt or ring could not be delivered to the customer."""

    type: ClassVar[str] = "trunkline.interaction.delivery_failed.v1"
    message_id: OptionalId = ""
    reason: Short


class SurveyPii(Part):
    comment: Text = ""


class SurveySubmitted(_InteractionFact):
    """The customer answered the follow-up survey: CSAT 1-5, NPS 0-10, CES 1-7, each optional."""

    type: ClassVar[str] = "trunkline.interaction.survey_submitted.v1"
    csat: Annotated[int, Field(ge=1, le=5)] | None = None
    nps: Annotated[int, Field(ge=0, le=10)] | None = None
    ces: Annotated[int, Field(ge=1, le=7)] | None = None
    pii: SurveyPii = SurveyPii()


class Ended(_InteractionFact):
    """The interaction is over on its channel; nothing more will be said in it."""

    type: ClassVar[str] = "trunkline.interaction.ended.v1"
    by: Literal["customer", "agent", "system", "adapter", "supervisor"]
    reason: Short = ""
