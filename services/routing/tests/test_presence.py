"""Agents' presence, as tables."""

import pytest

from libs.events import agent, routing
from libs.events.base import Fact
from services.routing.tests import cases
from services.routing.tests.cases import Floor, floor, names


def busy() -> Floor:
    pool = floor().staff("ana")
    pool.tell(cases.queued("c1"), 10)
    pool.accept("c1", 10)
    return pool


def test_it_lets_an_agent_in_not_ready() -> None:
    pool = floor(cases.service(), cases.configured("ana"))

    (entered,) = pool.tell(cases.signed_in("ana"), 5)

    assert isinstance(entered, agent.StateEntered)
    assert (entered.state, entered.reason, entered.previous) == ("not_ready", "signed_in", "signed_out")
    assert pool.tell(cases.signed_in("ana"), 6) == []


def test_it_tells_states_that_tile_the_day() -> None:
    pool = floor(cases.service(wrap_up_s=20)).staff("ana")
    pool.tell(cases.queued("c1"), 10)
    pool.accept("c1", 12)
    pool.tell(cases.withdrawn("c1"), 42)
    pool.wait_until(62)
    pool.tell(cases.not_ready("ana", "break"), 70)
    pool.tell(cases.signed_out("ana"), 100)

    states = [each.data for each in pool.told if isinstance(each.data, agent.StateEntered)]
    assert [(each.state, each.since, each.previous_ms) for each in states[1:]] == [
        ("ready", cases.at(0), 0),
        ("offered", cases.at(10), 10_000),
        ("busy", cases.at(12), 2_000),
        ("wrap_up", cases.at(42), 30_000),
        ("ready", cases.at(62), 20_000),
        ("not_ready", cases.at(70), 8_000),
        ("signed_out", cases.at(100), 30_000),
    ]


def test_it_lets_a_break_begin_after_the_contact_during_which_it_was_asked_for() -> None:
    pool = busy()

    assert pool.tell(cases.not_ready("ana", "lunch"), 20) == []
    pool.tell(cases.withdrawn("c1"), 30)
    assert pool.state("ana") == "wrap_up"
    pool.tell(cases.wrapped_up("c1", "ana"), 40)

    assert pool.state("ana") == "not_ready:lunch"


def test_it_leaves_the_offer_with_an_agent_who_asks_for_a_break() -> None:
    pool = floor().staff("ana")
    pool.tell(cases.queued("c1"), 10)

    assert pool.tell(cases.not_ready("ana", "lunch"), 11) == []
    pool.wait_until(25)

    assert pool.state("ana") == "not_ready:lunch"


def test_it_takes_the_offer_from_an_agent_whom_a_supervisor_takes_out() -> None:
    pool = floor().staff("ana", "bob")
    pool.tell(cases.queued("c1"), 10)

    facts = pool.tell(cases.not_ready("ana", "training", by="sue"), 11)

    assert names(facts)[:2] == ["offer_withdrawn", "contact_requeued"]
    assert (pool.state("ana"), pool.state("bob")) == ("not_ready:training", "offered")


def test_it_requeues_the_offer_of_an_agent_who_signs_out() -> None:
    pool = floor().staff("ana")
    pool.tell(cases.queued("c1"), 10)

    facts = pool.tell(cases.signed_out("ana"), 12)

    assert names(facts) == ["offer_withdrawn", "contact_requeued", "state_entered"]
    assert pool.contact("c1").since == cases.at(10)
    assert pool.state("ana") == "signed_out"


def test_it_puts_the_customer_of_a_lost_agent_ahead_of_others() -> None:
    pool = busy()
    pool.tell(cases.queued("vip", vip_level=3), 11)

    facts = pool.tell(cases.signed_out("ana"), 60)

    lost = next(each for each in facts if isinstance(each, routing.ContactRequeued))
    assert (lost.cause, lost.agent_id) == ("agent_lost", "ana")
    pool.staff("bob")
    assert pool.contact("c1").agent_id == "bob"
    assigned = pool.accept("c1", 65)[0]
    assert isinstance(assigned, routing.ContactAssigned)
    assert assigned.waited_ms == 5000


def test_it_ends_the_wrap_up_of_an_agent_who_signs_out() -> None:
    pool = busy()
    pool.tell(cases.withdrawn("c1"), 20)

    facts = pool.tell(cases.signed_out("ana"), 25)

    assert names(facts) == ["contact_wrapped_up", "state_entered"]
    assert isinstance(facts[0], routing.ContactWrappedUp)
    assert (facts[0].timed_out, facts[0].wrap_up_ms) == (True, 5000)


def test_it_wraps_up_by_the_agents_word_with_codes() -> None:
    pool = busy()
    pool.tell(cases.withdrawn("c1"), 20)

    facts = pool.tell(cases.wrapped_up("c1", "ana", "card_lost"), 30)

    assert names(facts) == ["contact_wrapped_up", "state_entered"]
    assert isinstance(facts[0], routing.ContactWrappedUp)
    assert (facts[0].codes, facts[0].wrap_up_ms, facts[0].timed_out) == (("card_lost",), 10_000, False)
    assert pool.state("ana") == "ready"


