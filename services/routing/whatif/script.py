"""What is given of a period before it is played: who comes, what each will do, who is there to serve."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Literal, NamedTuple

from libs.events.base import Fact
from libs.events.queue import ContactQueued


class Leg(NamedTuple):
    """
    One wait of a contact and the talk that ends it, in seconds; the last is repeated where more are needed.

    Patience counts from when the wait began. Where a queue or an agent is named, the talk ends in a transfer.
    `wrap_up_s` is None for an agent who lets the time limit of the queue run out.
    """

    talk_s: float
    patience_s: float = inf
    wrap_up_s: float | None = 0.0
    codes: tuple[str, ...] = ()
    to_queue_id: str = ""
    to_agent_id: str = ""


class Answer(NamedTuple):
    """What an agent does with an offer, and after how many seconds; one that is ignored expires."""

    act: Literal["accepts", "declines", "ignores"] = "accepts"
    after_s: float = 0.0


ACCEPTS = Answer()


@dataclass(frozen=True, slots=True)
class Visit:
    """
    A contact and all that does not depend on routing: when it comes, how long it would wait and talk.

    `answers` are what certain agents do with its first, second, ... offer to them; others do as `otherwise`.
    """

    at: datetime
    queued: ContactQueued
    legs: tuple[Leg, ...]
    otherwise: Answer = ACCEPTS
    answers: Mapping[str, tuple[Answer, ...]] = field(default_factory=dict)
    order: int = 0
    queued_at: datetime | None = None  # what its event says, where that is another time than when it came

    @property
    def contact_id(self) -> str:
        return self.queued.contact_id

    def leg(self, number: int) -> Leg:
        return self.legs[min(number, len(self.legs) - 1)]

    def answer(self, agent_id: str, number: int) -> Answer:
        """Return what the agent does with the offer, the first being number 0."""
        known = self.answers.get(agent_id, ())
        return known[number] if number < len(known) else self.otherwise


class Given(NamedTuple):
    """A fact that comes at its time, whatever routing does: configuration, presence, a supervisor's act."""

    at: datetime
    data: Fact
    order: int = 0


@dataclass(frozen=True, slots=True)
class Script:
    """
    A period of one pool. What comes at one moment comes by `order`, of equals what is given before who comes.

    Contacts that come from `begin` until `end` are measured, and so is the time between; what is before warms
    the pool up. Who did not take an offer, and so is not ready, says `back_after_s` later that he is again;
    where that never comes, it is among what is given.
    """

    pool_id: str
    begin: datetime
    end: datetime
    given: tuple[Given, ...]
    visits: tuple[Visit, ...]
    back_after_s: float = inf
