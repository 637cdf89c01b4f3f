"""One line in the account of a contact: what a fact of any topic says about the course of it."""

from dataclasses import dataclass
from datetime import datetime

from libs.events import interaction, queue, routing, session
from libs.events.base import AnyEvent, Fact

# The facts that change what becomes of a contact; all others tell what was said and done in it.
LEDGER: tuple[type[Fact], ...] = (
    interaction.Started,
    interaction.QueueEntered,
    interaction.MediaChanged,
    interaction.Ended,
    session.Started,
    session.Resumed,
    session.SelfServiceCompleted,
    session.Connected,
    session.ParticipantJoined,
    session.WrappedUp,
    session.ContactClosed,
    queue.ContactQueued,
    queue.ContactWithdrawn,
    routing.ContactEnqueued,
    routing.AgentOffered,
    routing.OfferDeclined,
    routing.OfferExpired,
    routing.OfferWithdrawn,
    routing.ContactAssigned,
    routing.ContactRequeued,
    routing.ContactTransferred,
    routing.ContactOverflowed,
    routing.ContactMoved,
    routing.ContactDiverted,
    routing.ContactRejected,
    routing.ContactAbandoned,
    routing.ContactReleased,
    routing.ContactWrappedUp,
)
# Which field holds what a type has to say beyond who and where.
_SAID: dict[type[Fact], str] = {
    interaction.Started: "distribution",
    session.Started: "distribution",
    session.Resumed: "distribution",
    interaction.MediaChanged: "change",
    interaction.Ended: "by",
    session.ContactClosed: "outcome",
    queue.ContactWithdrawn: "by",
    routing.ContactEnqueued: "cause",
    routing.ContactRequeued: "cause",
}
_WHAT: dict[type[Fact], str] = {
    fact: fact.type.removeprefix("trunkline.").rsplit(".", 1)[0] for fact in LEDGER
}


@dataclass(frozen=True, slots=True)
class Line:
    """
    A fact as the ledger keeps it: no personal data, nothing that was said.

    `what` is topic and fact, e.g. "routing.contact_assigned"; `number` its place among all that its teller's
    aggregate told (0: not numbered); `said` the outcome, cause, change or distribution.
    """

    event_id: str
    what: str
    at: datetime
    number: int = 0
    pool_id: str = ""
    queue_id: str = ""
    agent_id: str = ""
    offer_id: str = ""
    said: str = ""
    since: datetime | None = None

    @property
    def topic(self) -> str:
        """Return the owner: "routing.contact_assigned" -> "routing"."""
        return self.what.partition(".")[0]


def is_line(event: AnyEvent) -> bool:
    """Return whether the event is one for the ledger: of what media do, only that an agent answered."""
    data = event.data
    if isinstance(data, interaction.MediaChanged):
        return data.change == "answered"
    return isinstance(data, LEDGER)


def line_of(event: AnyEvent) -> Line:
    """Return the line of an event for which `is_line` holds."""
    kind = type(event.data)
    data = event.data.__dict__  # a fact that lacks a field answers slowly when asked for it by name
    return Line(
        event.id,
        _WHAT[kind],
        event.time,
        event.sequence,
        data.get("pool_id", ""),
        data.get("queue_id", ""),
        data.get("agent_id", ""),
        data.get("offer_id", ""),
        str(data.get(_SAID.get(kind, ""), "")),
        data.get("since"),
    )


def contact_of(data: Fact) -> str:
    """Return the contact a fact speaks of: the id of its interaction."""
    said = data.__dict__
    return str(said.get("contact_id") or said.get("interaction_id", ""))
