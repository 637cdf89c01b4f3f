"""From the facts of the bus to the streams of the sockets: the gateway's consumer."""

from collections.abc import Sequence

from gateway import folding, stream
from gateway.conversation import Conversation
from gateway.frames import SUPERVISORS, Frame, agent_stream, frame, plain
from gateway.hub import Hub
from gateway.stream import Stream
from libs.apply import Apply
from libs.clock import Now
from libs.events import agent, interaction, ivr, routing, session
from libs.events.base import AnyEvent, Fact, after
from libs.stored import Key, Store

GROUP = "gateway"
SOURCE = "/trunkline/gateway"
AGENT_FACTS = (agent.StateEntered, agent.RequestRefused)
WANTED: tuple[type[Fact], ...] = (
    *AGENT_FACTS,
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
    routing.ContactAbandoned,
    routing.ContactReleased,
    routing.ContactWrappedUp,
)


class Feed:
    """Folds facts into conversations, conversations' frames into streams, and wakes who reads these."""

    def __init__(
        self, conversations: Store[Conversation], streams: Store[Stream], hub: Hub, now: Now
    ) -> None:
        self.streams = Apply(streams, stream.decide, _nothing, SOURCE, remembered=200)  # large ones
        self.conversations = Apply(conversations, folding.decide, self._tell, SOURCE)
        self._hub = hub
        self._now = now

    async def __call__(self, events: Sequence[AnyEvent]) -> None:
        now = self._now()
        pairs = [(Key(event.tenant, name), event) for event in events if (name := interaction_of(event.data))]
        if pairs:
            await self.conversations(pairs, now)
        frames = [
            after(event, now, each, what=each.kind)
            for event in events
            if isinstance(event.data, AGENT_FACTS)
            for each in agent_frames(event)
        ]
        if frames:
            await self._tell(frames)

    async def _tell(self, frames: Sequence[AnyEvent]) -> None:
        pairs = [(Key(event.tenant, event.data.key), event) for event in frames]
        self._hub.offer(await self.streams(pairs, self._now()))


def interaction_of(data: Fact) -> str:
    """Return the interaction that a fact is about, "" where it is about none."""
    if isinstance(data, routing._RoutingFact):
        return data.contact_id
    return str(getattr(data, "interaction_id", ""))


def agent_frames(event: AnyEvent) -> list[Frame]:
    """Return the frames of a fact about an agent's presence, for him and for supervisors."""
    match event.data:
        case agent.StateEntered() as data:
            return [
                frame(agent_stream(data.agent_id), "state", event, plain(data)),
                frame(SUPERVISORS, "agent_state", event, plain(data)),
            ]
        case agent.RequestRefused() as data:
            return [frame(agent_stream(data.agent_id), "refused", event, plain(data))]
    return []


async def _nothing(facts: Sequence[AnyEvent]) -> None:
    """Tell nobody: streams lead to no facts."""
