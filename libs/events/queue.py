"""
Facts that the single writer of one pool must see in one order; key: pool id.

A pool is the agents and queues that are matched with each other, e.g. one site of one tenant. A contact's id
is the id of its interaction.
"""

from datetime import date
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AwareDatetime, Field, field_serializer, field_validator, model_validator

from libs.events.base import Channel, Fact, Id, Identity, Language, OptionalId, Part, Short, Text
from libs.hours import known_zone

# What a strategy may ask of an agent or a contact, by name: a text, a number, yes or no, or several texts.
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Attribute = bool | float | Short | Annotated[tuple[Short, ...], Field(max_length=100)]
Attributes = Annotated[dict[Word, Attribute], Field(max_length=100)]


class _PoolFact(Fact):
    pool_id: Id

    @property
    def key(self) -> str:
        return self.pool_id


class _ContactFact(_PoolFact):
    contact_id: Id


class _AgentFact(_PoolFact):
    agent_id: Id


class Need(Part):
    """A skill the contact asks for: hard ones exclude agents, soft ones add `weight` to their score."""

    skill: Id
    level: Annotated[int, Field(ge=1, le=10)] = 1
    hard: bool = True
    weight: Annotated[float, Field(ge=0, le=1000)] = 1.0


class Preferred(Part):
    """An agent who is insisted on for so many seconds before somebody else may serve the contact."""

    agent_id: Id
    for_s: Annotated[float, Field(gt=0, le=86_400)]


class QueueConfigured(_PoolFact):
    """A queue was created or changed by an administrator; times in seconds."""

    type: ClassVar[str] = "trunkline.queue.queue_configured.v1"
    queue_id: Id
    name: Short = ""
    name_zh: Short = ""
    needs: Annotated[tuple[Need, ...], Field(max_length=32)] = ()
    priority: int = 0
    priority_per_minute: Annotated[float, Field(ge=0)] = 1.0  # ageing
    offer_timeout_s: Annotated[float, Field(gt=0, le=600)] = 15.0
    wrap_up_s: Annotated[float, Field(ge=0, le=3600)] = 60.0
    service_level_s: Annotated[float, Field(gt=0)] = 20.0
    service_level_target: Annotated[float, Field(gt=0, le=1)] = 0.8  # share to be answered within it
    max_waiting: Annotated[int, Field(ge=0)] = 0  # 0: no limit
    max_wait_s: Annotated[float, Field(ge=0)] = 0  # 0: no limit; past it the contact overflows
    overflow_queue_id: OptionalId = ""
    enabled: bool = True


class StrategyPublished(_PoolFact):
    """
    A version of a routing strategy came into force; `document` is its text as JSON.

    It serves the queues it lists from here on, until a later one of them is published.
    """

    type: ClassVar[str] = "trunkline.queue.strategy_published.v1"
    strategy_id: Id
    version: Annotated[int, Field(ge=1)]
    document: Annotated[str, Field(max_length=32_768)]
    by: Short = ""
    rolled_back_to: Annotated[int, Field(ge=0)] = 0


class AgentRated(_ContactFact):
    """The customer said how it was with the agent: CSAT 1-5, NPS 0-10. Routing learns whom to send where."""

    type: ClassVar[str] = "trunkline.queue.agent_rated.v1"
    agent_id: Id
    queue_id: Id
    csat: Annotated[int, Field(ge=1, le=5)] | None = None
    nps: Annotated[int, Field(ge=0, le=10)] | None = None


Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class Shift(Part):
    """Hours of work on one day of the week, 0 is Monday; an end of 00:00 is the end of the day."""

    weekday: Annotated[int, Field(ge=0, le=6)]
    start: Clock = "09:00"
    end: Clock = "18:00"

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if self.end != "00:00" and self.end <= self.start:
            raise ValueError("a shift ends after it starts; one over midnight is two")
        return self


