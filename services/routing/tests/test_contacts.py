"""What happens to contacts, as tables: what stood, what came, what was told."""

import pytest

from libs.events import routing
from libs.events.base import Fact
from services.routing.tests import cases
from services.routing.tests.cases import floor, hard, names


def test_it_offers_a_contact_at_once_to_an_agent_who_is_ready() -> None:
    pool = floor(cases.service()).staff("ana")

    facts = pool.tell(cases.queued("c1"), 10)

    assert names(facts) == ["contact_enqueued", "decision_recorded", "agent_offered", "state_entered"]
    offer = facts[2]
    assert isinstance(offer, routing.AgentOffered)
    assert (offer.agent_id, offer.waited_ms, offer.expires_at) == ("ana", 0, cases.at(25))
    assert pool.state("ana") == "offered"


def test_it_tells_place_and_reason_where_nobody_is_free() -> None:
    facts = floor().tell(cases.queued("c1"))

    assert names(facts) == ["contact_enqueued", "decision_recorded", "wait_estimated"]
    record, wait = facts[1:]
    assert isinstance(record, routing.DecisionRecorded)
    assert (record.rule, record.chosen_agent_id, record.considered) == ("no_agent", "", 0)
    assert isinstance(wait, routing.WaitEstimated)
    assert (wait.position, wait.estimated_wait_ms) == (1, 180_000)


@pytest.mark.parametrize(
    ("setting", "queue_id", "reason"),
    [
        (cases.service(), "elsewhere", "unknown_queue"),
        (cases.service(enabled=False), "service", "queue_disabled"),
        (cases.service(max_waiting=1), "service", "queue_full"),
    ],
)
def test_it_rejects_what_a_queue_cannot_take(setting: Fact, queue_id: str, reason: str) -> None:
    pool = floor(setting)
    pool.tell(cases.queued("first"))

    facts = pool.tell(cases.queued("c1", queue_id))

    assert isinstance(facts[0], routing.ContactRejected)
    assert (names(facts), facts[0].reason) == (["contact_rejected"], reason)


def test_it_admits_elsewhere_what_was_rejected() -> None:
    pool = floor()
    pool.tell(cases.queued("c1", "elsewhere"))

    facts = pool.tell(cases.queued("c1", "service"))

    assert names(facts)[0] == "contact_enqueued"


def test_it_lets_those_offered_not_count_as_waiting() -> None:
    pool = floor(cases.service(max_waiting=1)).staff("ana", "bob")
    for contact_id in ("c1", "c2", "c3"):
        assert names(pool.tell(cases.queued(contact_id)))[0] == "contact_enqueued"

    assert names(pool.tell(cases.queued("c4"))) == ["contact_rejected"]


def test_it_leaves_a_contact_already_here_as_it_is() -> None:
    pool = floor()
    pool.tell(cases.queued("c1"))
    before = pool.pool

    assert pool.tell(cases.queued("c1", vip_level=3)) == []
    assert pool.pool is before


def test_it_abandons_at_once_who_left_before_he_was_heard_of() -> None:
    pool = floor().staff("ana")

    assert pool.tell(cases.withdrawn("c1"), 5) == []
    facts = pool.tell(cases.queued("c1"), 6)

    assert names(facts) == ["contact_enqueued", "contact_abandoned"]
    assert pool.tell(cases.queued("c1"), 7) == []
    assert pool.state("ana") == "ready"


@pytest.mark.parametrize("first", ["withdrawn", "rejected"])
def test_it_remembers_who_left_beside_a_rejection(first: str) -> None:
    pool = floor()
    rejection, farewell = cases.queued("c1", "elsewhere"), cases.withdrawn("c1")
    for each in (farewell, rejection) if first == "withdrawn" else (rejection, farewell):
        pool.tell(each)

    assert names(pool.tell(cases.queued("c1"))) == ["contact_enqueued", "contact_abandoned"]


