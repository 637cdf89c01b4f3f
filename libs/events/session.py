"""Facts owned by the session service; key: session id."""

from typing import ClassVar, Literal

from libs.events.base import Channel, Direction, Fact, Id, Language, OptionalId, Part, Scalar, Short, Text
from libs.events.interaction import StartedPii

Outcome = Literal[
    "self_served",
    "handled",
    "abandoned_in_ivr",
    "abandoned_in_queue",
    "overflowed",
    "rejected",
    "failed",
]


class _SessionFact(Fact):
    session_id: Id

    @property
    def key(self) -> str:
        return self.session_id


class _ContactFact(_SessionFact):
    interaction_id: Id


class ContactBegan(_ContactFact):
    """What `Started` and `Resumed` share: an interaction now belongs to the session."""

    channel: Channel
    direction: Direction = "inbound"
    entry_point: Id
    language: Language = ""
    visitor_id: OptionalId = ""
    customer_id: OptionalId = ""
    distribution: Literal["platform", "external"] = "platform"
    context: dict[str, Scalar] = {}
    queue_id: OptionalId = ""  # it goes straight to this queue: self-service has no part in it
    pii: StartedPii = StartedPii()


class Started(ContactBegan):
    """A session was opened by its first interaction."""

    type: ClassVar[str] = "trunkline.session.started.v1"


class Resumed(ContactBegan):
    """A further interaction of the same person joined the open session."""

    type: ClassVar[str] = "trunkline.session.resumed.v1"


class CustomerIdentified(_SessionFact):
    """It became known who the person is; what he did as an unknown visitor is now his."""

    type: ClassVar[str] = "trunkline.session.customer_identified.v1"
    interaction_id: OptionalId = ""
    visitor_id: OptionalId = ""
    customer_id: Id
    vip_level: int = 0
    preferred_agent_id: OptionalId = ""


class ContextChanged(_SessionFact):
    """A value of the journey's context was put or removed; the value itself is asked for."""

    type: ClassVar[str] = "trunkline.session.context_changed.v1"
    name: Short
    version: int
    removed: bool = False


class SelfServiceCompleted(_ContactFact):
    """Self-service met the customer's need."""

    type: ClassVar[str] = "trunkline.session.self_service_completed.v1"
    flow_id: Id
    flow_version: int
    reason: Short = ""


class Connected(_ContactFact):
    """The customer and an agent are connected."""

    type: ClassVar[str] = "trunkline.session.connected.v1"
    agent_id: Id
    queue_id: Id
    waited_ms: int


class ParticipantJoined(_ContactFact):
    """An agent or supervisor joined the conversation."""

    type: ClassVar[str] = "trunkline.session.participant_joined.v1"
    agent_id: Id
    role: Literal["agent", "supervisor", "expert"] = "agent"


class ParticipantLeft(_ContactFact):
    """An agent or supervisor left the conversation."""

    type: ClassVar[str] = "trunkline.session.participant_left.v1"
    agent_id: Id
    role: Literal["agent", "supervisor", "expert"] = "agent"


class NotesPii(Part):
    notes: Text = ""


class WrappedUp(_ContactFact):
    """The agent finished the after-contact work."""

    type: ClassVar[str] = "trunkline.session.wrapped_up.v1"
    agent_id: Id
    queue_id: Id
    codes: tuple[Id, ...] = ()
    wrap_up_ms: int
    pii: NotesPii = NotesPii()


class SurveyRequested(_ContactFact):
    """The customer is asked how it was; answers are accepted until `expires_in_s` have passed."""

    type: ClassVar[str] = "trunkline.session.survey_requested.v1"
    channel: Channel
    agent_id: OptionalId = ""
    queue_id: OptionalId = ""
    expires_in_s: int


class CommentPii(Part):
    comment: Text = ""


class SurveyAnswered(_ContactFact):
    """The customer answered; attributed to the last agent and queue. CSAT 1-5, NPS 0-10, CES 1-7."""

    type: ClassVar[str] = "trunkline.session.survey_answered.v1"
    channel: Channel
    agent_id: OptionalId = ""
    queue_id: OptionalId = ""
    csat: int | None = None
    nps: int | None = None
    ces: int | None = None
    pii: CommentPii = CommentPii()


class ContactClosed(_ContactFact):
    """The contact reached its one terminal state; only after-work follows."""

    type: ClassVar[str] = "trunkline.session.contact_closed.v1"
    channel: Channel
    outcome: Outcome
    reason: Short = ""
    agent_id: OptionalId = ""
    queue_id: OptionalId = ""
    customer_id: OptionalId = ""


class Closed(_SessionFact):
    """The session ended, by inactivity after its last contact closed."""

    type: ClassVar[str] = "trunkline.session.closed.v1"
    contacts: int
    customer_id: OptionalId = ""
    reason: Short = ""
