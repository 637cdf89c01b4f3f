"""What the audit counts from its accounts and what analytics counts fact by fact is the same."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from libs.events.base import AnyEvent
from libs.local import LocalBus, LocalStore
from services.analytics.domain.agent_time import AgentTime
from services.analytics.domain.contact import Contact
from services.analytics.domain.interval import Interval
from services.analytics.handlers import WANTED, Counting
from services.audit.domain.verdict import audit
from services.audit.tests.making import Day, clean, external
from services.routing.tests import cases
from services.routing.tests.cases import Floor

LONG_AFTER_S = 7200.0


async def counted(events: Sequence[AnyEvent]) -> list[AnyEvent]:
    """Return the history with what analytics tells of it, and an event of long after."""
    bus = LocalBus()
    end = max(event.time for event in events)
    intervals: LocalStore[Interval] = LocalStore(
        "intervals", lambda key: Interval(), lambda state: state.due_at
    )
    counting = Counting(
        LocalStore[Contact]("contacts", lambda key: Contact(key.id)),
        LocalStore[AgentTime]("agents", lambda key: AgentTime(key.id)),
        intervals,
        bus,
        lambda: end,
    )
    await counting.handle([event for event in events if isinstance(event.data, WANTED)])
    await counting.intervals.tick(end + timedelta(seconds=LONG_AFTER_S))
    return [*events, *bus.told("trunkline.analytics"), *Day(seconds=3 * LONG_AFTER_S).quiet().events]


@pytest.mark.parametrize("day", [clean, external])
async def test_it_agrees_on_days_of_all_kinds(day: Callable[[], Day]) -> None:
    told = [event for event in day().events if not event.type.startswith("trunkline.analytics")]

    assert [each for each in audit(await counted(told)) if each.rule == "I6"] == []


def a_queue_with_overflow() -> Floor:
    new = cases.floor(
        cases.service("service", max_wait_s=30, overflow_queue_id="sales"),
        cases.service("sales"),
    )
    return new.staff("ana", "ben")


def agent_lost() -> Floor:
    """An agent signs out while he talks; another takes the contact over."""
    new = a_queue_with_overflow()
    new.tell(cases.queued("c-1"), 10)
    new.accept("c-1", 11)
    holder = new.contact("c-1").agent_id
    new.tell(cases.signed_out(holder), 20)
    new.accept("c-1", 25)
    new.tell(cases.withdrawn("c-1"), 40)
    return new


def lost_and_gone() -> Floor:
    """An agent signs out while he talks, and the customer does not wait."""
    new = cases.floor(cases.service("service")).staff("ana")
    new.tell(cases.queued("c-1"), 10)
    new.accept("c-1", 11)
    new.tell(cases.signed_out("ana"), 20)
    new.tell(cases.withdrawn("c-1"), 40)
    return new


def overflowed() -> Floor:
    new = cases.floor(
        cases.service("service", max_wait_s=30, overflow_queue_id="sales"), cases.service("sales")
    )
    new.tell(cases.queued("c-1"), 10)
    new.wait_until(50)
    new.tell(cases.withdrawn("c-1"), 60)
    return new


def transferred() -> Floor:
    new = a_queue_with_overflow()
    new.tell(cases.queued("c-1"), 10)
    new.accept("c-1", 11)
    new.tell(cases.transfer("c-1", new.contact("c-1").agent_id, "sales"), 20)
    new.accept("c-1", 25)
    new.tell(cases.withdrawn("c-1"), 40)
    return new


def offered_in_vain() -> Floor:
    new = a_queue_with_overflow()
    new.tell(cases.queued("c-1"), 10)
    new.decline("c-1", 12)
    new.tell(cases.signed_out(new.contact("c-1").agent_id), 13)
    new.tell(cases.withdrawn("c-1"), 14)
    return new


@pytest.mark.parametrize("floor", [agent_lost, lost_and_gone, overflowed, transferred, offered_in_vain])
async def test_it_agrees_on_what_routing_tells(floor: Callable[[], Floor]) -> None:
    log = [event._replace(sequence=number) for number, event in enumerate(floor().told, 1)]

    breaches = audit(await counted(log), ended=True)

    assert [each for each in breaches if each.rule == "I6"] == []