def test_it_lets_who_waits_abandon_with_his_wait() -> None:
    pool = floor()
    pool.tell(cases.queued("c1"))

    (fact,) = pool.tell(cases.withdrawn("c1"), 12.5)

    assert isinstance(fact, routing.ContactAbandoned)
    assert (fact.waited_ms, fact.by, fact.queue_id) == (12_500, "customer", "service")
    assert pool.tell(cases.withdrawn("c1"), 13) == []


def test_it_counts_the_wait_from_when_the_contact_was_queued_however_late_that_is_read() -> None:
    pool = floor()
    pool.apply(cases.event(cases.queued("c1"), 0), 30)

    (fact,) = pool.tell(cases.withdrawn("c1"), 40)

    assert isinstance(fact, routing.ContactAbandoned)
    assert fact.waited_ms == 40_000


def test_it_frees_the_agent_whose_offered_customer_left() -> None:
    pool = floor().staff("ana")
    pool.tell(cases.queued("c1"), 10)

    facts = pool.tell(cases.withdrawn("c1"), 15)

    assert names(facts) == ["offer_withdrawn", "contact_abandoned", "state_entered"]
    assert pool.state("ana") == "ready"
    assert pool.agent("ana").idle_since == cases.at(0)


def test_it_releases_who_talks_and_lets_the_agent_wrap_up() -> None:
    pool = floor().staff("ana")
    pool.tell(cases.queued("c1"), 10)
    pool.accept("c1", 12)

    facts = pool.tell(cases.withdrawn("c1"), 72)

    assert names(facts) == ["contact_released", "state_entered"]
    assert isinstance(facts[0], routing.ContactReleased)
    assert (facts[0].agent_id, facts[0].talked_ms) == ("ana", 60_000)
    assert pool.state("ana") == "wrap_up"


def test_it_serves_the_most_urgent_first_who_came_first_of_equals_next() -> None:
    pool = floor(cases.service(wrap_up_s=0), cases.service("vip", priority=30, wrap_up_s=0)).staff("ana")
    pool.tell(cases.queued("busy"))
    pool.accept("busy")
    for second, contact in enumerate(
        (
            cases.queued("early"),
            cases.queued("late"),
            cases.queued("urgent", priority=25),
            cases.queued("vip", vip_level=2),
            cases.queued("vip_queue", "vip"),
        )
    ):
        pool.tell(contact, second)

    order, second = [], 10
    pool.tell(cases.withdrawn("busy"), second)
    while pool.pool.contacts:
        offered = next(each for each in pool.pool.contacts.values() if each.state == "offered")
        order.append(offered.contact_id)
        pool.accept(offered.contact_id, second)
        pool.tell(cases.withdrawn(offered.contact_id), second)

    assert order == ["vip_queue", "urgent", "vip", "early", "late"]


def test_it_lets_age_outweigh_priority_in_time() -> None:
    pool = floor(cases.service(wrap_up_s=0, priority_per_minute=2)).staff("ana")
    pool.tell(cases.queued("busy"))
    pool.accept("busy")
    pool.tell(cases.queued("old"), 0)
    pool.tell(cases.queued("new", priority=9), 300)

    pool.tell(cases.withdrawn("busy"), 301)

    assert pool.contact("old").state == "offered"


def test_it_takes_who_waited_too_long_to_the_overflow_queue_and_never_back() -> None:
    pool = floor(
        cases.service(max_wait_s=30, overflow_queue_id="sales"),
        cases.service("sales", max_wait_s=30, overflow_queue_id="service"),
    )
    pool.tell(cases.queued("c1"))

    facts = pool.wait_until(31)

    overflowed = next(each for each in facts if isinstance(each, routing.ContactOverflowed))
    enqueued = next(each for each in facts if isinstance(each, routing.ContactEnqueued))
    assert (overflowed.queue_id, overflowed.to_queue_id, overflowed.waited_ms) == ("service", "sales", 30_000)
    assert (enqueued.queue_id, enqueued.cause) == ("sales", "overflowed")
    assert "contact_overflowed" not in names(pool.wait_until(300))
    assert pool.contact("c1").queue_id == "sales"


