"""Analytics computed again from its topics is what it was, and tells nothing that was told before."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from libs.events import routing, session
from libs.events.base import AnyEvent, Event
from libs.local import LocalBus, LocalStore
from libs.projections import tell_nothing
from services.analytics.domain.agent_time import AgentTime
from services.analytics.domain.contact import Contact
from services.analytics.domain.interval import GRACE, RESTATE, Interval
from services.analytics.handlers import SOURCE, Counting
from services.analytics.rebuilding import Recounting, counts_of

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=15) + GRACE
OF = {"session_id": "s", "contact_id": "c", "pool_id": "main", "queue_id": "service", "channel": "chat"}


class House:
    """Stores of analytics in memory."""

    def __init__(self) -> None:
        self.contacts: LocalStore[Contact] = LocalStore("contacts", lambda key: Contact(key.id))
        self.agents: LocalStore[AgentTime] = LocalStore("agents", lambda key: AgentTime(key.id))
        self.intervals: LocalStore[Interval] = LocalStore(
            "intervals", lambda key: Interval(), lambda interval: interval.due_at
        )


def life() -> list[AnyEvent]:
    """Return a contact that waits and gives up."""
    waiting = routing.ContactEnqueued.model_validate(OF)
    gone = routing.ContactAbandoned.model_validate({**OF, "waited_ms": 5000})
    began = session.Started.model_validate(
        {"session_id": "s", "interaction_id": "c", "channel": "chat", "entry_point": "web"}
    )
    return [
        Event("e-1", "acme", NOON, began, "j"),
        Event("e-2", "acme", NOON, waiting, "j"),
        Event("e-3", "acme", NOON + timedelta(seconds=5), gone, "j"),
    ]


async def lived(bus: LocalBus, house: House, events: Sequence[AnyEvent]) -> None:
    """Let the service count events and close the interval."""
    counting = Counting(house.contacts, house.agents, house.intervals, bus, lambda: NOON)
    await bus.publish(events)
    await counting.handle(events)
    await counting.intervals.tick(LATER)


async def rebuilt(bus: LocalBus) -> tuple[House, Recounting]:
    house = House()
    fold = Recounting(house.contacts, house.agents, house.intervals, tell_nothing, lambda: LATER)
    for topic in sorted(bus.topics):  # what was told comes first: topics are read in any order
        await fold.take(bus.topics[topic])
    await fold.finish()
    return house, fold


async def test_it_is_the_same_and_is_not_told_again() -> None:
    bus, house = LocalBus(), House()
    await lived(bus, house, life())
    told = len(bus.topics["trunkline.analytics"])

    other, fold = await rebuilt(bus)
    counting = Counting(other.contacts, other.agents, other.intervals, bus, lambda: LATER)
    await counting.intervals.tick(LATER + RESTATE + GRACE)

    assert told == 2  # of the queue and of the channel
    assert len(bus.topics["trunkline.analytics"]) == told
    assert {key: stored.state for key, stored in other.contacts.kept.items()} == {
        key: stored.state for key, stored in house.contacts.kept.items()
    }
    tenant = [key for key in house.intervals.kept if key.id.startswith("tenant.")]
    for key, stored in house.intervals.kept.items():
        same = other.intervals.kept[key]
        assert same.state.counts == stored.state.counts
        if key not in tenant:
            assert (same.state.revision, same.sequence) == (stored.state.revision, stored.sequence) == (1, 1)
            assert same.state.due_at is None
    assert fold.touched["intervals"] == {str(key) for key in house.intervals.kept}


async def test_it_restates_what_was_told_wrongly() -> None:
    bus, house = LocalBus(), House()
    *some, last = life()
    await lived(bus, house, some)
    await bus.publish([last])  # never counted by the service

    other, _ = await rebuilt(bus)
    counting = Counting(other.contacts, other.agents, other.intervals, bus, lambda: LATER)
    await counting.intervals.tick(LATER + RESTATE)

    queue = [event for event in bus.told("trunkline.analytics") if event.key == "service"]
    assert [(event.sequence, event.data.revision) for event in queue] == [(1, 1), (2, 2)]  # type: ignore[attr-defined]  # they are of one type
    assert {event.source for event in queue} == {f"{SOURCE}/intervals"}
    assert len({event.id for event in queue}) == 2


def test_it_compares_figures_only() -> None:
    one = {"state": {"dimension": "queue", "id": "q", "start": NOON, "counts": {"offered": 1}, "revision": 1}}
    other = {"state": {**one["state"], "revision": 2}}

    assert counts_of(one) == counts_of(other)
    assert counts_of(one) != counts_of({"state": {**one["state"], "counts": {"offered": 2}}})