class Schedule(Part):
    """When an agent works, in local time; without shifts at any time."""

    time_zone: Short = "UTC"
    shifts: Annotated[tuple[Shift, ...], Field(max_length=50)] = ()
    days_off: Annotated[tuple[date, ...], Field(max_length=400)] = ()

    @field_serializer("days_off")
    def _as_text(self, days: tuple[date, ...]) -> tuple[str, ...]:
        """Return days as no database has them otherwise: it knows moments only."""
        return tuple(day.isoformat() for day in days)

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        return known_zone(name)


class AgentConfigured(_AgentFact):
    """An agent was created or changed by an administrator."""

    type: ClassVar[str] = "trunkline.queue.agent_configured.v1"
    name: Short = ""
    team: OptionalId = ""
    skills: dict[Id, Annotated[int, Field(ge=1, le=10)]] = {}
    capacity: dict[Channel, Annotated[int, Field(ge=0, le=50)]] = {"voice": 1, "chat": 3}
    enabled: bool = True
    site: OptionalId = ""
    languages: Annotated[tuple[Language, ...], Field(max_length=32)] = ()
    attributes: Attributes = {}
    # Voice and video exclude all else, except: a call may be offered while he holds nothing but these.
    interrupts: dict[Channel, Annotated[tuple[Channel, ...], Field(max_length=8)]] = {}
    schedule: Schedule = Schedule()  # outside it he is offered nothing, unless a supervisor made him ready
    calendar: OptionalId = ""  # the configured calendar that `schedule` is, where it is one


class QueueRemoved(_PoolFact):
    """An administrator removed a queue; it takes nobody any more, and goes when its last contact has."""

    type: ClassVar[str] = "trunkline.queue.queue_removed.v1"
    queue_id: Id


class AgentRemoved(_AgentFact):
    """An administrator removed an agent; if he is signed in, he is signed out."""

    type: ClassVar[str] = "trunkline.queue.agent_removed.v1"


class Reason(Part):
    """Why an agent may be not ready."""

    reason_id: Id
    name: Short = ""
    name_zh: Short = ""


class ReasonsConfigured(_PoolFact):
    """The reasons that the agents of the pool may be not ready for, all of them; none: any reason will do."""

    type: ClassVar[str] = "trunkline.queue.reasons_configured.v1"
    reasons: Annotated[tuple[Reason, ...], Field(max_length=200)] = ()


class ContactQueued(_ContactFact):
    """A contact waits for an agent; it carries all that matching needs."""

    type: ClassVar[str] = "trunkline.queue.contact_queued.v1"
    session_id: Id
    queue_id: Id
    channel: Channel
    needs: Annotated[tuple[Need, ...], Field(max_length=32)] = ()
    priority: int = 0
    vip_level: int = 0
    language: Language = ""
    customer_id: OptionalId = ""
    preferred_agent_id: OptionalId = ""
    preferred_for_s: Annotated[float, Field(ge=0)] = 0.0  # how long to insist on the preferred agent
    reason: Short = ""
    exclusive: bool = False  # nobody but the preferred agent, as long as he is signed in: an account manager
    excluded_agent_ids: Annotated[tuple[Id, ...], Field(max_length=32)] = ()
    # Insisted on after the preferred agent, one after the other; who is not signed in is passed over.
    then_preferred: Annotated[tuple[Preferred, ...], Field(max_length=10)] = ()
    value: float = 0.0  # what the customer is worth, in the tenant's own measure
    deadline: AwareDatetime | None = None  # when it should be answered
    attributes: Attributes = {}


class ContactWithdrawn(_ContactFact):
    """The contact is over on its channel: who waits has abandoned, who talks is released."""

    type: ClassVar[str] = "trunkline.queue.contact_withdrawn.v1"
    session_id: Id
    by: Literal["customer", "agent", "system", "adapter", "supervisor"]
    reason: Short = ""


