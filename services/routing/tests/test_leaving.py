"""Queues and agents are removed, and reasons are configured: what becomes of whom that concerns."""

from dataclasses import replace

from libs.events import agent, queue, routing
from services.routing.domain.decide import decide
from services.routing.tests import cases
from services.routing.tests.cases import POOL, at, floor, names

NO_QUEUE = queue.QueueRemoved(pool_id=POOL, queue_id="service")
NO_ANA = queue.AgentRemoved(pool_id=POOL, agent_id="ana")
REASONS = queue.ReasonsConfigured(
    pool_id=POOL, reasons=(queue.Reason(reason_id="break", name="Break"), queue.Reason(reason_id="training"))
)


def test_an_empty_queue_goes_at_once() -> None:
    here = floor()

    assert here.tell(NO_QUEUE, 1) == []
    assert not here.pool.queues and not here.pool.leaving
    (refused,) = here.tell(cases.queued("c-1"), 2)
    assert isinstance(refused, routing.ContactRejected)
    assert refused.reason == "unknown_queue"


def test_a_queue_goes_when_its_last_contact_has_been_wrapped_up() -> None:
    here = floor().staff("ana")
    here.tell(cases.queued("c-1"), 2)
    here.tell(NO_QUEUE, 3)
    (rejected,) = here.tell(cases.queued("c-2"), 4)
    here.accept("c-1", 5)
    here.tell(cases.withdrawn("c-1"), 6)

    assert names([rejected]) == ["contact_rejected"]
    assert here.pool.leaving == ("service",) and here.state("ana") == "wrap_up"

    here.tell(cases.wrapped_up("c-1", "ana"), 7)

    assert not here.pool.queues and not here.pool.leaving


def test_who_waits_in_a_queue_that_goes_is_still_served() -> None:
    here = floor()
    here.tell(cases.queued("c-1"), 1)
    here.tell(NO_QUEUE, 2)
    here.staff("ana")

    assert here.contact("c-1").agent_id == "ana"


def test_a_queue_that_is_configured_again_stays() -> None:
    here = floor()
    here.tell(cases.queued("c-1"), 1)
    here.tell(NO_QUEUE, 2)
    here.tell(cases.service(), 3)
    here.tell(cases.withdrawn("c-1"), 4)

    assert here.pool.leaving == ()
    assert here.pool.queues["service"].config.enabled


def test_an_agent_goes_as_if_signed_out_and_his_contact_waits_again() -> None:
    here = floor().staff("ana")
    here.tell(cases.queued("c-1"), 1)
    here.accept("c-1", 2)

    told = here.tell(NO_ANA, 3)

    assert names(told) == ["contact_requeued", "state_entered"]
    assert isinstance(told[-1], agent.StateEntered) and told[-1].state == "signed_out"
    assert here.pool.agents == {} and here.contact("c-1").state == "waiting"
    assert here.tell(NO_ANA, 4) == []


def test_others_are_matched_as_before_when_one_has_gone() -> None:
    here = floor().staff("ana", "bob", "cem")
    here.tell(NO_ANA, 4)

    here.tell(cases.queued("c-1"), 5)

    assert here.contact("c-1").agent_id == "bob"
    cause = cases.event(cases.queued("c-2"), 6)
    assert decide(here.pool, cause, at(6)) == decide(replace(here.pool, index=None), cause, at(6))


def test_nobody_is_not_ready_for_another_reason_than_the_configured() -> None:
    here = floor().staff("ana")
    here.tell(REASONS, 1)

    (refused,) = here.tell(cases.not_ready("ana", "shopping"), 2)
    (by_sue,) = here.tell(cases.not_ready("ana", "", by="sue"), 3)

    assert isinstance(refused, agent.RequestRefused) and isinstance(by_sue, agent.RequestRefused)
    assert (refused.agent_id, by_sue.agent_id) == ("ana", "sue")
    assert refused.detail == "unknown_reason: one of break, training"
    assert here.state("ana") == "ready"
    here.tell(cases.not_ready("ana", "training"), 4)
    assert here.state("ana") == "not_ready:training"
    here.tell(cases.ready("ana"), 5)
    assert here.state("ana") == "ready"


def test_any_reason_will_do_where_none_are_configured() -> None:
    here = floor().staff("ana")
    here.tell(REASONS, 1)
    here.tell(queue.ReasonsConfigured(pool_id=POOL), 2)

    here.tell(cases.not_ready("ana", "shopping"), 3)

    assert here.state("ana") == "not_ready:shopping"


def test_many_reasons_are_named_as_far_as_there_is_room() -> None:
    here = floor().staff("ana")
    many = tuple(queue.Reason(reason_id=f"reason-{number}") for number in range(100))
    here.tell(queue.ReasonsConfigured(pool_id=POOL, reasons=many), 1)

    (refused,) = here.tell(cases.not_ready("ana", "shopping"), 2)

    assert isinstance(refused, agent.RequestRefused)
    assert refused.detail.endswith("...") and len(refused.detail) == 256
