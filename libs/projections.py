"""What a service says of its projections, so that they can be computed anew from the topics."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from libs.apply import UNTOLD_AFTER, Apply, Decide, Pairs, Tell
from libs.backoff import Wait, at_once
from libs.events.base import AnyEvent
from libs.mongo import Database, Document
from libs.reading import Bus
from libs.stored import Key, Store, Stored
from libs.wire import Record

S = TypeVar("S")
At = Callable[[str], str]  # the name of a collection: the live one's, or that of the one beside it


class Fold(Protocol):
    """What computes a service's projections from records; `touched` are the documents by collection."""

    @property
    def touched(self) -> dict[str, set[str]]: ...

    async def take(self, records: Sequence[Record]) -> None:
        """Apply records, in any order of topics, as often as they come."""
        ...

    async def finish(self) -> None:
        """Apply what has to wait for the rest, and inform the stores of what was told."""
        ...

    async def sweep(self) -> None:
        """Tell what is untold, whoever left it so."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """
    One collection that is computed anew.

    `compared` gives the part of a document that must be equal; `numbers` what is summed up and shown, of the
    documents that `summed` finds. An aggregate's log of applied ids goes with it (`has_log`).
    """

    name: str
    compared: Callable[[Document], object]
    numbers: Callable[[Document], Mapping[str, int]] | None = None
    summed: Document = field(default_factory=dict)
    has_log: bool = True


@dataclass(frozen=True, slots=True)
class Rebuildable:
    """What of one service can be computed from topics; `group` is the reader that keeps it up to date."""

    service: str
    group: str
    topics: tuple[str, ...]
    kept: tuple[Kept, ...]
    fold: Callable[[Database, At, Bus | None], Awaitable[Fold]]  # without a bus it tells nothing


class Refold(Apply[S], Generic[S]):
    """An Apply that computes states anew: what it told before, read again, says how far it had counted."""

    def __init__(
        self, store: Store[S], decide: Decide[S], tell: Tell, source: str, wait: Wait = at_once
    ) -> None:
        super().__init__(store, decide, tell, source, wait=wait)
        self.touched: set[str] = set()

    async def __call__(self, pairs: Pairs, now: datetime) -> dict[Key, Stored[S]]:
        found = list(pairs)
        self.touched.update(str(key) for key, _ in found)
        return await super().__call__(found, now)

    def _apply(
        self,
        stored: Stored[S],
        events: Sequence[AnyEvent],
        logged: frozenset[str] | set[str],
        now: datetime,
    ) -> Stored[S]:
        after = super()._apply(stored, events, logged, now)
        told = max((event.sequence for event in events if event.source == self._source), default=0)
        return replace(after, sequence=told) if told > after.sequence else after

    async def sweep_all(self, now: datetime) -> None:
        """Tell all that is untold, however new it is."""
        while await self.sweep(now + UNTOLD_AFTER + timedelta(minutes=1)):
            await self.settle()


async def tell_nothing(facts: Sequence[AnyEvent]) -> None:
    """Refuse to tell: what folds events into a projection tells on commands and ticks only."""
    if facts:
        raise AssertionError(f"folding {facts[0].caused_by} led to {facts[0].type}: that is no projection")
