"""Who is chosen, and what the decision record says about it."""

import pytest

from libs.events import queue, routing
from libs.events.base import Fact
from services.routing.domain import words
from services.routing.domain.words import as_text
from services.routing.tests import cases
from services.routing.tests.cases import Floor, floor, hard, soft


def record_of(facts: list[Fact]) -> routing.DecisionRecorded:
    return next(each for each in facts if isinstance(each, routing.DecisionRecorded))


@pytest.mark.parametrize(
    ("skills", "needs", "chosen", "rule"),
    [
        ({"ana": {}}, (), "ana", "only_candidate"),
        ({"ana": {}, "bob": {}}, (), "ana", "longest_idle"),
        ({"ana": {"zh": 2}, "bob": {"zh": 5}}, (hard("zh", 3),), "bob", "only_candidate"),
        ({"ana": {"zh": 2}, "bob": {"zh": 5}}, (soft("zh", 5),), "bob", "best_score"),
        ({"ana": {"zh": 9}, "bob": {"zh": 5}}, (soft("zh", 5),), "ana", "longest_idle"),
        ({"ana": {"zh": 1}, "bob": {"card": 1}}, (soft("zh", 1, 2), soft("card", 1, 5)), "bob", "best_score"),
        ({"ana": {}, "bob": {}}, (hard("zh", 1),), "", "no_agent"),
    ],
)
def test_it_chooses_the_best(
    skills: dict[str, dict[str, int]], needs: tuple[queue.Need, ...], chosen: str, rule: str
) -> None:
    pool = floor().staff(**skills)

    record = record_of(pool.tell(cases.queued("c1", needs=needs), 30))

    assert (record.chosen_agent_id, record.rule) == (chosen, rule)


def test_it_spares_the_versatile_of_equally_rested_agents() -> None:
    pool = floor()
    for agent_id, skills in (("ana", {"zh": 1, "card": 1}), ("bob", {"zh": 1})):
        pool.tell(cases.configured(agent_id, skills=skills))
        pool.tell(cases.signed_in(agent_id))
        pool.tell(cases.ready(agent_id))

    record = record_of(pool.tell(cases.queued("c1", needs=(hard("zh"),))))

    assert (record.chosen_agent_id, record.rule) == ("bob", "fewest_skills")


def test_it_prefers_who_has_less_to_do() -> None:
    pool = floor().staff("ana", "bob")
    pool.tell(cases.queued("c1", channel="chat"))
    pool.accept("c1")

    record = record_of(pool.tell(cases.queued("c2", channel="chat"), 60))

    assert (record.chosen_agent_id, record.rule) == ("bob", "least_loaded")


def test_it_adds_the_needs_of_the_queue_to_those_of_the_contact() -> None:
    pool = floor(cases.service(needs=(hard("zh"),))).staff(
        ana={"card": 1}, bob={"zh": 1}, cem={"zh": 1, "card": 1}
    )

    record = record_of(pool.tell(cases.queued("c1", needs=(hard("card"),))))

    assert record.chosen_agent_id == "cem"
    assert {each.agent_id: each.excluded_by for each in record.candidates} == {
        "cem": "",
        "ana": "missing_skill:zh",
        "bob": "missing_skill:card",
    }


def test_it_names_what_excluded_everybody_else() -> None:
    pool = floor(cases.service(), cases.configured("away")).staff(
        "paused", "full", "asked", "wrapping", "busy"
    )
    pool.tell(cases.not_ready("paused"), 6)
    for contact_id, channel, prefers in (
        ("c1", "voice", "busy"),
        ("c2", "voice", "wrapping"),
        ("c3", "chat", "full"),
        ("c4", "voice", "asked"),
    ):
        pool.tell(cases.queued(contact_id, channel=channel, prefers=prefers), 7)
        if contact_id != "c4":
            pool.accept(contact_id, 8)
    pool.tell(cases.withdrawn("c2"), 9)
    pool.tell(cases.configured("full", chats=1), 9)

    record = record_of(pool.tell(cases.queued("c5", channel="chat"), 9))

    assert {each.agent_id: each.excluded_by for each in record.candidates} == {
        "away": "signed_out",
        "paused": "not_ready",
        "full": "no_capacity",
        "asked": "offered",
        "wrapping": "wrap_up",
        "busy": "busy",
    }
    assert record.considered == 6


