"""What each knob of a strategy does to the contacts of a queue."""

from typing import Any

import pytest

from libs.events import queue, routing
from libs.events.base import Fact
from services.routing.domain import strategies
from services.routing.domain.facts import occupancy
from services.routing.domain.model import Published
from services.routing.tests import cases
from services.routing.tests.cases import Floor, at, floor, hard, names, soft


def record_of(facts: list[Fact]) -> routing.DecisionRecorded:
    return next(each for each in facts if isinstance(each, routing.DecisionRecorded))


def staffed(*facts: Fact, **attributes: dict[str, Any]) -> Floor:
    """Return a pool with agents of these attributes, ready one second after the other."""
    pool = floor(cases.service(), *facts)
    for second, (agent_id, its) in enumerate(attributes.items()):
        pool.tell(cases.configured(agent_id, attributes=its), second)
        pool.tell(cases.signed_in(agent_id), second)
        pool.tell(cases.ready(agent_id), second)
    return pool


LICENSED: dict[str, Any] = {
    "vocabulary": {"agent": {"licences": "set"}, "contact": {"product": "text"}},
    "filters": [{"id": "licensed", "keep": 'contact.product == "" or contact.product in agent.licences'}],
}


def test_a_filter_excludes_whom_it_does_not_keep() -> None:
    pool = staffed(cases.strategy(**LICENSED), ana={"licences": ["loan"]}, bob={"licences": ["fund", "loan"]})

    record = record_of(pool.tell(cases.queued("c1", attributes={"product": "fund"}), 9))

    assert record.chosen_agent_id == "bob"
    assert [(each.agent_id, each.excluded_by) for each in record.candidates] == [
        ("bob", ""),
        ("ana", "filter:licensed"),
    ]
    assert (record.strategy_id, record.strategy_version) == ("gold", 1)


def test_an_attribute_of_another_kind_than_declared_is_as_good_as_none() -> None:
    pool = staffed(cases.strategy(**LICENSED), ana={"licences": "fund"})

    pool.tell(cases.queued("c1", attributes={"product": "fund"}), 9)

    assert pool.contact("c1").state == "waiting"


def test_a_ring_asks_less_once_the_wait_has_come_to_it() -> None:
    rings = [{"after_s": 0}, {"after_s": 20, "levels_less": 2}, {"after_s": 60, "waive": ["zh"]}]
    pool = floor(cases.service(), cases.strategy(rings=rings)).staff(ana={"zh": 3}, bob={})
    pool.tell(cases.queued("c1", needs=(hard("zh", 5),)), 10)
    pool.tell(cases.queued("c2", needs=(hard("zh", 5),)), 10)

    pool.wait_until(29)
    assert pool.contact("c1").state == "waiting"
    record = record_of(pool.wait_until(30))

    assert (record.chosen_agent_id, record.stage, record.needs) == ("ana", 1, ("hard 3 zh",))
    pool.accept("c1", 31)
    pool.wait_until(69)
    assert pool.contact("c2").state == "waiting"
    pool.wait_until(70)
    assert pool.contact("c2").agent_id == "bob"


def test_a_ring_lasts_until_the_next_one_takes_its_place() -> None:
    rings = [
        {"after_s": 0, "filters": [{"id": "own", "keep": 'agent.team == "own"'}]},
        {"after_s": 30, "filters": []},
    ]
    pool = staffed(cases.strategy(rings=rings), ana={})
    pool.tell(cases.queued("c1"), 5)

    assert pool.contact("c1").state == "waiting"
    pool.wait_until(35)

    assert pool.contact("c1").agent_id == "ana"


@pytest.mark.parametrize(
    ("priority", "first"),
    [
        ({}, "old"),
        ({"base": "contact.value"}, "rich"),
        ({"per_minute": "0", "base": "contact.vip_level"}, "vip"),
        ({"steps": [{"after_s": 100, "add": 50}], "per_minute": "0", "base": "contact.vip_level"}, "old"),
        ({"deadline_within_s": 60, "deadline_adds": 1000}, "due"),
    ],
)
def test_priority_follows_its_formulas(priority: dict[str, Any], first: str) -> None:
    pool = floor(cases.service(priority_per_minute=60), cases.strategy(priority=priority))
    pool.tell(cases.queued("old"))
    pool.tell(cases.queued("rich", value=900), 50)
    pool.tell(cases.queued("vip", vip_level=3), 60)
    pool.tell(cases.queued("due", deadline=at(150)), 70)

    pool.staff("ana")
    pool.tell(cases.not_ready("ana"), 0)
    pool = without_offers(pool)
    pool.tell(cases.ready("ana"), 110)

    assert [each.contact_id for each in pool.pool.contacts.values() if each.state == "offered"] == [first]


