"""An aggregate as it is kept: its state, what was applied to it, and what is not yet known to be told."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, NamedTuple, Protocol, TypeVar

from libs.events.base import AnyEvent

S = TypeVar("S")

# Ids kept with the state. What is pushed out goes to the log of applied ids first, so that a topic played
# again from its beginning changes nothing; most aggregates live and die within the window.
REMEMBERED = 64


class Key(NamedTuple):
    """Names one aggregate of one tenant; a tuple, since every event is looked up by it many times."""

    tenant: str
    id: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.id}"


@dataclass(frozen=True, slots=True)
class Stored(Generic[S]):
    """
    State as kept. `applied` are the ids of the last events in order; `evicted` says that older ones are in
    the log. `untold` are facts saved with the state whose telling is not known to have succeeded.
    `sequence` numbers the facts told of this aggregate: 1..n.
    """

    state: S
    version: int = 0
    sequence: int = 0
    applied: tuple[str, ...] = ()
    evicted: bool = False
    untold: tuple[AnyEvent, ...] = ()

    def then(self, state: S, cause_id: str, facts: Sequence[AnyEvent]) -> "Stored[S]":
        """Return what is kept after one more event; the facts must be numbered already."""
        return Stored(
            state,
            self.version,
            self.sequence + len(facts),
            (*self.applied, cause_id),
            self.evicted,
            (*self.untold, *facts) if facts else self.untold,
        )


@dataclass(frozen=True, slots=True)
class Change(Generic[S]):
    """One aggregate to save: refused when the stored version is no longer `base_version`."""

    key: Key
    base_version: int
    stored: Stored[S]
    evicted_ids: tuple[str, ...] = ()


class Store(Protocol[S]):
    """Where aggregates of one kind are kept."""

    name: str

    def blank(self, key: Key) -> S:
        """Return the state of an aggregate of which nothing is known yet."""
        ...

    async def load(self, keys: Collection[Key]) -> dict[Key, Stored[S]]:
        """Return the aggregates there are, by one query."""
        ...

    async def save(self, changes: Sequence[Change[S]]) -> set[Key]:
        """Write each change in full or not at all, and return the keys whose version had moved on."""
        ...

    async def logged(self, ids: Mapping[Key, Collection[str]]) -> dict[Key, set[str]]:
        """Return which of the event ids are in the log of evicted ones."""
        ...

    async def mark_told(self, versions: Mapping[Key, int]) -> None:
        """Forget the untold facts of aggregates still at these versions."""
        ...

    async def due(self, now: datetime, limit: int) -> list[tuple[Key, int]]:
        """Return the aggregates whose deadline has come, with their versions, the oldest first."""
        ...

    async def with_untold(self, before: datetime, limit: int) -> list[Key]:
        """Return aggregates saved before a time that still hold untold facts."""
        ...