def test_it_keeps_what_the_agent_noted_before_it_heard_of_the_end() -> None:
    """The note and the end of a contact come by two topics, and one of them may be late."""
    pool = busy()

    assert pool.tell(cases.wrapped_up("c1", "ana", "too_early"), 19) == []
    assert pool.tell(cases.wrapped_up("c1", "ana", "card_lost"), 20) == []
    assert pool.state("ana") == "busy"
    facts = pool.tell(cases.withdrawn("c1"), 21)

    assert names(facts) == ["contact_released", "contact_wrapped_up", "state_entered"]
    assert isinstance(facts[1], routing.ContactWrappedUp)
    assert (facts[1].codes, facts[1].wrap_up_ms, facts[1].timed_out) == (("card_lost",), 0, False)
    assert pool.state("ana") == "ready"


def test_it_wraps_up_by_the_time_limit() -> None:
    pool = busy()
    pool.tell(cases.withdrawn("c1"), 20)

    facts = pool.wait_until(80)

    assert names(facts) == ["contact_wrapped_up", "state_entered"]
    assert isinstance(facts[0], routing.ContactWrappedUp)
    assert (facts[0].timed_out, facts[0].wrap_up_ms) == (True, 60_000)


def test_it_wraps_up_at_once_where_no_time_is_given() -> None:
    pool = floor(cases.service(wrap_up_s=0)).staff("ana")
    pool.tell(cases.queued("c1"))
    pool.accept("c1")

    facts = pool.tell(cases.withdrawn("c1"), 9)

    assert names(facts) == ["contact_released", "contact_wrapped_up", "state_entered"]
    assert pool.state("ana") == "ready"


def test_it_keeps_an_agent_busy_who_wraps_up_one_chat_beside_another() -> None:
    pool = floor().staff("ana")
    for contact_id in ("c1", "c2"):
        pool.tell(cases.queued(contact_id, channel="chat"))
        pool.accept(contact_id)

    pool.tell(cases.withdrawn("c1"), 20)
    assert pool.state("ana") == "busy"
    pool.tell(cases.withdrawn("c2"), 30)
    assert pool.state("ana") == "wrap_up"
    pool.tell(cases.queued("c3", channel="chat"), 31)
    assert pool.contact("c3").state == "waiting"


@pytest.mark.parametrize(
    ("request_of", "code"),
    [
        (cases.signed_in("nobody"), "unknown_agent"),
        (cases.signed_in("gone"), "unknown_agent"),
        (cases.signed_out("nobody"), "unknown_agent"),
        (cases.ready("nobody"), "unknown_agent"),
        (cases.ready("away"), "not_signed_in"),
        (cases.wrapped_up("c1", "nobody"), "unknown_agent"),
        (cases.wrapped_up("c1", "away"), "not_in_wrap_up"),
        (cases.wrapped_up("unheard", "ana"), "unknown_contact"),
    ],
)
def test_it_refuses_what_cannot_be_done(request_of: Fact, code: str) -> None:
    pool = busy()
    pool.tell(cases.configured("away"))
    pool.tell(cases.configured("gone", enabled=False))
    before = pool.pool
    cause = cases.event(request_of, 20)

    facts = pool.apply(cause, 20)

    assert isinstance(facts[0], agent.RequestRefused)
    assert (names(facts), facts[0].code, facts[0].request_id) == (["request_refused"], code, cause.id)
    assert pool.pool is before


def test_it_tells_a_supervisor_that_his_request_was_refused() -> None:
    facts = floor().tell(cases.ready("nobody", by="sue"))

    assert isinstance(facts[0], agent.RequestRefused)
    assert facts[0].agent_id == "sue"


def test_it_signs_out_an_agent_who_is_disabled() -> None:
    pool = busy()

    facts = pool.tell(cases.configured("ana", enabled=False), 20)

    assert names(facts) == ["contact_requeued", "state_entered"]
    assert pool.state("ana") == "signed_out"


def test_it_finds_work_for_an_agent_who_learned_a_skill() -> None:
    pool = floor(cases.service(needs=(cases.hard("zh", 3),))).staff("ana")
    pool.tell(cases.queued("c1"))

    pool.tell(cases.configured("ana", skills={"zh": 3}), 5)

    assert pool.contact("c1").state == "offered"


def test_it_looks_again_at_who_waits_where_a_queue_asks_for_less() -> None:
    pool = floor(cases.service(needs=(cases.hard("zh", 3),))).staff("ana")
    pool.tell(cases.queued("c1"))

    pool.tell(cases.service(), 5)

    assert pool.contact("c1").state == "offered"


def test_it_tells_a_changed_capacity_once() -> None:
    pool = floor()

    assert names(pool.tell(cases.configured("ana", chats=2))) == ["capacity_changed"]
    assert pool.tell(cases.configured("ana", chats=2)) == []
    assert names(pool.tell(cases.configured("ana", chats=4))) == ["capacity_changed"]