def without_offers(pool: Floor) -> Floor:
    """Take back what was offered while the agents were set up."""
    for agent_id, agent in pool.pool.agents.items():
        if agent.holds:
            pool.tell(cases.not_ready(agent_id, by="sue"), 100)
    return pool


def test_it_serves_the_goal_by_what_agents_have_achieved() -> None:
    pool = floor(cases.service(wrap_up_s=0), cases.strategy(select={"goal": "sales"})).staff("ana", "bob")
    for number, (agent_id, code) in enumerate((("ana", "sold"), ("bob", "refused")) * 5):
        pool.tell(cases.queued(f"c{number}", prefers=agent_id), 60 * number)
        pool.accept(f"c{number}", 60 * number + 1)
        pool.tell(cases.wrapped_up(f"c{number}", agent_id, code), 60 * number + 5)
        pool.tell(cases.withdrawn(f"c{number}"), 60 * number + 9)

    record = record_of(pool.tell(cases.queued("new", value=3), 1000))

    # Both have had five contacts; the shares are drawn to the mean of all, a half, by twenty more.
    assert {each.agent_id: round(each.score, 9) for each in record.candidates} == {
        "ana": 10 * (5 * 1 + 20 * 0.5) / 25 * 3,
        "bob": 10 * (5 * 0 + 20 * 0.5) / 25 * 3,
    }
    assert (record.chosen_agent_id, record.rule) == ("ana", "best_score")


def test_it_learns_from_what_customers_say() -> None:
    pool = floor(cases.service(), cases.strategy(select={"goal": "service"})).staff("ana", "bob")
    rated = queue.AgentRated(
        pool_id="main", contact_id="x", agent_id="bob", queue_id="service", csat=5, nps=10
    )
    pool.tell(rated, 5)
    pool.tell(rated.model_copy(update={"agent_id": "ana", "csat": 1, "nps": None}), 6)

    assert record_of(pool.tell(cases.queued("c1"), 9)).chosen_agent_id == "bob"


def test_it_learns_nothing_where_no_strategy_is_published() -> None:
    pool = floor().staff("ana")
    pool.tell(queue.AgentRated(pool_id="main", contact_id="x", agent_id="ana", queue_id="service", csat=5), 5)

    assert pool.agent("ana").portraits == {}


def test_fairness_takes_from_who_has_been_busy() -> None:
    select = {"order": ["best_score", "longest_idle"], "fairness": 100}
    pool = floor(cases.service(wrap_up_s=0), cases.strategy(select=select)).staff(
        ana={"zh": 5}, bob={"zh": 1}
    )
    needs = (soft("zh", 5, 3),)
    first = record_of(pool.tell(cases.queued("c1", needs=needs), 10))
    pool.accept("c1", 10)
    pool.tell(cases.withdrawn("c1"), 70)

    second = record_of(pool.tell(cases.queued("c2", needs=needs), 100))

    assert (first.chosen_agent_id, second.chosen_agent_id) == ("ana", "bob")
    assert occupancy(pool.agent("ana"), at(100)) == 0.6


@pytest.mark.parametrize("rule", ["least_occupied", "round_robin"])
def test_it_takes_who_had_least_of_late(rule: str) -> None:
    pool = floor(cases.service(wrap_up_s=0), cases.strategy(select={"order": [rule]})).staff("ana", "bob")
    chosen = []
    for number in range(4):
        chosen.append(record_of(pool.tell(cases.queued(f"c{number}"), 60 * number + 10)).chosen_agent_id)
        pool.accept(f"c{number}", 60 * number + 11)
        pool.tell(cases.withdrawn(f"c{number}"), 60 * number + 41)

    assert chosen == ["ana", "bob", "ana", "bob"]


def test_chance_is_the_same_for_the_same_seed() -> None:
    def chosen_by(seed: str) -> list[str]:
        select = {"order": ["random"], "seed": seed}
        pool = floor(cases.service(), cases.strategy(select=select)).staff(*(f"a{n}" for n in range(20)))
        return [record_of(pool.tell(cases.queued(f"c{n}"), 30 + n)).chosen_agent_id for n in range(8)]

    assert chosen_by("one") == chosen_by("one") != chosen_by("two")


