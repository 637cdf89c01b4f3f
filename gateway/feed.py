"""From the facts of the bus to the streams of the sockets: the gateway's consumer."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from gateway import folding, stream
from gateway.conversation import MOST_CHARACTERS, Conversation
from gateway.frames import SUPERVISORS, Frame, agent_stream, frame, interaction_stream, plain
from gateway.hub import Hub
from gateway.stream import RESUME_FOR, Stream
from libs.apply import Apply
from libs.backoff import Wait, at_once
from libs.clock import Now
from libs.events import agent, audit, interaction, ivr, routing, session
from libs.events.base import AnyEvent, Fact, after
from libs.stored import Key, Store

GROUP = "gateway"
SOURCE = "/trunkline/gateway"
# Characters that one write adds to one document. Each is up to six bytes in a fact that is still to be told,
# and a message is told to its contact and its agents: well below the 16 MB that a document may have.
HEAVIEST = 500_000
Pair = tuple[Key, AnyEvent]
WITH_CONVERSATION = (routing.AgentOffered, routing.ContactAssigned)
AGENT_FACTS = (agent.StateEntered, agent.RequestRefused)
# Facts of the audit that supervisors see live, by the name they go by.
AUDIT_FACTS: dict[type[Fact], str] = {
    audit.BreachFound: "breach_found",
    audit.BreachMended: "breach_mended",
    audit.LedgerChecked: "audit",
}
CALLBACK_FACTS: dict[type[Fact], str] = {
    routing.CallbackScheduled: "scheduled",
    routing.CallbackStarted: "started",
    routing.CallbackCancelled: "cancelled",
    routing.CallbackRefused: "refused",
}
SHOWN_APART: tuple[type[Fact], ...] = (*AGENT_FACTS, *AUDIT_FACTS, *CALLBACK_FACTS)
WANTED: tuple[type[Fact], ...] = (
    *SHOWN_APART,
    interaction.Started,
    interaction.MessageSent,
    interaction.InputReceived,
    interaction.MediaChanged,
    interaction.DeliveryFailed,
    interaction.Ended,
    ivr.PromptRequested,
    ivr.InputExpected,
    ivr.DialogueCompleted,
    session.Started,
    session.Resumed,
    session.CustomerIdentified,
    session.ParticipantJoined,
    session.ParticipantLeft,
    session.SurveyRequested,
    session.SurveyAnswered,
    session.ContactClosed,
    routing.WaitEstimated,
    routing.AnnouncementDue,
    routing.AgentOffered,
    routing.OfferDeclined,
    routing.OfferExpired,
    routing.OfferWithdrawn,
    routing.ContactEnqueued,
    routing.ContactAssigned,
    routing.ContactRequeued,
    routing.ContactTransferred,
    routing.ContactOverflowed,
    routing.ContactMoved,
    routing.ContactRejected,
    routing.ContactDiverted,
    routing.ContactAbandoned,
    routing.ContactReleased,
    routing.ContactWrappedUp,
)


class Feed:
    """Folds facts into conversations, conversations' frames into streams, and wakes who reads these."""

    def __init__(
        self,
        conversations: Store[Conversation],
        streams: Store[Stream],
        hub: Hub,
        now: Now,
        resume_for: timedelta = RESUME_FOR,
        wait: Wait = at_once,
    ) -> None:
        self.streams = Apply(streams, stream.deciding(resume_for), hub.pages.keep, SOURCE, wait=wait)
        self.conversations = Apply(conversations, folding.decide, self.tell, SOURCE, wait=wait)
        self._store = streams
        self._hub = hub
        self._now = now

    async def __call__(self, events: Sequence[AnyEvent]) -> None:
        now = self._now()
        pairs = [(Key(event.tenant, name), event) for event in events if (name := interaction_of(event.data))]
        for portion in portions(pairs, weight_of_fact):
            await self.conversations(portion, now)
        frames = [
            after(event, now, each, what=each.kind)
            for event in events
            if isinstance(event.data, SHOWN_APART)
            for each in frames_apart(event)
        ]
        if frames:
            await self.tell(frames)

    async def tell(self, frames: Sequence[AnyEvent]) -> None:
        """Put frames at the ends of their streams; those that are there already change nothing."""
        pairs = [(Key(event.tenant, event.data.key), event) for event in frames]
        for portion in portions(pairs, weight_of_frame):
            self._hub.offer(await self.streams(portion, self._now()))

    async def has_told(self, key: Key, event_id: str) -> bool:
        """Return whether a frame was put into a stream before."""
        stored = (await self._store.load([key])).get(key)
        if stored is None:
            return False
        return event_id in stored.applied or bool(
            stored.evicted and (await self._store.logged({key: [event_id]})).get(key)
        )


def portions(pairs: Sequence[Pair], weigh: Callable[[AnyEvent], int]) -> Iterator[list[Pair]]:
    """
    Yield the pairs in order, in portions that change no aggregate by more than one write can hold.

    A document has its limit, and a gateway that comes back may find hours of one conversation in one batch.
    """
    portion: list[Pair] = []
    weights: Counter[Key] = Counter()
    for key, event in pairs:
        weight = weigh(event)
        if weights[key] and weights[key] + weight > HEAVIEST:
            yield portion
            portion, weights = [], Counter()
        weights[key] += weight
        portion.append((key, event))
    if portion:
        yield portion


def weight_of_fact(event: AnyEvent) -> int:
    """Return about how many characters a fact adds to its conversation, as state or as frames to be told."""
    if isinstance(event.data, WITH_CONVERSATION):
        return MOST_CHARACTERS
    pii = getattr(event.data, "pii", None)
    return 2000 + (len(pii.text) if isinstance(pii, interaction.MessagePii | ivr.PromptPii) else 0)


def weight_of_frame(event: AnyEvent) -> int:
    """Return about how many characters a frame adds to its stream."""
    assert isinstance(event.data, Frame)
    body = event.data.body
    return MOST_CHARACTERS if "conversation" in body else 2000 + len(str(body.get("text", "")))


def interaction_of(data: Fact) -> str:
    """Return the interaction that a fact is about, "" where it is about none."""
    if isinstance(data, routing._RoutingFact):
        return data.contact_id
    return str(getattr(data, "interaction_id", ""))


def frames_apart(event: AnyEvent) -> list[Frame]:
    """Return the frames of a fact about an agent's presence or the ledger, for him and for supervisors."""
    match event.data:
        case agent.StateEntered() as data:
            return [
                frame(agent_stream(data.agent_id), "state", event, plain(data)),
                frame(SUPERVISORS, "agent_state", event, plain(data)),
            ]
        case agent.RequestRefused() as data:
            return [frame(agent_stream(data.agent_id), "refused", event, plain(data))]
        case audit.BreachFound() | audit.BreachMended() | audit.LedgerChecked() as data:
            return [frame(SUPERVISORS, AUDIT_FACTS[type(data)], event, plain(data))]
        case routing._CallbackFact() as data:
            told = plain(data) | {"what": CALLBACK_FACTS[type(data)]}
            streams = [interaction_stream(data.contact_id)] if data.contact_id else []
            return [frame(each, "callback", event, told) for each in (*streams, SUPERVISORS)]
    return []


async def _nothing(facts: Sequence[AnyEvent]) -> None:
    """Tell nobody: streams lead to no facts."""
