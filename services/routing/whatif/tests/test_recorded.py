"""A recorded day: the engine makes the same choices again, and other ones where something is changed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from libs.events import queue, routing
from libs.events.base import AnyEvent
from services.routing.domain.strategy.document import Strategy
from services.routing.whatif.changes import NONE, Changes
from services.routing.whatif.distribution import Exponential
from services.routing.whatif.drawing import AgentGiven, QueueGiven, Staff, Synthetic, drawn
from services.routing.whatif.play import Play
from services.routing.whatif.recording import recording_of
from services.routing.whatif.repeating import repeat
from services.routing.whatif.report import as_bytes
from services.routing.whatif.script import Answer, Script, Visit
from services.routing.whatif.simulation import Recorded, Simulation, simulate
from services.routing.whatif.story import Told
from services.routing.whatif.tests import days
from services.routing.whatif.tests.recorder import LAG, record

BEAT = timedelta(milliseconds=100)
RINGS: dict[str, Any] = {"rings": [{"after_s": 0}, {"after_s": 15, "waive": ["zh"]}]}
STRATEGIES: dict[str, dict[str, Any]] = {
    "default": {},
    "rings": RINGS,
    "together": {"select": {"together_s": 3}},
    "lots": {"select": {"order": ["random"], "seed": "s"}},
    "overflow": {"overflow": [{"after_s": 25, "to": "other"}]},
    "sales": {"select": {"goal": "sales", "fairness": 2, "order": ["best_score", "least_occupied"]}},
    "reserve": {
        "reserve": [{"id": "r", "agents": 'agent.level["zh"] > 0', "contacts": "False", "keep_free": 1}]
    },
}


def strategy(name: str) -> Strategy:
    return Strategy.model_validate({"strategy_id": name, "queues": ["*"], **STRATEGIES[name]})


def busy(name: str = "default", *, per_hour: float = 90) -> Synthetic:
    """Return an hour of a day with skills, wrap-ups, people who leave and agents who miss offers."""
    what = days.day(per_hour=per_hour, hours=1, warm_up_h=0, patience=Exponential(mean_s=120), wrap_up_s=30)
    demand = what.demand[0].model_copy(
        update={
            "answer": Exponential(mean_s=5),
            "wrap_up": Exponential(mean_s=20),
            "needs": (queue.Need(skill="zh"),) if name in ("rings", "overflow") else (),
        }
    )
    skilled = Staff(agent=AgentGiven(agent_id="zh", skills={"zh": 5}), count=3)
    plain = Staff(agent=AgentGiven(agent_id="a"), count=3)
    return what.model_copy(
        update={
            "demand": (demand,),
            "staff": (skilled, plain),
            "queues": (*what.queues, QueueGiven(queue_id="other", wrap_up_s=10)),
            "strategies": (strategy(name),),
        }
    )


def lively(what: Synthetic, seed: str = "1") -> Script:
    """Return the day with events that are on their way for a while, transfers, and customers who insist."""
    script = drawn(what, seed)
    return replace(script, visits=tuple(_lively(*pair) for pair in enumerate(script.visits)))


def _lively(number: int, visit: Visit) -> Visit:
    visit = replace(visit, queued_at=visit.at - LAG)
    if number % 5 == 0:
        first, last = visit.legs[0], visit.legs[0]._replace(talk_s=40)
        legs = first._replace(to_queue_id="other", codes=("sold",)), last
        visit = replace(visit, legs=legs, answers={"a-1": (Answer("declines", 3),)})
    if number % 3 == 0:
        then = (queue.Preferred(agent_id="a-2", for_s=200),)
        insists = {"preferred_agent_id": "zh-1", "preferred_for_s": 5, "then_preferred": then}
        visit = replace(visit, queued=visit.queued.model_copy(update=insists))
    return visit


@cache
def recorded(name: str = "default", beat: timedelta | None = None) -> tuple[Told, Sequence[AnyEvent]]:
    return record(lively(busy(name)), beat)


def asked(changes: Changes = NONE, *, replications: int = 2, begin_s: float = 0) -> Simulation:
    period = Recorded(start=days.NINE + timedelta(seconds=begin_s), end=days.NINE + timedelta(hours=1))
    return Simulation(recorded=period, changes=changes, replications=replications)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("beat", [None, BEAT], ids=["ticks at once", "ticks by the beat"])
def test_an_unchanged_strategy_makes_every_recorded_choice_again(name: str, beat: timedelta | None) -> None:
    _, events = recorded(name, beat)

    found = repeat(recording_of(events, "main"), days.NINE)

    assert found.choices > 80
    assert (found.equal, found.differing) == (found.choices, [])


@given(
    seed=st.integers(0, 99_999), per_hour=st.sampled_from([20, 60, 120]), name=st.sampled_from([*STRATEGIES])
)
@settings(max_examples=8, deadline=None)
def test_whatever_the_day_its_choices_are_made_again(seed: int, per_hour: float, name: str) -> None:
    _, events = record(lively(busy(name, per_hour=per_hour), str(seed)), BEAT)

    found = repeat(recording_of(events, "main"), days.NINE)

    assert found.equal == found.choices


@pytest.mark.parametrize("name", STRATEGIES)
def test_played_unchanged_every_contact_meets_its_agent_again(name: str) -> None:
    told, events = recorded(name)

    report = simulate(asked(), events)

    assert report["reproduced"] == {
        "choices": report["reproduced"]["choices"],
        "equal": report["reproduced"]["choices"],
        "differing": [],
    }
    assert report["as_recorded"] == {"of": len(told.stories), "same": len(told.stories)}
    assert all(each["half"] == 0 for each in report["figures"]["baseline"].values())


def test_a_choice_that_does_not_follow_is_found() -> None:
    _, events = recorded()
    place = next(
        place
        for place, event in enumerate(events)
        if isinstance(event.data, routing.DecisionRecorded) and event.data.chosen_agent_id == "a-1"
    )
    forged = events[place].data.model_copy(update={"chosen_agent_id": "zh-1"})
    changed = [*events[:place], events[place]._replace(data=forged), *events[place + 1 :]]

    found = repeat(recording_of(changed, "main"), days.NINE)

    assert found.equal == found.choices - 1
    assert [(each["recorded"], each["repeated"]) for each in found.differing] == [("zh-1", "a-1")]


def test_another_strategy_gives_the_contacts_whose_agent_changed() -> None:
    told, events = recorded()
    least_skilled = Strategy.model_validate(
        {"strategy_id": "zh", "queues": ["service"], "select": {"goal": "own", "score": 'agent.level["zh"]'}}
    )

    report = simulate(asked(Changes(strategies=(least_skilled,)), replications=6), events)

    moved = report["moved"]["contacts"]
    assert 0 < report["moved"]["count"] == len(moved) < report["moved"]["of"] == len(told.stories)
    assert {each["contact_id"]: [each["baseline"]] for each in moved if each["baseline"]} == {
        each["contact_id"]: told.stories[each["contact_id"]].agents[:1] for each in moved if each["baseline"]
    }
    assert all(each["baseline"] != each["changed"] for each in moved)
    stays = told.stories.keys() - {each["contact_id"] for each in moved}
    assert any(told.stories[each].agents[:1] == ["zh-1"] for each in stays)
    goal = report["difference"]["goal"]
    assert goal["mean"] - goal["half"] > 0


def test_what_changes_first_is_what_the_changed_strategy_chooses_there() -> None:
    told, events = recorded()
    changes = Changes(strategies=(strategy("lots"),))

    report = simulate(asked(changes), events)

    first = report["moved"]["contacts"][0]
    others = Play(lively(busy("default").model_copy(update={"strategies": changes.strategies}))).run()
    assert first["changed"] == others.stories[first["contact_id"]].agents[0]
    assert all(
        story.agents[:1] == others.stories[contact_id].agents[:1]
        for contact_id, story in told.stories.items()
        if story.came_at < datetime.fromisoformat(first["came_at"])
    )


def test_the_same_record_and_seed_give_the_same_bytes_however_the_topics_arrive() -> None:
    _, events = recorded()
    question = asked(Changes(agents_removed=("a-1",), volume=1.3))
    dice = Random(3)
    topics: dict[str, list[AnyEvent]] = {}
    for event in [*events, *events[100:200]]:  # some of them twice
        topics.setdefault(event.data.topic(), []).append(event)
    mixed = []
    while any(topics.values()):
        mixed.append(dice.choice([each for each in topics.values() if each]).pop(0))

    assert as_bytes(simulate(question, events)) == as_bytes(simulate(question, mixed))


def test_half_the_volume_is_half_the_contacts_and_twice_is_twice() -> None:
    told, events = recorded()

    half = simulate(asked(Changes(volume=0.5)), events)["figures"]["changed"]["offered"]["mean"]
    twice = simulate(asked(Changes(volume=2)), events)["figures"]["changed"]["offered"]["mean"]

    assert half == pytest.approx(len(told.stories) / 2, rel=0.15)
    assert twice == len(told.stories) * 2


def test_an_agent_who_is_removed_answers_nobody_and_one_who_is_added_does() -> None:
    _, events = recorded()
    changes = Changes(agents_removed=("a-1",), agents_added=(Staff(agent=AgentGiven(agent_id="new")),))

    report = simulate(asked(changes), events)

    agents = {each["changed"] for each in report["moved"]["contacts"]}
    assert "a-1" not in agents and "new" in agents
    assert report["difference"]["agents"] == {"mean": 0, "half": 0}


def test_a_part_of_a_day_is_played_from_the_last_quiet_moment() -> None:
    what = busy(per_hour=20)
    told, events = record(lively(what))
    begin = days.NINE + timedelta(minutes=30)

    found = repeat(recording_of(events, "main"), begin)
    report = simulate(asked(begin_s=1800), events)

    assert days.NINE < found.quiet_at <= begin and not found.quiet.contacts
    measured = [each for each in told.stories.values() if each.came_at >= begin]
    assert report["as_recorded"] == {"of": len(measured), "same": len(measured)}
    assert report["measured_from"] == "2026-03-02T09:30:00Z"


def test_a_record_of_nothing_gives_figures_of_nothing() -> None:
    report = simulate(asked(), ())

    assert report["figures"]["baseline"]["offered"]["mean"] == 0
    assert report["reproduced"]["choices"] == 0


def test_it_asks_for_one_period_that_goes_forward() -> None:
    with pytest.raises(ValidationError, match="either synthetic or recorded"):
        Simulation()
    with pytest.raises(ValidationError, match="end must come after start"):
        Recorded(start=days.NINE, end=days.NINE)
