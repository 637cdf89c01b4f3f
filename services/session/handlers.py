"""What the session service does with the events it reads."""

from collections.abc import Sequence

from libs import metrics, wire
from libs.apply import Apply
from libs.clock import Now
from libs.errors import Unavailable
from libs.events import crm_context, interaction, ivr, routing, visitor
from libs.events.base import AnyEvent, Fact
from libs.reading import Bus, dead_letter
from libs.stored import Key
from libs.wire import Unreadable
from services.session.domain.context import Context
from services.session.domain.session import SessionIsClosed
from services.session.domain.state import Rules, Session
from services.session.placing import interaction_of, place
from services.session.store import Places

GROUP = "session"
KEEPS_DEAD_LETTERS_OF = ("trunkline.visitor", "trunkline.interaction")

WANTED: tuple[type[Fact], ...] = (
    visitor.Identified,
    interaction.Started,
    interaction.QueueEntered,
    interaction.MediaChanged,
    interaction.SurveySubmitted,
    interaction.Ended,
    ivr.DialogueCompleted,
    crm_context.ContextPrepared,
    routing.ContactEnqueued,
    routing.ContactAssigned,
    routing.ContactRequeued,
    routing.ContactTransferred,
    routing.ContactRejected,
    routing.ContactDiverted,
    routing.ContactAbandoned,
    routing.ContactReleased,
    routing.ContactWrappedUp,
)


class Handler:
    """Places a batch of events in their sessions and applies them: to the sessions, then to contexts."""

    def __init__(
        self,
        sessions: Apply[Session],
        contexts: Apply[Context],
        places: Places,
        bus: Bus,
        rules: Rules,
        now: Now,
    ) -> None:
        self._sessions = sessions
        self._contexts = contexts
        self._places = places
        self._bus = bus
        self._rules = rules
        self._now = now

    async def __call__(self, events: Sequence[AnyEvent]) -> None:
        placed = await place(events, self._places, self._rules)
        try:
            sessions = await self._sessions(placed.pairs, self._now())
        except SessionIsClosed:
            raise Unavailable("session_closed", "a session closed while events were placed in it") from None
        contexts = [
            (context_key(key.tenant, session_id=key.id), _named(event, sessions[key].state))
            for key, event in placed.pairs
            if brings_context(event) and sessions[key].state.contacts
        ]
        if contexts:
            await self._contexts(contexts, self._now())
        if placed.unknown:
            await self._bus.publish_records([_set_aside(event) for event in placed.unknown])


def context_key(tenant: str, *, session_id: str = "", journey_id: str = "") -> Key:
    """Return the key of the context of a session, or of a whole journey."""
    return Key(tenant, f"session:{session_id}" if session_id else f"journey:{journey_id}")


def brings_context(event: AnyEvent) -> bool:
    match event.data:
        case interaction.Started() as data:
            return bool(data.context)
        case ivr.DialogueCompleted() as data:
            return bool(data.pii.collected)
    return False


def _named(event: AnyEvent, session: Session) -> AnyEvent:
    return event._replace(journey_id=session.journey_id)


def _set_aside(event: AnyEvent) -> wire.Record:
    metrics.dead_letters.labels(event.data.topic(), "unknown_interaction").inc()
    problem = Unreadable("unknown_interaction", f"{interaction_of(event)} was never started")
    return dead_letter(wire.encode(event), problem, GROUP)
