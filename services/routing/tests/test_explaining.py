"""Every decision can be derived again from its record, and says what would have changed it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.events import routing
from libs.events.base import Fact
from services.routing.domain import counterfactual, words
from services.routing.domain.decide import decide
from services.routing.domain.strategy.document import Rule
from services.routing.tests import cases
from services.routing.tests.cases import Floor, at, event, floor, hard, soft
from services.routing.tests.checker import problems_of

RULES: tuple[Rule, ...] = (
    "best_score", "least_loaded", "longest_idle", "fewest_skills", "least_occupied", "round_robin", "random",
)  # fmt: skip
FILTERS = (
    {"id": "licensed", "keep": 'contact.product == "" or contact.product in agent.licences'},
    {"id": "gender", "keep": 'agent.gender == "female" or contact.value < 10'},
    {"id": "senior", "keep": "agent.senior or agent.level['zh'] + 1 >= contact.value / 10"},
    {"id": "team", "keep": 'agent.id not in ["a1", "a2"] or queue.priority > 3'},
)
SCORES = (
    "soft_needs + contact.value * portrait.conversion",
    "10 - agent.load if contact.waited_s < 5 else agent.idle_s",
    "size(agent.licences) * 2 + max(agent.occupancy, portrait.fcr)",
)
needs = st.lists(
    st.sampled_from((hard("zh", 2), hard("en", 3), soft("zh", 4, 2), soft("en", 2, 1.5), soft("card", 3, 3))),
    max_size=4,
    unique_by=lambda need: (need.skill, need.hard),
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Return strategies of every kind."""
    goal = draw(st.sampled_from(("skills", "service", "sales", "own")))
    rings = draw(st.lists(st.sampled_from(FILTERS), max_size=2, unique_by=lambda each: each["id"]))
    ids = {each["id"] for each in rings}
    return {
        "vocabulary": {
            "agent": {"licences": "set", "gender": "text", "senior": "boolean"},
            "contact": {"product": "text"},
        },
        "filters": [each for each in FILTERS if each["id"] not in ids and draw(st.booleans())],
        "rings": [
            {"after_s": 20 * place, "filters": [each], "levels_less": draw(st.integers(0, 2))}
            for place, each in enumerate(rings)
        ],
        "select": {
            "goal": goal,
            "order": draw(st.lists(st.sampled_from(RULES), min_size=1, max_size=4, unique=True)),
            "fairness": draw(st.sampled_from((0, 0, 2.5))),
            "preferred_first": draw(st.booleans()),
            **({"score": draw(st.sampled_from(SCORES))} if goal == "own" else {}),
        },
        "reserve": draw(
            st.sampled_from(
                (
                    [],
                    [
                        {
                            "id": "r",
                            "agents": "agent.senior",
                            "contacts": "contact.vip_level > 0",
                            "keep_free": 1,
                        }
                    ],
                )
            )
        ),
    }


agents = st.fixed_dictionaries(
    {
        "skills": st.dictionaries(st.sampled_from(("zh", "en", "card")), st.integers(1, 6)),
        "attributes": st.fixed_dictionaries(
            {},
            optional={
                "licences": st.lists(st.sampled_from(("fund", "loan")), unique=True),
                "gender": st.sampled_from(("female", "male")),
                "senior": st.booleans(),
            },
        ),
    }
)
contacts = st.fixed_dictionaries(
    {
        "needs": needs.map(tuple),
        "channel": st.sampled_from(("voice", "chat")),
        "vip_level": st.integers(0, 1),
        "value": st.sampled_from((0, 5, 40)),
        "attributes": st.sampled_from(({}, {"product": "fund"}, {"product": "loan"})),
        "prefers": st.sampled_from(("", "", "a0")),
    }
)


def busy_floor(document: dict[str, Any], staff: list[dict[str, Any]], queue: list[dict[str, Any]]) -> Floor:
    """Return a pool in which contacts came every seven seconds, and every other one was seen through."""
    pool = floor(cases.service(), cases.strategy(**document))
    for place, each in enumerate(staff):
        pool.tell(cases.configured(f"a{place}", **each), place % 3)
        pool.tell(cases.signed_in(f"a{place}"), place % 3)
        pool.tell(cases.ready(f"a{place}"), place % 3)
    for place, each in enumerate(queue):
        pool.wait_until(10 + 7 * place)
        pool.tell(cases.queued(f"c{place}", **each), 10 + 7 * place)
        if pool.contact(f"c{place}").state == "offered":
            agent_id = pool.contact(f"c{place}").agent_id
            pool.accept(f"c{place}", 11 + 7 * place)
            if place % 2:
                pool.tell(cases.withdrawn(f"c{place}"), 13 + 7 * place)
                pool.tell(cases.wrapped_up(f"c{place}", agent_id, "sold"), 14 + 7 * place)
    return pool


@settings(max_examples=150, deadline=None)
@given(documents(), st.lists(agents, min_size=1, max_size=6), st.lists(contacts, min_size=1, max_size=8))
def test_every_choice_follows_from_its_record(
    document: dict[str, Any], staff: list[dict[str, Any]], queue: list[dict[str, Any]]
) -> None:
    pool = busy_floor(document, staff, queue)

    records = [each.data for each in pool.told if isinstance(each.data, routing.DecisionRecorded)]

    assert records
    for record in records:
        assert list(problems_of(record)) == []