@pytest.mark.parametrize("overflow", ["", "unknown", "closed", "full"])
def test_it_lets_who_cannot_overflow_wait_on(overflow: str) -> None:
    pool = floor(
        cases.service(max_wait_s=30, overflow_queue_id=overflow),
        cases.service("closed", enabled=False),
        cases.service("full", max_waiting=1),
    )
    pool.tell(cases.queued("other", "full"))
    pool.tell(cases.queued("c1"))

    assert "contact_overflowed" not in names(pool.wait_until(120))
    assert pool.contact("c1").queue_id == "service"


def test_it_moves_a_waiting_contact_at_a_supervisors_word() -> None:
    pool = floor(cases.service(needs=(hard("zh"),)), cases.service("sales")).staff("ana")
    pool.tell(cases.queued("c1"), 5)

    facts = pool.tell(cases.moved("c1", "sales"), 8)

    assert names(facts) == [
        "contact_moved",
        "contact_enqueued",
        "decision_recorded",
        "agent_offered",
        "state_entered",
    ]
    assert isinstance(facts[0], routing.ContactMoved)
    assert (facts[0].queue_id, facts[0].to_queue_id, facts[0].by, facts[0].waited_ms) == (
        "service",
        "sales",
        "sue",
        3000,
    )


def test_it_takes_the_offer_back_of_a_contact_that_is_moved() -> None:
    pool = floor(cases.service(), cases.service("sales", needs=(hard("zh"),))).staff("ana")
    pool.tell(cases.queued("c1"), 5)

    facts = pool.tell(cases.moved("c1", "sales"), 8)

    assert names(facts)[:3] == ["offer_withdrawn", "contact_moved", "contact_enqueued"]
    assert pool.state("ana") == "ready"
    assert pool.contact("c1").state == "waiting"


def test_it_changes_a_priority_at_a_supervisors_word() -> None:
    pool = floor()
    pool.tell(cases.queued("c1"))
    pool.tell(cases.queued("c2"), 1)

    pool.tell(cases.moved("c2", priority=50), 2)
    facts = pool.wait_until(20)

    places = {each.contact_id: each.position for each in facts if isinstance(each, routing.WaitEstimated)}
    assert places == {"c2": 1, "c1": 2}


@pytest.mark.parametrize(
    ("request_of", "code"),
    [
        (cases.moved("nobody", "sales"), "unknown_contact"),
        (cases.moved("served", "sales"), "unknown_contact"),
        (cases.moved("waiting", "elsewhere"), "unknown_queue"),
        (cases.moved("waiting", "closed"), "unknown_queue"),
        (cases.transfer("served", "nobody", "sales"), "unknown_agent"),
        (cases.transfer("nobody", "ana", "sales"), "unknown_contact"),
        (cases.transfer("waiting", "ana", "sales"), "not_your_contact"),
        (cases.transfer("served", "bob", "sales"), "not_your_contact"),
        (cases.transfer("served", "ana", "elsewhere"), "unknown_queue"),
        (cases.transfer("served", "ana"), "unknown_queue"),
        (cases.transfer("served", "ana", "sales", "nobody"), "agent_unavailable"),
        (cases.transfer("served", "ana", "sales", "away"), "agent_unavailable"),
        (cases.transfer("served", "ana", "sales", "ana"), "agent_unavailable"),
    ],
)
def test_it_refuses_what_cannot_be_done_with_a_contact(request_of: Fact, code: str) -> None:
    pool = floor(
        cases.service(),
        cases.service("sales"),
        cases.service("closed", enabled=False),
        cases.configured("away"),
    ).staff("ana", "bob")
    pool.tell(cases.queued("served"))
    pool.accept("served")
    pool.tell(cases.not_ready("bob"))
    pool.tell(cases.queued("waiting"))
    before = pool.pool

    facts = pool.tell(request_of)

    assert names(facts) == ["request_refused"]
    assert facts[0].model_dump()["code"] == code
    assert pool.pool is before