class AgentSignedIn(_AgentFact):
    """An agent signed in; he is not ready before he says so."""

    type: ClassVar[str] = "trunkline.queue.agent_signed_in.v1"


class AgentSignedOut(_AgentFact):
    """An agent signed out, or a supervisor did it for him."""

    type: ClassVar[str] = "trunkline.queue.agent_signed_out.v1"
    by: OptionalId = ""


class AgentStateRequested(_AgentFact):
    """An agent, or a supervisor for him, asked for another presence."""

    type: ClassVar[str] = "trunkline.queue.agent_state_requested.v1"
    state: Literal["ready", "not_ready"]
    reason: OptionalId = ""  # e.g. break, training, meeting
    by: OptionalId = ""


class OfferAccepted(_ContactFact):
    """The agent took the contact he was offered."""

    type: ClassVar[str] = "trunkline.queue.offer_accepted.v1"
    agent_id: Id
    offer_id: Id


class OfferDeclined(_ContactFact):
    """The agent did not take the contact he was offered."""

    type: ClassVar[str] = "trunkline.queue.offer_declined.v1"
    agent_id: Id
    offer_id: Id
    reason: OptionalId = ""


class NotesPii(Part):
    notes: Text = ""


class WrapUpCompleted(_ContactFact):
    """The agent entered the wrap-up codes of a contact."""

    type: ClassVar[str] = "trunkline.queue.wrap_up_completed.v1"
    agent_id: Id
    codes: Annotated[tuple[Id, ...], Field(max_length=16)] = ()
    pii: NotesPii = NotesPii()


class TransferRequested(_ContactFact):
    """The agent who talks passes the contact on, to a queue or to a certain agent."""

    type: ClassVar[str] = "trunkline.queue.transfer_requested.v1"
    agent_id: Id
    to_queue_id: OptionalId = ""
    to_agent_id: OptionalId = ""
    reason: Short = ""


class ContactMoved(_ContactFact):
    """A supervisor moved a waiting contact to another queue, or changed its priority."""

    type: ClassVar[str] = "trunkline.queue.contact_moved.v1"
    by: Id
    to_queue_id: OptionalId = ""
    priority: int | None = None
    reason: Short = ""


class ContactDirected(_ContactFact):
    """A supervisor gave a contact that nobody serves yet to a certain agent."""

    type: ClassVar[str] = "trunkline.queue.contact_directed.v1"
    agent_id: Id
    by: Id
    reason: Short = ""


class CallbackPii(Part):
    identities: Annotated[tuple[Identity, ...], Field(max_length=4)] = ()


class CallbackRequested(_PoolFact):
    """
    A customer, or somebody for him, asked that he be called back: as soon as it is his turn, or at `due_at`.

    With a `contact_id` that contact leaves its queue for it; its place and age are kept. `continues_id` is an
    interaction in whose session the call goes on. `pii` is where he is to be reached; empty: see his record.
    """

    type: ClassVar[str] = "trunkline.queue.callback_requested.v1"
    callback_id: Id  # of the call: its interaction and its contact
    queue_id: OptionalId = ""  # "": that of the contact
    contact_id: OptionalId = ""
    continues_id: OptionalId = ""
    channel: Channel = "voice"
    due_at: AwareDatetime | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    language: Language = ""
    customer_id: OptionalId = ""
    reason: Short = ""
    by: Short = ""  # who asked: "customer", a flow, somebody of the staff
    pii: CallbackPii = CallbackPii()


class CallbackCancelled(_PoolFact):
    """A callback is not wanted any more."""

    type: ClassVar[str] = "trunkline.queue.callback_cancelled.v1"
    callback_id: Id
    by: Short = ""
    reason: Short = ""


class ContactTakenBack(_ContactFact):
    """A supervisor took a contact from the agent who is offered or serves it; it is to wait again."""

    type: ClassVar[str] = "trunkline.queue.contact_taken_back.v1"
    by: Id
    reason: Short = ""