@settings(max_examples=60, deadline=None)
@given(documents(), st.lists(agents, min_size=2, max_size=6), st.lists(contacts, min_size=2, max_size=8))
def test_what_would_have_changed_it_would_have(
    document: dict[str, Any], staff: list[dict[str, Any]], queue: list[dict[str, Any]]
) -> None:
    """Undo the one obstacle in the record, and the record's own numbers choose whom it says."""
    pool = busy_floor(document, staff, queue)
    for each in pool.told:
        record = each.data
        if not isinstance(record, routing.DecisionRecorded):
            continue
        for change in counterfactual.changes_of(record):
            if change.what in (*record.order, "preferred_agent", "named_agent") or change.what == "agent_id":
                continue
            freed = [
                one.model_copy(update={"excluded_by": ""}) if one.agent_id == change.agent_id else one
                for one in record.candidates
            ]
            able = [one for one in freed if not one.excluded_by]
            assert min(able, key=lambda one: (one.ranks, one.agent_id)).agent_id == change.agent_id


def test_a_record_that_was_tampered_with_is_found_out() -> None:
    document: dict[str, Any] = {"select": {"goal": "own", "score": "agent.level['zh'] * contact.value"}}
    pool = floor(cases.service(), cases.strategy(**document)).staff(
        ana={"zh": 2}, bob={"zh": 3}, cem={"en": 1}
    )
    record = record_of(pool.tell(cases.queued("c1", needs=(hard("zh"),), value=2), 9))
    ana = next(each for each in record.candidates if each.agent_id == "ana")
    cem = next(each for each in record.candidates if each.agent_id == "cem")

    def problems(**changes: Any) -> list[str]:
        return list(problems_of(record.model_copy(update=changes)))

    def instead_of(one: routing.Candidate, **changes: Any) -> dict[str, Any]:
        changed = one.model_copy(update=changes)
        return {"candidates": tuple(changed if each is one else each for each in record.candidates)}

    assert problems() == []
    assert problems(chosen_agent_id="ana")
    assert problems(rule="longest_idle")
    assert problems(score="agent.level['zh']")
    assert problems(**instead_of(ana, score=9.0))
    assert problems(**instead_of(ana, ranks=(-9.0, 0.0, 0.0, 0.0), score=9.0))
    assert problems(**instead_of(cem, excluded_by="", obstacles=(), ranks=(0.0, 0.0, 0.0, 0.0)))
    assert problems(**instead_of(ana, obstacles=("missing_skill:zh",), excluded_by="missing_skill:zh"))


def record_of(facts: list[Fact]) -> routing.DecisionRecorded:
    return next(each for each in facts if isinstance(each, routing.DecisionRecorded))


@pytest.mark.parametrize(
    ("skills", "more", "changes"),
    [
        ({"ana": {"zh": 1}, "bob": {"zh": 2}}, {"needs": (soft("zh", 2, 4),)}, [("ana", "best_score")]),
        ({"ana": {}, "bob": {"zh": 1}}, {"needs": (hard("zh"),)}, [("ana", "missing_skill:zh")]),
        ({"ana": {}, "bob": {}}, {"prefers": "bob"}, [("ana", "preferred_agent")]),
        ({"ana": {}}, {"excluded_agent_ids": ["ana"]}, [("ana", "excluded")]),
        ({"ana": {}, "bob": {}}, {}, [("bob", "longest_idle")]),
        ({"ana": {}}, {}, []),
    ],
)
def test_it_says_what_would_have_changed_the_choice(
    skills: dict[str, dict[str, int]], more: dict[str, Any], changes: list[tuple[str, str]]
) -> None:
    record = record_of(floor().staff(**skills).tell(cases.queued("c1", **more), 9))

    found = counterfactual.changes_of(record)

    assert [(each.agent_id, each.what) for each in found] == changes
    assert all(each.en and each.zh and "{" not in each.en + each.zh for each in found)


def test_two_obstacles_are_not_one() -> None:
    pool = floor().staff("ana", "bob")
    pool.tell(cases.not_ready("ana"), 5)

    record = record_of(pool.tell(cases.queued("c1", excluded_agent_ids=["ana"]), 9))

    assert counterfactual.changes_of(record) == []
    ana = next(each for each in record.candidates if each.agent_id == "ana")
    assert ana.obstacles == ("excluded", "not_ready")


def test_an_old_record_has_nothing_to_say() -> None:
    record = record_of(floor().staff("ana", "bob").tell(cases.queued("c1"), 9))

    assert counterfactual.changes_of(record.model_copy(update={"order": ()})) == []


@pytest.mark.parametrize("rule", RULES)
def test_it_has_words_for_every_rule(rule: Rule) -> None:
    said = words.of_rule(rule, "ana", 2, 9)
    lost = words.of_lost("ana", "bob", rule, 1.0, 0.5)

    assert said.en != rule
    assert rule not in lost.en
    assert "{" not in said.en + said.zh + lost.en + lost.zh


def test_deciding_twice_on_one_pool_gives_the_same_record() -> None:
    """The index that goes with a pool must not remember what another decision made of it."""
    pool = floor().staff(ana={"zh": 3}, bob={"zh": 2})
    before, cause = pool.pool, event(cases.queued("c1", needs=(hard("zh", 3),)), 9)

    first = decide(before, cause, at(9))
    decide(before, event(cases.configured("ana", skills={}), 9), at(9))
    other = Floor(before)
    for fact in (cases.configured("new", skills={"zh": 9}), cases.signed_in("new"), cases.ready("new")):
        other.tell(fact, 8)
    other.tell(cases.queued("c9", needs=(hard("zh", 9),)), 8)
    assert other.contact("c9").agent_id == "new"
    again = decide(before, cause, at(9))
    afresh = decide(replace(before, index=None), cause, at(9))

    assert first == again == afresh
