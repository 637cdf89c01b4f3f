"""Facts owned by the routing service; key: session id of the contact. Times in milliseconds."""

from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, Field

from libs.events.base import Channel, Fact, Id, Language, OptionalId, Part, Short, Text


class _RoutingFact(Fact):
    session_id: Id
    contact_id: Id  # the interaction
    pool_id: Id
    queue_id: Id
    channel: Channel

    @property
    def key(self) -> str:
        return self.session_id


class WaitEstimated(_RoutingFact):
    """The contact's place in its queue and how long it will probably wait, for the customer's ear."""

    type: ClassVar[str] = "trunkline.routing.wait_estimated.v1"
    position: Annotated[int, Field(ge=1)]
    estimated_wait_ms: Annotated[int, Field(ge=0)]


class AnnouncementDue(_RoutingFact):
    """
    Something is to be said to a customer who waits, as the queue's strategy has it: played or shown, once.

    `number` counts the moments of this announcement in this wait, those passed over included; `due_at` is the
    moment. `text` is what to say in `language`, place and minutes put in; `media_url` is what to play.
    """

    type: ClassVar[str] = "trunkline.routing.announcement_due.v1"
    announcement_id: Id
    kind: Literal["comfort", "position", "estimated_wait"]
    number: Annotated[int, Field(ge=1)]
    due_at: AwareDatetime
    language: Language = ""
    text: Text = ""
    media_url: Short = ""
    position: Annotated[int, Field(ge=1)] | None = None
    estimated_wait_ms: Annotated[int, Field(ge=0)] | None = None


class AgentOffered(_RoutingFact):
    """Routing reserved an agent for a waiting contact. The agent has not answered yet."""

    type: ClassVar[str] = "trunkline.routing.agent_offered.v1"
    offer_id: Id
    agent_id: Id
    customer_id: OptionalId = ""
    waited_ms: Annotated[int, Field(ge=0)]
    expires_at: AwareDatetime
    reason: Short = ""  # what the contact is about
    callback: bool = False  # the customer is to be called


class OfferDeclined(_RoutingFact):
    """The agent declined; the contact kept its place."""

    type: ClassVar[str] = "trunkline.routing.offer_declined.v1"
    offer_id: Id
    agent_id: Id
    reason: OptionalId = ""


class OfferExpired(_RoutingFact):
    """The agent did not answer in time; he is not ready now, the contact kept its place."""

    type: ClassVar[str] = "trunkline.routing.offer_expired.v1"
    offer_id: Id
    agent_id: Id


class OfferWithdrawn(_RoutingFact):
    """The offer was taken back: the customer left, or the agent signed out."""

    type: ClassVar[str] = "trunkline.routing.offer_withdrawn.v1"
    offer_id: Id
    agent_id: Id
    reason: Short = ""


class ContactEnqueued(_RoutingFact):
    """
    The contact was admitted to a queue, anew or from another; this is the fact that counts as offered.

    `since` is when its wait in this queue began: waits in later facts are measured from it.
    """

    type: ClassVar[str] = "trunkline.routing.contact_enqueued.v1"
    cause: Literal["arrived", "transferred", "overflowed", "moved"] = "arrived"
    priority: int = 0
    since: AwareDatetime | None = None


class ContactAssigned(_RoutingFact):
    """
    The agent accepted: from now on he serves the contact.

    `estimate_errors_ms` has, for each wait that it was told (`wait_estimated`) in this queue, the wait told
    less the wait that came: more than 0 where its turn came sooner. In order; the last 200 are kept.
    """

    type: ClassVar[str] = "trunkline.routing.contact_assigned.v1"
    offer_id: Id
    agent_id: Id
    customer_id: OptionalId = ""
    waited_ms: Annotated[int, Field(ge=0)]
    estimate_errors_ms: tuple[int, ...] = ()


class ContactRequeued(_RoutingFact):
    """
    The contact waits again, at the place it had.

    `talked_ms` is given where its agent was lost while he served it: it was answered and is offered anew.
    `by` is the supervisor who took it from him, if one did, and `reason` is why.
    """

    type: ClassVar[str] = "trunkline.routing.contact_requeued.v1"
    cause: Literal["declined", "expired", "agent_lost"]
    agent_id: OptionalId = ""
    talked_ms: Annotated[int, Field(ge=0)] | None = None
    by: OptionalId = ""
    reason: Short = ""


class ContactTransferred(_RoutingFact):
    """The agent passed the contact on; he leaves it, it waits in `to_queue_id`."""

    type: ClassVar[str] = "trunkline.routing.contact_transferred.v1"
    agent_id: Id
    to_queue_id: Id
    to_agent_id: OptionalId = ""
    talked_ms: Annotated[int, Field(ge=0)]
    reason: Short = ""


class ContactOverflowed(_RoutingFact):
    """The contact left the queue for another one, by rule."""

    type: ClassVar[str] = "trunkline.routing.contact_overflowed.v1"
    to_queue_id: Id
    waited_ms: Annotated[int, Field(ge=0)]


