"""What agents are expected to achieve in a queue, learned from what they did; few cases count little."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from services.routing.domain.model import Agent, Queue

LEARNED_FROM = 200  # cases: a mean follows who changes


class Mean(NamedTuple):
    """The mean of `n` cases, of which the latest count most once there are more than LEARNED_FROM."""

    n: int
    mean: float

    def with_one(self, value: float) -> "Mean":
        n = self.n + 1
        return Mean(n, self.mean + (value - self.mean) / min(n, LEARNED_FROM))


Portrait = Mapping[str, Mean]  # by measure: handling_s, fcr, conversion, csat, nps
NOTHING = Mean(0, 0.0)


def learned(portrait: Portrait, seen: Mapping[str, float]) -> dict[str, Mean]:
    """Return the portrait with what was seen of one contact."""
    return {
        **portrait,
        **{measure: portrait.get(measure, NOTHING).with_one(value) for measure, value in seen.items()},
    }


def value_of(measure: str, agent: "Agent", queue: "Queue") -> float:
    """Return what is expected of an agent in a queue; of one who is not known there, the mean of all."""
    own = agent.portraits.get(queue.config.queue_id, {})
    if measure == "contacts":
        return own.get("handling_s", NOTHING).n
    of_all = queue.portrait.get(measure, NOTHING)
    return shrunk(own.get(measure, NOTHING), of_all, queue.rules.strategy.learning.shrink)


def shrunk(own: Mean, of_all: Mean, shrink: float) -> float:
    """
    Return a mean of few cases drawn towards the mean of all: as if `shrink` cases more had gone as usual.

    So one lucky sale makes nobody the best seller, and a hundred of them do.
    """
    if not own.n:
        return of_all.mean
    return (own.n * own.mean + shrink * of_all.mean) / (own.n + shrink)
