"""What a supervisor does with a contact and an agent, as tables."""

import pytest

from libs.events import agent, routing
from libs.events.base import Fact
from services.routing.tests import cases
from services.routing.tests.cases import Floor, floor, hard, names
from services.routing.tests.checker import problems_of


def waiting() -> Floor:
    """Return a pool in which `c1` waits for the skill that nobody has; ana and bob are ready."""
    pool = floor(cases.service(needs=(hard("zh"),))).staff("ana", "bob")
    pool.tell(cases.queued("c1"), 5)
    return pool


def records(pool: Floor) -> list[routing.DecisionRecorded]:
    return [each.data for each in pool.told if isinstance(each.data, routing.DecisionRecorded)]


def test_it_offers_a_contact_to_the_agent_it_is_given_to_whatever_his_skills() -> None:
    pool = waiting()

    facts = pool.tell(cases.directed("c1", "bob"), 9)

    assert names(facts) == ["decision_recorded", "agent_offered", "state_entered"]
    assert isinstance(facts[1], routing.AgentOffered)
    assert (facts[1].agent_id, facts[1].waited_ms) == ("bob", 4000)
    assert records(pool)[-1].rule == "named_agent"
    assert list(problems_of(records(pool)[-1])) == []


def test_it_takes_the_offer_from_another_agent_and_keeps_the_place() -> None:
    pool = floor().staff("ana", "bob")
    pool.tell(cases.queued("c1"), 5)
    assert pool.contact("c1").agent_id == "ana"

    facts = pool.tell(cases.directed("c1", "bob"), 8)

    assert names(facts)[:2] == ["offer_withdrawn", "contact_requeued"]
    assert isinstance(facts[1], routing.ContactRequeued)
    assert (facts[1].by, facts[1].reason, facts[1].talked_ms) == ("sue", "knows him", None)
    assert (pool.contact("c1").agent_id, pool.contact("c1").since) == ("bob", cases.at(5))
    assert pool.state("ana") == "ready"


def test_it_lets_an_offer_stand_that_the_named_agent_has_already() -> None:
    pool = floor().staff("ana")
    pool.tell(cases.queued("c1"), 5)
    before = pool.pool

    assert pool.tell(cases.directed("c1", "ana"), 8) == []
    assert pool.pool is before


def test_it_waits_for_a_named_agent_who_is_busy_then_takes_anybody() -> None:
    pool = floor().staff("ana")
    pool.tell(cases.queued("c1"), 5)
    pool.accept("c1", 6)
    pool.tell(cases.queued("c2"), 7)
    assert pool.tell(cases.directed("c2", "ana"), 8) == []

    pool.tell(cases.configured("bob"), 10)
    pool.tell(cases.signed_in("bob"), 10)
    pool.tell(cases.ready("bob"), 10)
    assert pool.contact("c2").state == "waiting"
    pool.wait_until(67.9)
    assert pool.contact("c2").state == "waiting"
    pool.wait_until(68)

    assert pool.contact("c2").agent_id == "bob"


def test_it_gives_a_contact_to_the_agent_named_last() -> None:
    pool = floor().staff("ana", "bob")
    for agent_id in ("ana", "bob"):
        pool.tell(cases.not_ready(agent_id), 3)
    pool.tell(cases.queued("c1"), 5)

    pool.tell(cases.directed("c1", "ana"), 8)
    pool.tell(cases.directed("c1", "bob"), 8)
    pool.tell(cases.ready("ana"), 9)
    assert pool.contact("c1").state == "waiting"
    pool.tell(cases.ready("bob"), 10)

    assert pool.contact("c1").agent_id == "bob"


def test_it_forgets_whom_the_contact_preferred_when_it_is_given_to_somebody() -> None:
    pool = floor(cases.service(needs=(hard("zh"),))).staff("ana", "bob")
    pool.tell(cases.not_ready("bob"), 3)
    liked = {"agent_id": "ana", "for_s": 600}
    pool.tell(cases.queued("c1", prefers="bob", for_s=50, then_preferred=(liked,)), 5)

    pool.tell(cases.directed("c1", "bob"), 8)
    pool.wait_until(100)

    assert pool.contact("c1").insist_until is None
    assert pool.contact("c1").state == "waiting"  # ana lacks the skill, and nobody named her


def test_it_takes_an_offer_back_and_gives_it_to_somebody_else() -> None:
    pool = floor().staff("ana", "bob")
    pool.tell(cases.queued("c1"), 5)

    facts = pool.tell(cases.taken_back("c1"), 8)

    assert names(facts)[:4] == ["offer_withdrawn", "contact_requeued", "decision_recorded", "agent_offered"]
    assert (pool.contact("c1").agent_id, pool.contact("c1").since) == ("bob", cases.at(5))
    assert list(problems_of(records(pool)[-1])) == []


def test_it_takes_a_contact_from_who_serves_it_and_does_not_give_it_back_to_him() -> None:
    pool = floor().staff("ana")
    pool.tell(cases.queued("c1"), 5)
    pool.accept("c1", 6)

    facts = pool.tell(cases.taken_back("c1"), 16)

    lost = facts[0]
    assert isinstance(lost, routing.ContactRequeued)
    assert (lost.agent_id, lost.talked_ms, lost.by, lost.reason) == ("ana", 10_000, "sue", "unwell")
    assert pool.contact("c1").state == "waiting"
    assert pool.state("ana") == "ready"
    pool.tell(cases.directed("c1", "ana"), 20)  # unless a supervisor wants it so
    assert pool.contact("c1").agent_id == "ana"


@pytest.mark.parametrize(
    ("request_of", "code"),
    [
        (cases.directed("nobody", "bob"), "unknown_contact"),
        (cases.directed("served", "bob"), "unknown_contact"),
        (cases.directed("over", "bob"), "unknown_contact"),
        (cases.directed("waiting", "nobody"), "unknown_agent"),
        (cases.directed("waiting", "away"), "agent_unavailable"),
        (cases.directed("waiting", "full"), "agent_unavailable"),
        (cases.directed("waiting", "bob"), "agent_unavailable"),
        (cases.taken_back("nobody"), "unknown_contact"),
        (cases.taken_back("waiting"), "unknown_contact"),
        (cases.taken_back("over"), "unknown_contact"),
    ],
)
def test_it_refuses_what_cannot_be_done_and_changes_nothing(request_of: Fact, code: str) -> None:
    pool = floor().staff("ana", "full", "bob")
    pool.tell(cases.queued("over"), 5)
    pool.tell(cases.withdrawn("over"), 6)
    pool.tell(cases.not_ready("full"), 7)
    pool.tell(cases.not_ready("bob"), 7)
    pool.tell(cases.configured("full", chats=0), 7)
    pool.tell(cases.configured("away"), 7)
    pool.tell(cases.queued("served"), 8)
    pool.accept("served", 9)
    pool.tell(cases.queued("waiting", channel="chat", excluded_agent_ids=("bob",)), 10)
    before = pool.pool

    (refused,) = pool.tell(request_of, 12)

    assert isinstance(refused, agent.RequestRefused)
    assert (refused.agent_id, refused.code) == ("sue", code)
    assert pool.pool is before