class ContactDiverted(_RoutingFact):
    """
    The contact left its queue for something else than an agent, which its channel acts upon.

    For "callback" it is called back as contact `callback_id`, which has its place.
    """

    type: ClassVar[str] = "trunkline.routing.contact_diverted.v1"
    to: Literal["voicemail", "callback"]
    waited_ms: Annotated[int, Field(ge=0)]
    callback_id: OptionalId = ""


class ContactMoved(_RoutingFact):
    """A supervisor took the contact from this queue to another."""

    type: ClassVar[str] = "trunkline.routing.contact_moved.v1"
    to_queue_id: Id
    by: Id
    waited_ms: Annotated[int, Field(ge=0)]
    reason: Short = ""


class ContactRejected(_RoutingFact):
    """The contact was not admitted: unknown or closed queue, or no room in it."""

    type: ClassVar[str] = "trunkline.routing.contact_rejected.v1"
    reason: Literal["unknown_queue", "queue_disabled", "queue_full"]
    detail: OptionalId = ""  # of a queue_disabled by strategy: closed, holiday, nobody_signed_in
    instead: OptionalId = ""  # what its strategy has for the customer: voicemail, callback


class ContactAbandoned(_RoutingFact):
    """The customer left before an agent took the contact."""

    type: ClassVar[str] = "trunkline.routing.contact_abandoned.v1"
    waited_ms: Annotated[int, Field(ge=0)]
    by: Short = "customer"


class ContactReleased(_RoutingFact):
    """The conversation is over; the agent wraps up."""

    type: ClassVar[str] = "trunkline.routing.contact_released.v1"
    agent_id: Id
    talked_ms: Annotated[int, Field(ge=0)]
    by: Short = "customer"


class NotesPii(Part):
    notes: Text = ""


class ContactWrappedUp(_RoutingFact):
    """The after-contact work is done, by the agent's word or by its time limit (`timed_out`)."""

    type: ClassVar[str] = "trunkline.routing.contact_wrapped_up.v1"
    agent_id: Id
    codes: tuple[Id, ...] = ()
    wrap_up_ms: Annotated[int, Field(ge=0)]
    timed_out: bool = False
    pii: NotesPii = NotesPii()


class _CallbackFact(Fact):
    """What becomes of a callback; once it has started it is a contact like any other."""

    callback_id: Id  # of the call: its interaction and its contact
    pool_id: Id
    queue_id: OptionalId = ""
    contact_id: OptionalId = ""  # the one that left its queue for it

    @property
    def key(self) -> str:
        return self.callback_id


class CallbackScheduled(_CallbackFact):
    """The customer is to be called at `due_at`, in the queue's hours; told again when it is put off."""

    type: ClassVar[str] = "trunkline.routing.callback_scheduled.v1"
    due_at: AwareDatetime
    by: Short = ""


class CallbackStarted(_CallbackFact):
    """Its time has come: the call is a contact that waits in the queue, at the place kept for it."""

    type: ClassVar[str] = "trunkline.routing.callback_started.v1"


class CallbackCancelled(_CallbackFact):
    """The customer will not be called."""

    type: ClassVar[str] = "trunkline.routing.callback_cancelled.v1"
    by: Short = ""
    reason: Short = ""


class CallbackRefused(_CallbackFact):
    """A request about a callback changed nothing."""

    type: ClassVar[str] = "trunkline.routing.callback_refused.v1"
    request_id: Id
    by: Short = ""
    code: Literal[
        "unknown_contact",
        "already_served",
        "unknown_queue",
        "callback_exists",
        "nobody_to_call",
        "too_late",
        "too_many",
        "unknown_callback",
    ]


# What an expression knew: yes or no, a number, a text, several texts.
Known = bool | float | str | tuple[str, ...]


class Asked(Part):
    """A filter of the strategy that was asked of every agent."""

    filter_id: Id
    keep: Text


class Candidate(Part):
    """
    One agent looked at: excluded by a named rule, or scored.

    `ranks` are his values under the rules of the decision's `order`, the least first; `facts` are what its
    expressions asked about him. `obstacles` is all that excluded him, beginning with `excluded_by`.
    """

    agent_id: Id
    excluded_by: Short = ""  # "" : could have been chosen
    score: float = 0.0
    idle_ms: int = 0
    ranks: tuple[float, ...] = ()
    obstacles: tuple[Short, ...] = ()
    facts: dict[str, Known] = {}


class DecisionRecorded(_RoutingFact):
    """Why this agent, or why none: enough to derive the choice again."""

    type: ClassVar[str] = "trunkline.routing.decision_recorded.v1"
    decision_id: Id
    chosen_agent_id: OptionalId = ""
    rule: Short
    needs: tuple[Short, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    considered: int = 0  # all agents looked at; `candidates` is cut at 50
    waited_ms: int = 0
    # By which strategy, and all that it looked at: empty in records made before there were strategies.
    strategy_id: OptionalId = ""
    strategy_version: int = 0  # 0: the default one
    stage: int = 0  # which of its rings the wait had come to
    filters: tuple[Asked, ...] = ()
    order: tuple[Short, ...] = ()  # the rules of selection
    score: Text = ""  # the formula
    facts: dict[str, Known] = {}  # what the expressions asked about the contact and its queue
    preferred_agent_id: OptionalId = ""