def test_it_passes_a_contact_on_to_another_queue_with_the_age_it_has() -> None:
    pool = floor(cases.service(), cases.service("sales", needs=(hard("loan"),))).staff("ana", bob={"loan": 3})
    pool.tell(cases.not_ready("bob"))
    pool.tell(cases.queued("c1"), 5)
    pool.accept("c1", 10)
    pool.tell(cases.ready("bob"), 11)

    facts = pool.tell(cases.transfer("c1", "ana", "sales"), 40)

    assert names(facts) == [
        "contact_transferred",
        "contact_enqueued",
        "decision_recorded",
        "agent_offered",
        "state_entered",
        "state_entered",
    ]
    transferred, enqueued = facts[:2]
    assert isinstance(transferred, routing.ContactTransferred)
    assert (transferred.agent_id, transferred.to_queue_id, transferred.talked_ms) == ("ana", "sales", 30_000)
    assert isinstance(enqueued, routing.ContactEnqueued)
    assert (enqueued.queue_id, enqueued.cause) == ("sales", "transferred")
    assert (pool.state("ana"), pool.state("bob")) == ("wrap_up", "offered")
    assert pool.contact("c1").aged_since == cases.at(5)
    assert names(pool.tell(cases.wrapped_up("c1", "ana", "passed"), 50)) == [
        "contact_wrapped_up",
        "state_entered",
    ]
    (assigned,) = [each for each in pool.accept("c1", 55) if isinstance(each, routing.ContactAssigned)]
    assert (assigned.agent_id, assigned.queue_id, assigned.waited_ms) == ("bob", "sales", 15_000)


def test_it_does_not_give_a_contact_back_to_who_passed_it_on() -> None:
    pool = floor(cases.service(wrap_up_s=0)).staff("ana")
    pool.tell(cases.queued("c1"))
    pool.accept("c1")

    pool.tell(cases.transfer("c1", "ana", "service"), 30)

    assert pool.state("ana") == "ready"
    assert pool.contact("c1").state == "waiting"
    pool.staff("bob")
    assert pool.contact("c1").agent_id == "bob"


def test_it_passes_a_contact_on_to_a_certain_agent_whatever_his_skills() -> None:
    pool = floor(cases.service(needs=(hard("zh"),))).staff("bob", ana={"zh": 5}, cem={"zh": 5})
    pool.tell(cases.queued("c1", needs=(hard("zh", 5),)))
    holder = pool.contact("c1").agent_id
    pool.accept("c1")
    pool.tell(cases.not_ready("bob"), 9)

    pool.tell(cases.transfer("c1", holder, to_agent_id="bob"), 10)

    assert pool.contact("c1").state == "waiting"
    facts = pool.tell(cases.ready("bob"), 20)
    record = next(each for each in facts if isinstance(each, routing.DecisionRecorded))
    assert (record.chosen_agent_id, record.rule) == ("bob", "named_agent")


def test_it_opens_a_transfer_to_an_agent_to_everybody_after_a_minute() -> None:
    pool = floor().staff("ana", "bob", "cem")
    pool.tell(cases.queued("c1"))
    pool.accept("c1")
    pool.tell(cases.not_ready("bob"))
    pool.tell(cases.transfer("c1", "ana", to_agent_id="bob"), 10)

    pool.wait_until(69)
    assert pool.contact("c1").state == "waiting"
    pool.wait_until(70)

    assert pool.contact("c1").agent_id == "cem"


def test_it_forgets_ended_contacts_after_an_hour_or_five_hundred_others() -> None:
    pool = floor()
    for number in range(600):
        pool.tell(cases.queued(f"c{number}"))
        pool.tell(cases.withdrawn(f"c{number}"))
    assert len(pool.pool.finished) == 500
    assert "c599" in pool.pool.finished

    pool.tell(cases.queued("late"), 3601)

    assert pool.pool.finished == {}


def test_it_keeps_the_journey_of_the_contact_whoever_caused_the_fact() -> None:
    pool = floor()
    pool.tell(cases.queued("c1"), journey_id="of the contact")
    pool.told.clear()

    pool.staff("ana")

    about = {each.type.split(".")[2]: each.journey_id for each in pool.told}
    assert about["agent_offered"] == about["decision_recorded"] == "of the contact"
    assert about["state_entered"] == cases.JOURNEY
