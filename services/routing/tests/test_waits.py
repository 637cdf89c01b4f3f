"""Places and estimated waits."""

import pytest

from libs.events import queue, routing
from services.routing.domain.model import Queue
from services.routing.domain.waits import estimate_ms, learned
from services.routing.tests import cases
from services.routing.tests.cases import POOL, floor


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
