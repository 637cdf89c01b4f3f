"""What the bus has of one pool: what came, in the order in which it was decided, and what was told of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from libs.events import agent, routing
from libs.events.base import AnyEvent, Event, Fact, Tick
from services.routing.domain.decide import DECIDES_ON as INPUTS

OUTPUTS: tuple[type[Fact], ...] = (
    routing.ContactEnqueued,
    routing.ContactRejected,
    routing.WaitEstimated,
    routing.DecisionRecorded,
    routing.AgentOffered,
    routing.OfferDeclined,
    routing.OfferExpired,
    routing.OfferWithdrawn,
    routing.ContactRequeued,
    routing.ContactAssigned,
    routing.ContactTransferred,
    routing.ContactOverflowed,
    routing.ContactDiverted,
    routing.AnnouncementDue,
    routing.CallbackScheduled,
    routing.CallbackStarted,
    routing.CallbackCancelled,
    routing.CallbackRefused,
    routing.ContactMoved,
    routing.ContactAbandoned,
    routing.ContactReleased,
    routing.ContactWrappedUp,
    agent.StateEntered,
    agent.CapacityChanged,
    agent.RequestRefused,
)
WANTED = (*INPUTS, *OUTPUTS)
TOPICS = tuple(sorted({each.topic() for each in WANTED}))


class Step(NamedTuple):
    """An event, when it was decided, and the facts that were told of it."""

    now: datetime
    event: AnyEvent
    told: tuple[AnyEvent, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """The events of one pool: inputs as their topic has them, facts in the order in which they were told."""

    pool_id: str
    inputs: tuple[AnyEvent, ...]
    told: tuple[AnyEvent, ...]


def recording_of(events: Iterable[AnyEvent], pool_id: str) -> Recording:
    """
    Return the recording in events of one tenant, each topic in its own order, in whatever order among them.

    What was told twice counts once. What the pool told is numbered, which gives its order over all topics.
    """
    inputs: dict[str, AnyEvent] = {}
    told: dict[str, AnyEvent] = {}
    for event in events:
        if getattr(event.data, "pool_id", "") == pool_id:
            if isinstance(event.data, INPUTS):
                inputs.setdefault(event.id, event)
            elif isinstance(event.data, OUTPUTS):
                told.setdefault(event.id, event)
    in_order = sorted(told.values(), key=lambda event: event.sequence)
    return Recording(pool_id, tuple(inputs.values()), tuple(in_order))


def steps(recording: Recording) -> Iterator[Step]:
    """
    Yield what was decided, in order.

    When an event was decided is the time of the facts it led to; one that led to none is taken to have been
    decided when it happened. A tick leaves no event, only facts that name it: it stands where these do.
    """
    told: dict[str, list[AnyEvent]] = {}
    for fact in recording.told:
        told.setdefault(fact.caused_by, []).append(fact)
    came = {event.id for event in recording.inputs}
    ticks = [facts for cause, facts in told.items() if cause not in came][::-1]
    for event in recording.inputs:
        facts = told.get(event.id, [])
        while ticks and _is_before(ticks[-1][0], event, facts):
            yield _tick(recording.pool_id, ticks.pop())
        yield Step(facts[0].time if facts else event.time, event, tuple(facts))
    while ticks:
        yield _tick(recording.pool_id, ticks.pop())


def _is_before(tick: AnyEvent, event: AnyEvent, facts: list[AnyEvent]) -> bool:
    return tick.sequence < facts[0].sequence if facts else tick.time <= event.time


def _tick(pool_id: str, facts: list[AnyEvent]) -> Step:
    first = facts[0]
    event = Event(first.caused_by, first.tenant, first.time, Tick(of=pool_id), "")
    return Step(first.time, event, tuple(facts))