RESERVE: dict[str, Any] = {
    "vocabulary": {"agent": {"senior": "boolean"}},
    "reserve": [
        {
            "id": "seniors",
            "agents": "agent.senior",
            "contacts": "contact.vip_level > 0",
            "keep_free": 1,
            "until_s": 40,
        }
    ],
}


def test_a_reserve_keeps_agents_free_for_whom_they_are_meant() -> None:
    pool = staffed(cases.strategy(**RESERVE), old={"senior": True}, ana={})
    pool.tell(cases.queued("c1"), 10)
    facts = pool.tell(cases.queued("c2"), 10)

    assert pool.contact("c1").agent_id == "ana"
    assert pool.contact("c2").state == "waiting"
    assert "reserved:seniors" in {each.excluded_by for each in record_of(facts).candidates}
    pool.tell(cases.queued("c3", vip_level=1), 11)
    assert pool.contact("c3").agent_id == "old"


def test_a_reserve_lets_go_of_whom_it_has_kept_waiting_long_enough() -> None:
    pool = staffed(cases.strategy(**RESERVE), old={"senior": True})
    pool.tell(cases.queued("c1"), 10)

    pool.wait_until(49)
    assert pool.contact("c1").state == "waiting"
    pool.wait_until(50)

    assert pool.contact("c1").agent_id == "old"


def test_a_reserve_gives_what_is_above_it_to_anybody() -> None:
    pool = staffed(cases.strategy(**RESERVE), old={"senior": True}, sue={"senior": True})
    pool.tell(cases.not_ready("sue"), 5)
    pool.tell(cases.queued("c1"), 10)
    assert pool.contact("c1").state == "waiting"

    pool.tell(cases.ready("sue"), 20)

    assert pool.contact("c1").state == "offered"


def test_who_comes_free_may_open_others_to_those_whom_he_cannot_serve() -> None:
    """Two seniors are free once bob is: ana is not kept back any more, though bob lacks the skill himself."""
    pool = floor(cases.service(), cases.strategy(**RESERVE))
    for agent_id, skills in (("ana", {"zh": 5}), ("bob", {})):
        pool.tell(cases.configured(agent_id, skills=skills, attributes={"senior": True}))
        pool.tell(cases.signed_in(agent_id))
    pool.tell(cases.ready("ana"))
    pool.tell(cases.queued("c1", needs=(hard("zh"),)), 10)
    assert pool.contact("c1").state == "waiting"

    pool.tell(cases.ready("bob"), 20)

    assert pool.contact("c1").agent_id == "ana"


def test_nobody_is_offered_what_he_still_wraps_up() -> None:
    pool = floor(cases.service(), cases.service("sales"))
    pool.staff("ana")
    for contact_id in ("c1", "c2"):
        pool.tell(cases.queued(contact_id, channel="chat"), 5)
        pool.accept(contact_id, 5)
    pool.tell(cases.transfer("c1", "ana", "service"), 6)

    facts = pool.tell(cases.moved("c1", "sales"), 7)

    assert [each.excluded_by for each in record_of(facts).candidates] == ["same_contact"]


def test_overflow_goes_the_first_way_that_is_open_and_meant_for_it() -> None:
    overflow = [
        {"after_s": 10, "to": "vip", "when": "contact.vip_level > 0"},
        {"after_s": 20, "to": "sales"},
    ]
    document = cases.strategy(queues=["service"], overflow=overflow)
    pool = floor(cases.service(), cases.service("vip"), cases.service("sales"), document)
    pool.tell(cases.queued("c1"))
    pool.tell(cases.queued("c2", vip_level=2))

    pool.wait_until(15)
    assert (pool.contact("c1").queue_id, pool.contact("c2").queue_id) == ("service", "vip")
    pool.wait_until(25)

    assert pool.contact("c1").queue_id == "sales"


WORKDAYS = {"calendar": {"time_zone": "UTC", "weekly": {0: [{"start": "10:00", "end": "18:00"}]}}}


def test_a_closed_queue_sends_on_who_comes() -> None:
    document = cases.strategy(queues=["service"], hours={**WORKDAYS, "closed": {"to": "night"}})
    pool = floor(cases.service(), cases.service("night"), document)

    facts = pool.tell(cases.queued("c1"))

    assert names(facts)[:3] == ["contact_enqueued", "contact_overflowed", "contact_enqueued"]
    assert pool.contact("c1").queue_id == "night"
    pool.tell(cases.queued("c2"), 3601)
    assert pool.contact("c2").queue_id == "service"


