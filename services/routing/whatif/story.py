"""What became of the contacts and the agents of a period that was played."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from libs.events.agent import State

Outcome = Literal["answered", "abandoned", "rejected", "unfinished"]


@dataclass(slots=True)
class Story:
    """
    A contact's way: `agents` who took it, in this order; `score` is the first one's under the goal compared.

    Times are None as long as the moment has not come.
    """

    contact_id: str
    queue_id: str
    came_at: datetime
    first_offer_at: datetime | None = None
    answered_at: datetime | None = None
    over_at: datetime | None = None
    outcome: Outcome = "unfinished"
    agents: list[str] = field(default_factory=list)
    offers: list[str] = field(default_factory=list)  # the agents it was offered to
    score: float | None = None

    def waited_s(self, until: datetime) -> float:
        """Return the seconds until it was answered or over; of one that still waits, those until now."""
        return ((self.answered_at or self.over_at or until) - self.came_at).total_seconds()


@dataclass(slots=True)
class Presence:
    """Seconds that an agent spent in each state within the time that is measured."""

    begin: datetime
    end: datetime
    state: State = "signed_out"
    since: datetime | None = None
    spent_s: dict[State, float] = field(default_factory=dict)

    def enter(self, state: State, now: datetime) -> None:
        """Count the state that is left."""
        if self.since is not None:
            spent = (min(now, self.end) - max(self.since, self.begin)).total_seconds()
            if spent > 0:
                self.spent_s[self.state] = self.spent_s.get(self.state, 0.0) + spent
        self.state, self.since = state, now

    @property
    def busy_s(self) -> float:
        return self.spent_s.get("busy", 0.0) + self.spent_s.get("wrap_up", 0.0)

    @property
    def free_s(self) -> float:
        return self.spent_s.get("ready", 0.0) + self.spent_s.get("offered", 0.0)


@dataclass(slots=True)
class Told:
    """All that became of a period."""

    begin: datetime
    end: datetime
    stories: dict[str, Story] = field(default_factory=dict)
    presences: dict[str, Presence] = field(default_factory=dict)
    ended_at: datetime | None = None

    def measured(self) -> list[Story]:
        """Return the contacts that came within the time that is measured, as they came."""
        return [each for each in self.stories.values() if self.begin <= each.came_at < self.end]
