"""Places in a queue, and how long a contact will probably wait."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from libs.events.base import Channel
from services.routing.domain.match import lacking
from services.routing.domain.model import Agent, Contact, Queue
from services.routing.domain.urgency import in_order

REMEMBERED_ESTIMATES = 200  # of one wait; one is told every ten seconds at most
LEARNED_FROM = 20  # contacts: the mean follows the day, one long talk does not turn it over


def learned(queue: Queue, handling_ms: int) -> Queue:
    """Return the queue with one more contact seen through, talk and wrap-up together."""
    handled = queue.handled + 1
    before = queue.mean_handling_ms if queue.handled else float(handling_ms)
    mean = before + (handling_ms - before) / min(handled, LEARNED_FROM)
    return replace(queue, handled=handled, mean_handling_ms=mean)


def positions(contacts: Iterable[Contact], queues: Mapping[str, Queue], now: datetime) -> dict[str, int]:
    """Return the place of each waiting contact in its queue, from 1."""
    counts: dict[str, int] = {}
    places: dict[str, int] = {}
    for contact in in_order([each for each in contacts if each.state == "waiting"], queues, now):
        counts[contact.queue_id] = places[contact.contact_id] = counts.get(contact.queue_id, 0) + 1
    return places


def servers(queue: Queue, channel: Channel, agents: Iterable[Agent]) -> int:
    """
    Return how many contacts of a channel the agents at work in a queue can serve at once.

    Whose shift is over finishes what he has and takes nobody who waits, so he does not count.
    """
    return sum(
        agent.config.capacity.get(channel, 0)
        for agent in agents
        if agent.on_duty
        and (agent.holds or agent.wants == "ready")
        and not lacking(agent, queue.config.needs)
    )


def estimate_ms(position: int, queue: Queue, servers_now: int) -> int:
    """
    Return the expected wait: position x mean handling time / contacts served at once.

    With n served at once one ends every (mean / n); the contact at place p goes with the p-th of them.
    """
    return round(position * queue.mean_handling_ms / max(1, servers_now))


def expected(before: tuple[datetime, ...], now: datetime, wait_ms: int) -> tuple[datetime, ...]:
    """Return when a contact should be answered by each wait it was told, the one told now included."""
    return (*before, now + timedelta(milliseconds=wait_ms))[-REMEMBERED_ESTIMATES:]


def errors_ms(expected_at: Iterable[datetime], answered_at: datetime) -> tuple[int, ...]:
    """Return the wait told less the wait that came, for each wait told: more than 0 where it came sooner."""
    return tuple(round((each - answered_at) / timedelta(milliseconds=1)) for each in expected_at)