def test_a_closed_queue_says_what_it_has_instead() -> None:
    pool = floor(cases.service(), cases.strategy(hours={**WORKDAYS, "closed": {"instead": "callback"}}))

    (fact,) = pool.tell(cases.queued("c1"))

    assert isinstance(fact, routing.ContactRejected)
    assert (fact.reason, fact.detail, fact.instead) == ("queue_disabled", "closed", "callback")


@pytest.mark.parametrize("instead", ["voicemail", ""])
def test_a_queue_without_anybody_may_turn_contacts_away(instead: str) -> None:
    pool = floor(cases.service(), cases.strategy(limits={"nobody": {"instead": instead}}))

    (fact,) = pool.tell(cases.queued("c1"))

    assert isinstance(fact, routing.ContactRejected)
    assert (fact.reason, fact.detail, fact.instead) == ("queue_disabled", "nobody_signed_in", instead)
    pool.staff("ana")
    assert "agent_offered" in names(pool.tell(cases.queued("c2"), 5))


def test_a_full_queue_sends_on_or_rejects() -> None:
    document = cases.strategy(queues=["service"], limits={"max_waiting": 1, "full": {"to": "sales"}})
    pool = floor(cases.service(), cases.service("sales", max_waiting=1), document)

    outcomes = [names(pool.tell(cases.queued(f"c{number}"), number))[0] for number in range(3)]

    assert outcomes == ["contact_enqueued", "contact_enqueued", "contact_rejected"]
    assert (pool.contact("c0").queue_id, pool.contact("c1").queue_id) == ("service", "sales")


def test_an_exclusive_agent_is_waited_for_as_long_as_he_is_there() -> None:
    pool = floor().staff("ana", "bob")
    pool.tell(cases.not_ready("bob"))
    pool.tell(cases.queued("c1", prefers="bob", exclusive=True), 10)

    pool.wait_until(3600)
    assert pool.contact("c1").state == "waiting"
    pool.tell(cases.signed_out("bob"), 3600)

    assert pool.contact("c1").agent_id == "ana"


def test_an_excluded_agent_never_gets_the_contact() -> None:
    pool = floor().staff("ana")

    record = record_of(pool.tell(cases.queued("c1", excluded_agent_ids=["ana"]), 9))

    assert (record.rule, record.candidates[0].excluded_by) == ("no_agent", "excluded")


def test_a_call_may_interrupt_chats_where_that_is_agreed() -> None:
    pool = floor()
    pool.tell(cases.configured("ana", interrupts={"voice": ("chat",)}))
    pool.tell(cases.signed_in("ana"))
    pool.tell(cases.ready("ana"))
    pool.tell(cases.queued("c1", channel="chat"))
    pool.accept("c1")

    pool.tell(cases.queued("c2"), 5)
    assert pool.contact("c2").agent_id == "ana"
    pool.accept("c2", 6)
    pool.tell(cases.queued("c3", channel="chat"), 7)

    assert pool.contact("c3").state == "waiting"


def test_a_new_version_is_followed_at_once_and_an_older_one_never() -> None:
    nobody = [{"id": "nobody", "keep": "False"}]
    pool = floor(cases.service(), cases.strategy(2, filters=nobody)).staff("ana")
    pool.tell(cases.queued("c1"), 10)
    pool.tell(cases.strategy(1), 11)
    assert pool.contact("c1").state == "waiting"

    pool.tell(cases.strategy(3), 12)

    assert pool.contact("c1").agent_id == "ana"


def test_a_queue_follows_the_last_strategy_that_lists_it() -> None:
    def published(strategy_id: str, *queues: str) -> Published:
        return Published(
            strategy_id, 1, f'{{"strategy_id": "{strategy_id}", "queues": {list(queues)}}}'.replace("'", '"')
        )

    every, own, last = published("every", "*"), published("own", "a"), published("last", "a", "b")

    assert strategies.of_queue("a", [own, every]) == own
    assert strategies.of_queue("a", [last, own]) == own
    assert strategies.of_queue("b", [last, own, every]) == last
    assert strategies.of_queue("c", [own, every, last]) == every
    assert strategies.of_queue("c", [own]) is None


def test_a_queue_that_is_made_later_follows_it_too() -> None:
    pool = floor(cases.strategy(filters=[{"id": "nobody", "keep": "False"}]), cases.service()).staff("ana")

    pool.tell(cases.queued("c1"), 5)

    assert pool.contact("c1").state == "waiting"
