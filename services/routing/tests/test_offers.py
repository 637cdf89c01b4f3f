"""What becomes of offers, as tables."""

import pytest

from libs.events import queue, routing
from libs.events.base import Fact
from services.routing.tests import cases
from services.routing.tests.cases import POOL, Floor, floor, names


def offered(*agents: str) -> Floor:
    pool = floor().staff(*(agents or ("ana",)))
    pool.tell(cases.queued("c1"), 10)
    return pool


def test_it_assigns_the_contact_to_the_agent_who_accepts() -> None:
    pool = offered()

    facts = pool.accept("c1", 14)

    assert names(facts) == ["contact_assigned", "state_entered"]
    assert isinstance(facts[0], routing.ContactAssigned)
    assert (facts[0].agent_id, facts[0].waited_ms) == ("ana", 4000)
    assert pool.state("ana") == "busy"


def test_it_gives_a_declined_contact_to_the_next_agent() -> None:
    pool = offered("ana", "bob")

    facts = pool.decline("c1", 12)

    assert names(facts) == [
        "offer_declined",
        "contact_requeued",
        "decision_recorded",
        "agent_offered",
        "state_entered",
        "state_entered",
    ]
    assert (pool.state("ana"), pool.state("bob")) == ("not_ready:declined", "offered")
    assert pool.contact("c1").since == cases.at(10)


def test_it_expires_an_offer_nobody_answers_and_keeps_the_place() -> None:
    pool = offered()
    pool.tell(cases.queued("c2"), 11)

    pool.wait_until(24.9)
    assert pool.contact("c1").state == "offered"
    facts = pool.wait_until(25)

    assert names(facts)[:2] == ["offer_expired", "contact_requeued"]
    assert pool.state("ana") == "not_ready:no_answer"
    pool.tell(cases.ready("ana"), 40)
    assert (pool.contact("c1").state, pool.contact("c2").state) == ("offered", "waiting")


def test_it_takes_an_answer_that_comes_before_the_time_out_was_told() -> None:
    pool = offered()

    facts = pool.accept("c1", 25.5)

    assert names(facts)[0] == "contact_assigned"


def answer(kind: type[queue.OfferAccepted] | type[queue.OfferDeclined], **changed: str) -> Fact:
    fields = {"pool_id": POOL, "contact_id": "c1", "agent_id": "ana", "offer_id": "x", **changed}
    return kind.model_validate(fields)


@pytest.mark.parametrize("kind", [queue.OfferAccepted, queue.OfferDeclined])
@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"agent_id": "nobody"}, "unknown_agent"),
        ({"agent_id": "away"}, "not_signed_in"),
        ({"contact_id": "unheard"}, "unknown_contact"),
        ({"contact_id": "gone"}, "offer_expired"),
        ({"offer_id": "made-up"}, "unknown_offer"),
        ({"agent_id": "bob", "offer_id": "the open one"}, "not_your_contact"),
        ({"offer_id": "the lapsed one", "contact_id": "c2"}, "offer_expired"),
        ({"offer_id": "the taken one", "contact_id": "c3"}, "unknown_offer"),
    ],
)
def test_it_refuses_answers_to_what_is_not_on_offer(
    kind: type[queue.OfferAccepted] | type[queue.OfferDeclined], changed: dict[str, str], code: str
) -> None:
    pool = floor(cases.service(), cases.configured("away")).staff("ana")
    pool.tell(cases.queued("gone"))
    pool.tell(cases.withdrawn("gone"))
    pool.tell(cases.queued("c3"))
    taken = pool.contact("c3").offer_id
    pool.accept("c3")
    pool.staff("bob")
    pool.tell(cases.queued("c2"), 1)
    lapsed = pool.contact("c2").offer_id
    pool.decline("c2", 2)
    pool.staff("cem")
    pool.decline("c2", 2)
    pool.staff("dan")
    pool.accept("c2", 3)
    pool.staff("eva")
    pool.tell(cases.queued("c1"), 3)
    known = {"the open one": pool.contact("c1").offer_id, "the lapsed one": lapsed, "the taken one": taken}
    changed = {name: known.get(value, value) for name, value in changed.items()}
    before = pool.pool

    facts = pool.tell(answer(kind, **changed), 4)

    assert names(facts) == ["request_refused"]
    assert facts[0].model_dump()["code"] == code
    assert pool.pool is before


def test_it_makes_one_offer_at_a_time_to_an_agent() -> None:
    pool = floor().staff("ana")
    pool.tell(cases.queued("c1", channel="chat"))
    pool.tell(cases.queued("c2", channel="chat"))
    assert pool.contact("c2").state == "waiting"

    facts = pool.accept("c1", 3)

    assert names(facts) == ["contact_assigned", "decision_recorded", "agent_offered", "state_entered"]
    assert pool.contact("c2").state == "offered"


def test_it_gives_an_agent_as_many_chats_as_he_can_hold() -> None:
    pool = floor().staff("ana")
    for number in range(4):
        pool.tell(cases.queued(f"c{number}", channel="chat"))
    for number in range(3):
        pool.accept(f"c{number}")

    assert pool.contact("c3").state == "waiting"
    assert pool.agent("ana").load() == {"chat": 3}
    pool.tell(cases.withdrawn("c0"), 5)
    assert pool.contact("c3").state == "waiting"
    pool.tell(cases.wrapped_up("c0", "ana"), 6)
    assert pool.contact("c3").state == "offered"


@pytest.mark.parametrize(("first", "then"), [("voice", "chat"), ("chat", "voice"), ("voice", "voice")])
def test_it_gives_nothing_beside_a_call(first: str, then: str) -> None:
    pool = floor().staff("ana")
    pool.tell(cases.queued("c1", channel=first))
    pool.accept("c1")

    pool.tell(cases.queued("c2", channel=then))

    assert pool.contact("c2").state == "waiting"
