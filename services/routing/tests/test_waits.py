"""Places and estimated waits."""

from datetime import datetime

import pytest

from libs.events import queue, routing
from services.routing.domain.model import Queue
from services.routing.domain.waits import estimate_ms, expected, learned
from services.routing.tests import cases
from services.routing.tests.cases import POOL, Floor, floor


@pytest.mark.parametrize(
    ("position", "servers", "expected_ms"),
    [(1, 0, 180_000), (1, 1, 180_000), (3, 2, 270_000), (2, 6, 60_000)],
)
def test_it_estimates_by_place_and_those_who_serve(position: int, servers: int, expected_ms: int) -> None:
    config = queue.QueueConfigured(pool_id=POOL, queue_id="q")

    assert estimate_ms(position, Queue(config), servers) == expected_ms


def test_it_learns_the_handling_time_from_the_last_twenty_or_so() -> None:
    wise = learned(Queue(queue.QueueConfigured(pool_id=POOL, queue_id="q")), 60_000)

    assert wise.mean_handling_ms == 60_000
    assert learned(wise, 120_000).mean_handling_ms == 90_000
    for _ in range(200):
        wise = learned(wise, 300_000)
    assert 299_000 < wise.mean_handling_ms <= 300_000


def test_it_counts_talk_and_wrap_up_as_handling() -> None:
    pool = floor().staff("ana")
    pool.tell(cases.queued("c1"))
    pool.accept("c1", 0)
    pool.tell(cases.withdrawn("c1"), 100)
    pool.tell(cases.wrapped_up("c1", "ana"), 120)

    seen = pool.pool.queues["service"]

    assert (seen.handled, seen.mean_handling_ms) == (1, 120_000)


def test_it_tells_a_new_place_every_ten_seconds_at_most() -> None:
    pool = floor()
    for contact_id in ("c1", "c2", "c3"):
        pool.tell(cases.queued(contact_id))
    pool.tell(cases.withdrawn("c1"), 1)
    pool.tell(cases.withdrawn("c2"), 2)

    assert pool.wait_until(9.9) == []
    (fact,) = pool.wait_until(10)

    assert isinstance(fact, routing.WaitEstimated)
    assert (fact.contact_id, fact.position) == ("c3", 1)
    assert pool.wait_until(60) == []


def test_it_wants_no_tick_while_nobody_waits() -> None:
    pool = floor()
    pool.tell(cases.queued("c1"))

    pool.tell(cases.withdrawn("c1"), 1)

    assert pool.pool.estimate_at is None


def test_it_counts_places_by_queue() -> None:
    pool = floor(cases.service(), cases.service("sales"))
    pool.tell(cases.queued("c1"))

    facts = pool.tell(cases.queued("c2", "sales"))

    (wait,) = [each for each in facts if isinstance(each, routing.WaitEstimated)]
    assert wait.position == 1


def served(pool: Floor, contact_id: str, begins: float, ends: float) -> tuple[int, ...]:
    """Let ana take a contact and be through with it; return the errors of the waits it was told."""
    pool.wait_until(begins)
    (assigned, *_) = [
        each for each in pool.accept(contact_id, begins) if isinstance(each, routing.ContactAssigned)
    ]
    pool.wait_until(ends)
    pool.tell(cases.withdrawn(contact_id), ends)
    return assigned.estimate_errors_ms


def minute_each(*arrivals: float) -> Floor:
    """Return a pool with one agent who has learned that a contact takes a minute, and took one at nine."""
    pool = floor(cases.service(wrap_up_s=0)).staff("ana")
    pool.tell(cases.queued("c0"), 0)
    served(pool, "c0", 0, 60)
    pool.tell(cases.queued("c1"), 60)
    pool.accept("c1", 60)
    for number, seconds in enumerate(arrivals, 2):
        pool.wait_until(seconds)
        pool.tell(cases.queued(f"c{number}"), seconds)
    return pool


def test_it_is_right_where_each_contact_takes_as_long_as_told() -> None:
    pool = minute_each(60, 60)
    pool.wait_until(120)
    pool.tell(cases.withdrawn("c1"), 120)

    assert served(pool, "c2", 120, 180) == (0,)  # it was told a minute, at 60
    # Two minutes were told at 60; one of them at 130, ten seconds after the other had moved up.
    assert served(pool, "c3", 180, 240) == (0, 10_000)


def test_it_measures_how_far_what_was_told_is_from_what_came() -> None:
    pool = minute_each(90)
    pool.wait_until(115)
    pool.tell(cases.withdrawn("c1"), 115)

    # A minute was told at 90; ana was free after 25 seconds, and took five more to answer.
    assert served(pool, "c2", 120, 180) == (30_000,)


def test_it_forgets_what_was_told_in_another_queue() -> None:
    pool = minute_each(90)
    pool.tell(cases.service("vip"), 91)
    pool.tell(cases.moved("c2", "vip"), 95)
    pool.wait_until(120)
    pool.tell(cases.withdrawn("c1"), 120)

    # Three minutes were told in the queue that has seen nobody through; the minute told in the other is gone.
    assert served(pool, "c2", 125, 180) == (150_000,)


def test_it_keeps_no_more_than_the_last_estimates() -> None:
    told: tuple[datetime, ...] = ()
    for second in range(300):
        told = expected(told, cases.at(second), 1000)

    assert (len(told), told[-1], told[0]) == (200, cases.at(300), cases.at(101))
