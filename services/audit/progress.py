"""How far the audit has got with the topics: all its processes together, as deadlines are no one's own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.audit.domain.partition import Partition


@dataclass(frozen=True, slots=True)
class Reached:
    """
    What one process knows, or all of them: the later time of each kind counts.

    `behind_at` is when a batch last was so large that more must have been waiting; `began_at` from when on
    all topics are known in full, None: from their beginning.
    """

    behind_at: datetime | None = None
    began_at: datetime | None = None

    def and_also(self, other: "Reached") -> "Reached":
        """Return what both know."""
        return Reached(_later(self.behind_at, other.behind_at), _later(self.began_at, other.began_at))


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)


Exchange = Callable[[Reached], Awaitable[Reached]]


class Progress:
    """
    What this process has reached, and learns of the others whenever time is kept.

    A process that has nothing to read must not call missing what another one has not read yet.
    """

    def __init__(self, exchange: Exchange) -> None:
        """Let `exchange` give what is known here to all, and return what all know."""
        self._exchange = exchange
        self._reached = Reached()

    def judged_from(self) -> datetime | None:
        """Return from when on all topics are known in full; None: from their beginning."""
        return self._reached.began_at

    def note_behind(self, now: datetime) -> None:
        self._reached = self._reached.and_also(Reached(behind_at=now))

    def note(self, state: Partition) -> None:
        """Take note of where a partition began."""
        self._reached = self._reached.and_also(Reached(began_at=state.began_at))

    def settled(self, now: datetime, after_s: float) -> bool:
        """Return whether all have kept up with the topics for a while."""
        at = self._reached.behind_at
        return at is None or now - at >= timedelta(seconds=after_s)

    async def tick(self, now: datetime, limit: int = 500) -> int:
        """Tell the others and hear of them. :raises Unavailable: the database did not answer."""
        self._reached = self._reached.and_also(await self._exchange(self._reached))
        return 0

    async def sweep(self, now: datetime, limit: int = 200) -> int:
        return 0

    async def settle(self) -> None:
        """Do nothing: everything is told at each tick."""
