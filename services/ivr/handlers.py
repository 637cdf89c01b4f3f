"""What self-service does with the facts it reads: the dialogue they concern, and the flow it follows."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime

from libs.apply import Apply, Pairs, Tell
from libs.clock import Now
from libs.events import interaction, session
from libs.events.base import AnyEvent, Fact
from libs.stored import Key, Store, Stored
from services.ivr.domain.deciding import decide
from services.ivr.domain.dialogue import Dialogue, FlowNotAtHand
from services.ivr.store import Library

WANTED: tuple[type[Fact], ...] = (
    session.Started,
    session.Resumed,
    session.CustomerIdentified,
    interaction.Started,
    interaction.InputReceived,
    interaction.MessageSent,
    interaction.Ended,
)
REMEMBERED = 100_000


class Dialogues(Apply[Dialogue]):
    """Applies events to dialogues: fetches the flows they follow, and notes the look-ups they ask for."""

    def __init__(self, store: Store[Dialogue], library: Library, tell: Tell, source: str) -> None:
        super().__init__(
            store, lambda state, event, now: decide(state, event, now, library.at_hand()), tell, source
        )
        self._library = library
        self.asking: asyncio.Queue[tuple[Key, Dialogue]] = asyncio.Queue()
        self.settled = Settled()

    async def __call__(self, pairs: Pairs, now: datetime) -> dict[Key, Stored[Dialogue]]:
        pairs = list(pairs)
        while True:
            try:
                results = await super().__call__(pairs, now)
                break
            except FlowNotAtHand as missing:  # raised before anything was saved
                await self._library.fetch(missing.pin)
        for key, stored in results.items():
            if stored.state.asked is not None:
                self.asking.put_nowait((key, stored.state))
            elif stored.state.status == "completed":
                self.settled.add(key)
        return results


class Settled:
    """
    Contacts known to need nothing more from self-service: over, or served by an ACD outside.

    A hint that saves reading and writing; a dialogue that is over changes nothing, with the hint or without.
    """

    def __init__(self) -> None:
        self._keys: OrderedDict[Key, None] = OrderedDict()

    def add(self, key: Key) -> None:
        self._keys[key] = None
        if len(self._keys) > REMEMBERED:
            self._keys.popitem(last=False)

    def __contains__(self, key: Key) -> bool:
        return key in self._keys


class Handler:
    """Takes batches of the bus."""

    def __init__(self, dialogues: Dialogues, library: Library, now: Now) -> None:
        self._dialogues = dialogues
        self._library = library
        self._now = now

    async def __call__(self, events: Sequence[AnyEvent]) -> None:
        settled = self._dialogues.settled
        pairs: list[tuple[Key, AnyEvent]] = []
        begun: set[tuple[str, str]] = set()
        for event in events:
            key = concerned(event)
            match event.data:
                case interaction.Started() | session.ContactBegan() as data if (
                    data.distribution == "external"
                ):
                    settled.add(key)
                case interaction.Started():
                    continue
                case interaction.MessageSent(author=author) if author != "customer":
                    continue
                case session.ContactBegan(entry_point=entry_point) if key not in settled:
                    begun.add((event.tenant, entry_point))
                    pairs.append((key, event))
                case _ if key.id and key not in settled:
                    pairs.append((key, event))
        if begun:
            await self._library.bind(begun)
        if pairs:
            await self._dialogues(pairs, self._now())


def concerned(event: AnyEvent) -> Key:
    """Return the dialogue that an event concerns; its id is empty where it concerns none."""
    return Key(event.tenant, str(getattr(event.data, "interaction_id", "")))
