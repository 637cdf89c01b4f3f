"""Reads from what was told of each contact what it and its agents did, and what is not known of that."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from libs.events import routing
from libs.events.base import AnyEvent, Fact


class Span(NamedTuple):
    """Some seconds; unless `known`, something else cut them short, and they would have been more."""

    s: float
    known: bool = True


NOTHING_KNOWN = Span(0.0, known=False)


@dataclass(slots=True)
class SeenLeg:
    """A wait and a talk as they were seen; None is a wrap-up that ran out."""

    queue_id: str
    channel: str
    began: datetime
    patience: Span = NOTHING_KNOWN
    talk: Span = NOTHING_KNOWN
    wrap_up: Span | None = NOTHING_KNOWN
    codes: tuple[str, ...] = ()
    to_queue_id: str = ""
    to_agent_id: str = ""
    agent_id: str = ""
    talk_began: datetime | None = None
    left: datetime | None = None


@dataclass(slots=True)
class SeenAnswer:
    """What an agent did with an offer; None is an offer that was taken back before he did anything."""

    act: Literal["accepts", "declines", "ignores"] | None
    after: Span


@dataclass(slots=True)
class Trace:
    """All that was seen of one contact."""

    legs: list[SeenLeg] = field(default_factory=list)
    answers: dict[str, list[SeenAnswer]] = field(default_factory=dict)  # by agent, in order
    first_agent_id: str = ""  # who answered it
    _offers: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    def see(self, data: Fact, now: datetime) -> None:
        """Take note of the next fact about the contact."""
        leg = self.legs[-1] if self.legs else None
        match data:
            case routing.ContactEnqueued(cause="arrived" | "transferred"):
                self.legs.append(SeenLeg(data.queue_id, data.channel, now))
            case routing.AgentOffered():
                self._offers[data.offer_id] = data.agent_id, now
            case routing.OfferDeclined():
                self._answer(data.offer_id, "declines", now)
            case routing.OfferExpired():
                self._answer(data.offer_id, "ignores", now)
            case routing.OfferWithdrawn():
                self._answer(data.offer_id, None, now)
            case routing.ContactWrappedUp():
                self._wrapped_up(data, now)
        if leg is not None:
            self._see_leg(leg, data, now)

    def _see_leg(self, leg: SeenLeg, data: Fact, now: datetime) -> None:
        match data:
            case routing.ContactAssigned():
                self._answer(data.offer_id, "accepts", now)
                self.first_agent_id = self.first_agent_id or data.agent_id
                leg.patience = _span(leg.began, now, known=False)
                leg.queue_id, leg.agent_id, leg.talk_began = data.queue_id, data.agent_id, now
            case routing.ContactReleased():
                leg.talk, leg.left = _span(leg.talk_began, now), now
            case routing.ContactTransferred():
                leg.talk, leg.left = _span(leg.talk_began, now), now
                leg.to_queue_id, leg.to_agent_id = data.to_queue_id, data.to_agent_id
            case routing.ContactRequeued(talked_ms=int()):
                leg.talk = _span(leg.talk_began, now, known=False)
                self.legs.append(SeenLeg(data.queue_id, data.channel, now))
            case routing.ContactAbandoned():
                leg.patience = _span(leg.began, now)
                leg.queue_id = data.queue_id

    def _answer(
        self, offer_id: str, act: Literal["accepts", "declines", "ignores"] | None, now: datetime
    ) -> None:
        if offer_id in self._offers:
            agent_id, offered = self._offers.pop(offer_id)
            seen = SeenAnswer(act, _span(offered, now, known=act is not None))
            self.answers.setdefault(agent_id, []).append(seen)

    def _wrapped_up(self, data: routing.ContactWrappedUp, now: datetime) -> None:
        for leg in self.legs:
            if leg.agent_id == data.agent_id and leg.left is not None and leg.wrap_up is NOTHING_KNOWN:
                leg.wrap_up = None if data.timed_out else _span(leg.left, now)
                leg.codes = data.codes
                return


def traces_of(told: Iterable[AnyEvent]) -> dict[str, Trace]:
    """Return the trace of every contact by its id."""
    found: dict[str, Trace] = {}
    for event in told:
        contact_id = getattr(event.data, "contact_id", "")
        if contact_id:
            found.setdefault(contact_id, Trace()).see(event.data, event.time)
    return found


def _span(since: datetime | None, until: datetime, *, known: bool = True) -> Span:
    return Span((until - since).total_seconds(), known) if since is not None else NOTHING_KNOWN
