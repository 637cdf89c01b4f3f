"""Counting as a whole: twice changes nothing, and the sums equal a fold of another make over the topics."""

import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from libs.events import routing
from libs.events.base import AnyEvent, Event
from libs.local import LocalBus, LocalStore
from libs.stored import Key
from services.analytics.domain.agent_time import AgentTime
from services.analytics.domain.contact import Contact
from services.analytics.domain.interval import Interval
from services.analytics.domain.kpis import figures
from services.analytics.handlers import Counting

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Centre:
    """Analytics in memory."""

    def __init__(self) -> None:
        self.bus = LocalBus()
        self.intervals: LocalStore[Interval] = LocalStore("intervals", lambda key: Interval())
        self.counting = Counting(
            LocalStore("contacts", lambda key: Contact(key.id)),
            LocalStore("agents", lambda key: AgentTime(key.id)),
            self.intervals,
            self.bus,
            lambda: NOON,
        )

    def sums(self, dimension: str) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for stored in self.intervals.kept.values():
            if stored.state.dimension == dimension:
                mine = found.setdefault(stored.state.id, {})
                for name, n in stored.state.counts.items():
                    mine[name] = mine.get(name, 0) + n
        return found


def day(seed: int, contacts: int) -> list[AnyEvent]:
    """Return a day's routing facts of contacts that wait and are answered or leave."""
    dice = random.Random(seed)
    events: list[AnyEvent] = []
    for n in range(contacts):
        entered = NOON + timedelta(seconds=dice.randrange(7200))
        shared = {
            "session_id": f"s{n}",
            "contact_id": f"c{n}",
            "pool_id": "main",
            "queue_id": dice.choice(["service", "sales"]),
            "channel": "chat",
        }
        waited_ms = dice.randrange(60_000)
        left = entered + timedelta(milliseconds=waited_ms)
        enqueued = routing.ContactEnqueued.model_validate(shared)
        events.append(Event(f"e{n}", "acme", entered, enqueued, "j"))
        if dice.random() < 0.8:
            told = {**shared, "offer_id": "o", "agent_id": "ana", "waited_ms": waited_ms}
            events.append(Event(f"a{n}", "acme", left, routing.ContactAssigned.model_validate(told), "j"))
        else:
            told = {**shared, "waited_ms": waited_ms}
            events.append(Event(f"x{n}", "acme", left, routing.ContactAbandoned.model_validate(told), "j"))
    return events


def fold(events: Sequence[AnyEvent], queue_id: str) -> dict[str, float]:
    """Return some figures computed straight from the facts, in a way of its own."""
    mine = [e.data for e in events if getattr(e.data, "queue_id", "") == queue_id]
    waits = [data.waited_ms for data in mine if isinstance(data, routing.ContactAssigned)]
    left = [data.waited_ms for data in mine if isinstance(data, routing.ContactAbandoned)]
    return {
        "offered": sum(isinstance(data, routing.ContactEnqueued) for data in mine),
        "answered": len(waits),
        "abandoned": len(left),
        "asa_ms": sum(waits) / len(waits),
        "service_level_20000ms": sum(wait <= 20_000 for wait in waits) / (len(waits) + len(left)),
    }


async def test_it_equals_a_fold_over_the_topics() -> None:
    centre, events = Centre(), day(7, 300)

    for start in range(0, len(events), 50):
        await centre.counting.handle(events[start : start + 50])

    for queue_id, counts in centre.sums("queue").items():
        made = figures(counts)
        expected = fold(events, queue_id)
        assert {name: made[name] for name in expected} == expected


async def test_it_counts_nothing_twice_and_in_any_order() -> None:
    once, twice, events = Centre(), Centre(), day(8, 200)
    await once.counting.handle(events)

    shuffled = [*events, *events]
    random.Random(1).shuffle(shuffled)
    for start in range(0, len(shuffled), 37):
        await twice.counting.handle(shuffled[start : start + 37])

    assert twice.sums("queue") == once.sums("queue")
    assert twice.sums("agent") == once.sums("agent")


async def test_it_adds_up_after_dying_between_contact_and_interval() -> None:
    centre, events = Centre(), day(9, 50)
    add_up = centre.counting.intervals
    centre.counting.contacts._tell = _die
    with suppress(ConnectionAbortedError):
        await centre.counting.handle(events)

    async def tell(counted: Sequence[AnyEvent]) -> None:
        await add_up([(Key(event.tenant, event.key), event) for event in counted], NOON)

    centre.counting.contacts._tell = tell
    await centre.counting.handle(events)

    other = Centre()
    await other.counting.handle(events)
    assert centre.sums("queue") == other.sums("queue")


async def _die(counted: Sequence[AnyEvent]) -> None:
    raise ConnectionAbortedError
