"""
One contact in the ledger: what became of it, and what each fact of it adds to the figures.

What a fact adds follows from the fact alone, so figures do not depend on the order in which topics are read.
Only contacts that an outside ACD distributed are counted from what was seen of them before, and all of that
stands in one topic under one key.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from libs.events import interaction, routing, session
from libs.events.base import AnyEvent, Fact, Facts, after
from services.analytics.domain.counts import (
    ABANDONED_WAIT,
    ANSWERED_WAIT,
    ESTIMATE_ERROR,
    Counted,
    Counts,
    grain_of,
    within,
)

MS = timedelta(milliseconds=1)
BY_ADAPTER = f"{interaction.Started.topic()}."


@dataclass(frozen=True, slots=True)
class Contact:
    """
    What is known of one contact. Times are of the facts, never of the reader.

    Invariant: `outcome` is set once and stays; a contact without one is waiting, talking, or in self-service.
    """

    contact_id: str = ""
    session_id: str = ""
    journey_id: str = ""
    channel: str = ""
    direction: str = "inbound"
    external: bool = False
    queue_id: str = ""
    agent_id: str = ""
    started_at: datetime | None = None
    queued_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    held_at: datetime | None = None
    waiting: bool = False
    waited_ms: int = 0
    talked_ms: int = 0
    held_ms: int = 0
    wrap_up_ms: int = 0
    outcome: str = ""
    reason: str = ""
    csat: int | None = None
    left: bool = False  # an outside ACD told the end, which counts once

    @property
    def status(self) -> str:
        """Return closed, talking, waiting or self_service."""
        if self.outcome:
            return "closed"
        if self.waiting:
            return "waiting"
        return "talking" if self.answered_at and not self.ended_at else "self_service"


def decide(contact: Contact, event: AnyEvent, now: datetime) -> tuple[Contact, Facts]:
    """Return the contact after a fact, and what the fact adds to the figures."""
    contact = _known(contact, event)
    changed, counted = _step(contact, event)
    return changed, [
        after(
            event,
            event.time,
            Counted(dimension=d, id=i, start=grain_of(at), counts=dict(counts)),
            what=f"{n}",
        )
        for n, (d, i, at, counts) in enumerate(counted)
    ]


Count = tuple[str, str, datetime, Counts]


def _known(contact: Contact, event: AnyEvent) -> Contact:
    """Note what nearly every fact says of its contact."""
    said = event.data.__dict__  # a fact that lacks a field answers slowly when asked for it by name
    contact_id = said.get("contact_id") or said.get("interaction_id", "")
    session_id = said.get("session_id") or contact.session_id
    channel = said.get("channel") or contact.channel
    # Topics are read in any order: the platform's journey goes before the one that an adapter names.
    first, second = event.journey_id, contact.journey_id
    if event.type.startswith(BY_ADAPTER):
        first, second = second, first
    journey_id = first or second
    known = (contact.contact_id, contact.session_id, contact.channel, contact.journey_id)
    if known == (contact_id, session_id, channel, journey_id):
        return contact
    return replace(
        contact, contact_id=contact_id, session_id=session_id, channel=channel, journey_id=journey_id
    )


def _step(contact: Contact, event: AnyEvent) -> tuple[Contact, list[Count]]:
    data, at = event.data, event.time
    if isinstance(data, routing._RoutingFact):
        return _routed(contact, data, event)
    match data:
        case session.ContactBegan():
            started = _sooner(contact.started_at, at)
            external = contact.external or data.distribution == "external"
            contact = replace(contact, started_at=started, direction=data.direction, external=external)
            return contact, [*_everywhere(event, contact.channel, at, {"contacts": 1})]
        case session.ContactClosed():
            closed = replace(
                contact,
                outcome=contact.outcome or data.outcome,
                reason=data.reason,
                ended_at=_sooner(contact.ended_at, at),
                # What counts of a contact served outside stands in its adapter's topic, maybe read later.
                queue_id=contact.queue_id or ("" if contact.external else data.queue_id),
                agent_id=contact.agent_id or ("" if contact.external else data.agent_id),
            )
            counts = [*_everywhere(event, data.channel, at, {f"outcome_{data.outcome}": 1})]
            if contact.external and contact.waiting and contact.queued_at and data.outcome == "failed":
                # Its adapter fell silent: it waits no more, and how it left nobody will tell.
                waited_ms = _between(contact.queued_at, at)
                closed = replace(closed, waiting=False, waited_ms=waited_ms)
                counts += _elsewhere(closed, event, contact.queued_at, _abandoned(waited_ms))
            return closed, counts
        case session.SurveyAnswered():
            answers = _survey(data)
            counts = [*_everywhere(event, data.channel, at, answers)]
            counts += _of_queue(data.queue_id, at, answers) + _of_agent(data.agent_id, at, answers)
            return replace(contact, csat=data.csat), counts
        case _:
            return _external(contact, data, event)


def _routed(contact: Contact, data: Fact, event: AnyEvent) -> tuple[Contact, list[Count]]:
    at = event.time
    match data:
        case routing.ContactEnqueued():
            since = data.since or at
            queued = replace(contact, queue_id=data.queue_id, queued_at=since, waiting=True)
            return queued, _in_queue(event, data, since, {"offered": 1, f"offered_{data.cause}": 1})
        case routing.ContactAssigned():
            counts = {
                "answered": 1,
                "answer_wait_ms": data.waited_ms,
                within(ANSWERED_WAIT, data.waited_ms): 1,
                **_estimated(data.estimate_errors_ms),
            }
            answered = replace(
                contact,
                queue_id=data.queue_id,
                agent_id=data.agent_id,
                answered_at=at,
                waiting=False,
                waited_ms=data.waited_ms,
            )
            queue = _in_queue(event, data, _entered(at, data.waited_ms), counts)
            return answered, queue + _of_agent(data.agent_id, at, {"answered": 1})
        case routing.ContactAbandoned():
            left = replace(
                contact, waiting=False, waited_ms=data.waited_ms, ended_at=_sooner(contact.ended_at, at)
            )
            return left, _in_queue(event, data, _entered(at, data.waited_ms), _abandoned(data.waited_ms))
        case routing.ContactOverflowed() | routing.ContactMoved():
            counts = {"overflowed": 1, "overflow_wait_ms": data.waited_ms}
            gone = replace(contact, waiting=False)
            return gone, _in_queue(event, data, _entered(at, data.waited_ms), counts)
        case routing.ContactDiverted():
            counts = {"overflowed": 1, "overflow_wait_ms": data.waited_ms, f"to_{data.to}": 1}
            gone = replace(contact, waiting=False)
            return gone, _in_queue(event, data, _entered(at, data.waited_ms), counts)
        case routing.ContactRequeued() if data.talked_ms is not None:
            # It was answered, so it is offered anew: else more would leave the queue than came into it.
            again = replace(contact, queue_id=data.queue_id, queued_at=at, waiting=True, answered_at=None)
            return again, _in_queue(event, data, at, {"offered": 1, "offered_agent_lost": 1})
        case routing.ContactTransferred():
            counts = {"handled": 1, "transferred": 1, "talk_ms": data.talked_ms}
            passed = replace(contact, talked_ms=contact.talked_ms + data.talked_ms, answered_at=None)
            return passed, _in_queue(event, data, at, counts) + _of_agent(data.agent_id, at, counts)
        case routing.ContactReleased():
            counts = {"handled": 1, "talk_ms": data.talked_ms}
            done = replace(
                contact, talked_ms=contact.talked_ms + data.talked_ms, ended_at=_sooner(contact.ended_at, at)
            )
            return done, _in_queue(event, data, at, counts) + _of_agent(data.agent_id, at, counts)
        case routing.ContactWrappedUp():
            counts = {"wrapped_up": 1, "wrap_up_ms": data.wrap_up_ms}
            wrapped = replace(contact, wrap_up_ms=contact.wrap_up_ms + data.wrap_up_ms)
            return wrapped, _in_queue(event, data, at, counts) + _of_agent(data.agent_id, at, counts)
        case routing.ContactRejected():
            return contact, _in_queue(event, data, at, {"rejected": 1})
        case routing.AgentOffered():
            return contact, _of_agent(data.agent_id, at, {"offers": 1})
        case routing.OfferExpired():
            return contact, _of_agent(data.agent_id, at, {"offers_not_answered": 1})
        case routing.OfferDeclined():
            return contact, _of_agent(data.agent_id, at, {"offers_declined": 1})
        case _:
            return contact, []


def _external(contact: Contact, data: Fact, event: AnyEvent) -> tuple[Contact, list[Count]]:
    """Count what an outside ACD did; its adapter tells it as facts of the interaction."""
    at = event.time
    match data:
        case interaction.Started():
            return replace(
                contact, external=data.distribution == "external", started_at=_sooner(contact.started_at, at)
            ), []
        case interaction.QueueEntered():
            queued = replace(contact, queue_id=data.queue_id, queued_at=at, waiting=True)
            return queued, _elsewhere(queued, event, at, {"offered": 1, "offered_arrived": 1})
        case interaction.MediaChanged(change="answered") if contact.external and not contact.answered_at:
            queue_id = contact.queue_id if contact.queued_at else data.queue_id
            entered = contact.queued_at or at
            waited_ms = _between(entered, at)
            counts = {"answered": 1, "answer_wait_ms": waited_ms, within(ANSWERED_WAIT, waited_ms): 1}
            if contact.queued_at is None:  # the agent was free: offered and answered in one moment
                counts |= {"offered": 1, "offered_arrived": 1}
            answered = replace(
                contact,
                queue_id=queue_id,
                agent_id=data.agent_id,
                queued_at=entered,
                answered_at=at,
                waiting=False,
                waited_ms=waited_ms,
            )
            return answered, _elsewhere(answered, event, entered, counts) + _of_agent(
                data.agent_id, at, {"answered": 1}
            )
        case interaction.MediaChanged(change="held") if contact.external:
            return replace(contact, held_at=at), []
        case interaction.MediaChanged(change="retrieved") if contact.external and contact.held_at:
            held_ms = contact.held_ms + _between(contact.held_at, at)
            return replace(contact, held_ms=held_ms, held_at=None), []
        case interaction.Ended() if contact.external and contact.answered_at and not contact.left:
            talked_ms = max(0, _between(contact.answered_at, at) - contact.held_ms)
            counts = {"handled": 1, "talk_ms": talked_ms, "hold_ms": contact.held_ms}
            ended = replace(contact, ended_at=_sooner(contact.ended_at, at), talked_ms=talked_ms, left=True)
            return ended, _elsewhere(ended, event, at, counts) + _of_agent(contact.agent_id, at, counts)
        case interaction.Ended() if contact.external and contact.waiting and contact.queued_at:
            waited_ms = _between(contact.queued_at, at)
            left = replace(
                contact, ended_at=_sooner(contact.ended_at, at), waiting=False, waited_ms=waited_ms
            )
            return left, _elsewhere(left, event, contact.queued_at, _abandoned(waited_ms))
        case interaction.Ended():
            return replace(contact, ended_at=_sooner(contact.ended_at, at)), []
        case _:
            return contact, []


def _sooner(known: datetime | None, at: datetime) -> datetime:
    """Return the earlier of two times: the same whichever is read first."""
    return min(known or at, at)


def _between(start: datetime, end: datetime) -> int:
    """Return the milliseconds between two times: none where the teller's clock was put back."""
    return max(0, (end - start) // MS)


def _entered(at: datetime, waited_ms: int) -> datetime:
    """Return when the contact entered its queue: the interval in which offered, answered and left count."""
    return at - waited_ms * MS


def _abandoned(waited_ms: int) -> Counts:
    return {"abandoned": 1, "abandon_wait_ms": waited_ms, within(ABANDONED_WAIT, waited_ms): 1}


def _estimated(errors_ms: Sequence[int]) -> Counts:
    """Return what waits told to a customer count, each compared with the wait that came."""
    if not errors_ms:
        return {}
    steps = Counter(within(ESTIMATE_ERROR, abs(each)) for each in errors_ms)
    over_ms = sum(each for each in errors_ms if each > 0)
    sums = {"estimate_over_ms": over_ms, "estimate_under_ms": over_ms - sum(errors_ms)}
    return {"estimates": len(errors_ms), **sums, **steps}


def _survey(data: session.SurveyAnswered) -> Counts:
    counts = {"surveys": 1}
    if data.csat is not None:
        counts |= {"csat_answers": 1, "csat_sum": data.csat, "csat_satisfied": int(data.csat >= 4)}
    if data.nps is not None:
        counts |= {
            "nps_answers": 1,
            "nps_promoters": int(data.nps >= 9),
            "nps_detractors": int(data.nps <= 6),
        }
    if data.ces is not None:
        counts |= {"ces_answers": 1, "ces_sum": data.ces}
    return counts


def _in_queue(event: AnyEvent, data: routing._RoutingFact, at: datetime, counts: Counts) -> list[Count]:
    return [*_of_queue(data.queue_id, at, counts), *_everywhere(event, data.channel, at, counts)]


def _elsewhere(contact: Contact, event: AnyEvent, at: datetime, counts: Counts) -> list[Count]:
    return [*_of_queue(contact.queue_id, at, counts), *_everywhere(event, contact.channel, at, counts)]


def _of_queue(queue_id: str, at: datetime, counts: Counts) -> list[Count]:
    return [("queue", queue_id, at, counts)] if queue_id else []


def _of_agent(agent_id: str, at: datetime, counts: Counts) -> list[Count]:
    return [("agent", agent_id, at, counts)] if agent_id else []


def _everywhere(event: AnyEvent, channel: str, at: datetime, counts: Counts) -> Iterator[Count]:
    if channel:
        yield "channel", channel, at, counts
    yield "tenant", event.tenant, at, counts