def test_it_insists_on_the_preferred_agent_for_a_while_and_then_takes_anybody() -> None:
    pool = floor().staff("ana", "bob")
    pool.tell(cases.not_ready("bob"))

    facts = pool.tell(cases.queued("c1", prefers="bob", for_s=20), 10)

    assert record_of(facts).rule == "no_agent"
    assert {each.excluded_by for each in record_of(facts).candidates} == {"preferred_agent", "not_ready"}
    pool.wait_until(29)
    assert pool.contact("c1").state == "waiting"
    pool.wait_until(30)
    assert pool.contact("c1").agent_id == "ana"


@pytest.mark.parametrize("prefers", ["nobody", "away"])
def test_it_does_not_insist_on_an_agent_who_is_not_there(prefers: str) -> None:
    pool = floor(cases.service(), cases.configured("away")).staff("ana")

    pool.tell(cases.queued("c1", prefers=prefers, for_s=20))

    assert pool.contact("c1").agent_id == "ana"


def test_it_stops_insisting_on_an_agent_who_signs_out() -> None:
    pool = floor().staff("ana", "bob")
    pool.tell(cases.not_ready("bob"))
    pool.tell(cases.queued("c1", prefers="bob", for_s=500))

    pool.tell(cases.signed_out("bob"), 20)

    assert pool.contact("c1").agent_id == "ana"


def test_it_takes_the_preferred_agent_before_better_ones_if_he_is_free() -> None:
    pool = floor().staff(ana={"zh": 9}, bob={})

    record = record_of(pool.tell(cases.queued("c1", needs=(soft("zh"),), prefers="bob")))

    assert (record.chosen_agent_id, record.rule) == ("bob", "preferred_agent")
    assert [each.agent_id for each in record.candidates] == ["bob", "ana"]


def test_it_records_scores_idleness_and_needs() -> None:
    pool = floor().staff(ana={"zh": 2}, bob={"zh": 4})

    record = record_of(pool.tell(cases.queued("c1", needs=(soft("zh", 4, 3), hard("zh"))), 61))

    assert [(each.agent_id, each.score, each.idle_ms) for each in record.candidates] == [
        ("bob", 3.0, 60_000),
        ("ana", 1.5, 61_000),
    ]
    assert record.needs == ("soft 4 3 zh", "hard 1 zh")


@pytest.mark.parametrize(("needs", "told"), [((), 20), ((hard("zh"),), 50)])
def test_it_cuts_the_candidates_told_but_counts_all(needs: tuple[queue.Need, ...], told: int) -> None:
    pool = floor().staff(*(f"a{number:02}" for number in range(60)))

    record = record_of(pool.tell(cases.queued("c1", needs=needs), 100))

    assert (len(record.candidates), record.considered) == (told, 60)


def test_it_reads_needs_back_from_a_record() -> None:
    needs = (hard("zh:cantonese", 7), soft("a~b", 3, 2.5))

    assert tuple(map(words.read_need, as_text(needs))) == needs


@pytest.mark.parametrize("rule", ["no_agent", "longest_idle", "named_agent", "a_rule_of_tomorrow"])
def test_it_says_every_rule_in_two_languages(rule: str) -> None:
    said = words.of_rule(rule, "ana", 2, 9)

    assert said.en
    assert said.zh
    assert "{" not in said.en + said.zh


def test_it_has_words_for_every_rule_and_exclusion_there_is() -> None:
    pool: Floor = floor().staff("ana")
    pool.tell(cases.not_ready("ana"))
    record = record_of(pool.tell(cases.queued("c1", needs=(hard("zh"),))))

    (why,) = {each.excluded_by for each in record.candidates}

    assert words.of_exclusion(why) == (
        "missing_skill",
        ("lacks zh at the level required", "缺少所需等级的技能 zh"),
    )
    assert words.of_exclusion("") == ("", ("", ""))
