"""What a wait brings with it: less is asked of agents, and ways out open; each at its moment."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Literal, NamedTuple

from services.routing.domain import announcing
from services.routing.domain.expression import run
from services.routing.domain.facts import ContactFacts
from services.routing.domain.match import waited
from services.routing.domain.model import BEGINNING, Contact, Queue, seconds


def begun(contact: Contact, queue: Queue) -> Contact:
    """Return the contact with the moments set at which its wait in this queue will change something."""
    first = queue.rules.next_moment(0)
    return replace(
        contact,
        overflow_at=next_way_out(contact, queue, None),
        relax_at=contact.since + seconds(first) if first is not None else None,
        match_at=_next_beat(contact.since, queue.rules.strategy.select.together_s),
        announce_at=announcing.begun(contact, queue),
    )


def _next_beat(since: datetime, every_s: float) -> datetime | None:
    """Return the moment at which those who have come since the last one are matched together."""
    if not every_s:
        return None
    every = seconds(every_s)
    return since + every - (since - BEGINNING) % every


def next_relaxed(contact: Contact, queue: Queue, now: datetime) -> datetime | None:
    """Return when less will next be asked of agents."""
    moment = queue.rules.next_moment(waited(contact, now))
    return contact.since + seconds(moment) if moment is not None else None


def next_way_out(contact: Contact, queue: Queue, now: datetime | None) -> datetime | None:
    """Return when the next way out opens after `now`, the first one for None."""
    if not queue.rules.exits:  # the strategy leaves it to the queue
        limit_s = queue.config.max_wait_s
        return contact.since + seconds(limit_s) if limit_s and now is None else None
    waited_s = -1.0 if now is None else waited(contact, now)
    later = (each.after_s for each in queue.rules.exits if each.after_s > waited_s)
    moment = next(later, None)
    return contact.since + seconds(moment) if moment is not None else None


class WayOut(NamedTuple):
    """Where a contact may go that waited too long: to a queue, or past agents."""

    to: str
    instead: Literal["", "voicemail", "callback"] = ""


def ways_out(contact: Contact, queue: Queue, now: datetime) -> Iterator[WayOut]:
    """Yield where the contact may go by now, the way that opened first before the others."""
    if not queue.rules.exits:
        yield WayOut(queue.config.overflow_queue_id)
        return
    facts = ContactFacts(contact, queue)
    for each in queue.rules.exits:
        if each.after_s <= waited(contact, now) and run(each.when)(facts):
            yield WayOut(each.to, each.instead)
