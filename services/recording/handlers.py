"""Which facts say something of a conversation, and of which."""

from collections.abc import Sequence

from libs.apply import Apply
from libs.clock import Now
from libs.events import interaction, ivr, routing, session
from libs.events.base import AnyEvent, Fact
from libs.stored import Key
from services.recording.domain.transcript import Transcript
from services.recording.store import Transcripts

GROUP = "recording"
WANTED: tuple[type[Fact], ...] = (
    interaction.Started,
    interaction.MessageSent,
    interaction.InputReceived,
    interaction.Ended,
    ivr.PromptRequested,
    routing.ContactAssigned,
    session.Started,
    session.Resumed,
    session.CustomerIdentified,
    session.ParticipantJoined,
)
KEEPS_DEAD_LETTERS_OF = frozenset({"trunkline.analytics"})


class Handler:
    """Applies a batch of facts to the transcripts they concern."""

    def __init__(self, apply: Apply[Transcript], transcripts: Transcripts, now: Now) -> None:
        self._apply = apply
        self._transcripts = transcripts
        self._now = now

    async def __call__(self, events: Sequence[AnyEvent]) -> None:
        asked = {
            Key(event.tenant, event.data.session_id)
            for event in events
            if isinstance(event.data, session.CustomerIdentified)
        }
        interactions = await self._transcripts.of_sessions(asked)
        pairs: list[tuple[Key, AnyEvent]] = []
        for event in events:
            match event.data:
                # A call that an outside switch serves has no transcript: its adapter reports no words.
                case interaction.Started(distribution="external", channel="voice"):
                    continue
                case session.ContactBegan(distribution="external", channel="voice"):
                    continue
                case session.CustomerIdentified() as data:
                    whole = interactions.setdefault(Key(event.tenant, data.session_id), [])
                    own = [Key(event.tenant, data.interaction_id)] if data.interaction_id else []
                    pairs += [(key, event) for key in dict.fromkeys([*whole, *own])]
                case routing.ContactAssigned() as data:
                    pairs.append((Key(event.tenant, data.contact_id), event))
                case (
                    interaction.Started() | interaction.MessageSent() | interaction.InputReceived()
                    | interaction.Ended() | ivr.PromptRequested() | session.ParticipantJoined()
                ) as data:  # fmt: skip
                    pairs.append((Key(event.tenant, data.interaction_id), event))
                case session.ContactBegan() as data:
                    key = Key(event.tenant, data.interaction_id)
                    pairs.append((key, event))
                    interactions.setdefault(Key(event.tenant, data.session_id), []).append(key)
        if pairs:
            await self._apply(pairs, self._now())
