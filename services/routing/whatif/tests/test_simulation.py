"""Drawn days: what holds of each, and what a change changes."""

from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.routing.domain.strategy.document import Select, Strategy
from services.routing.whatif.changes import Changes, changed
from services.routing.whatif.distribution import Constant, Exponential, Lognormal, Sample
from services.routing.whatif.drawing import AgentGiven, Demand, Shift, Staff, drawn, each_of
from services.routing.whatif.figures import PERCENTILES, figures, percentile
from services.routing.whatif.play import Play
from services.routing.whatif.report import as_bytes
from services.routing.whatif.simulation import Simulation, simulate
from services.routing.whatif.story import Told
from services.routing.whatif.tests import days

SMALL = days.day(per_hour=60, hours=1, warm_up_h=0, staff=days.agents(4))


def played(seed: str, **more: Any) -> Told:
    return Play(drawn(days.day(hours=0.5, warm_up_h=0, **more), seed)).run()


@given(
    seed=st.integers(0, 999),
    per_hour=st.floats(0, 120),
    staff=st.integers(1, 6),
    patience_s=st.floats(1, 600),
    wrap_up_s=st.sampled_from([0, 20]),
)
@settings(max_examples=25, deadline=None)
def test_every_contact_and_every_second_is_accounted_for(
    seed: int, per_hour: float, staff: int, patience_s: float, wrap_up_s: float
) -> None:
    told = played(
        str(seed),
        per_hour=per_hour,
        staff=days.agents(staff),
        patience=Exponential(mean_s=patience_s),
        wrap_up_s=wrap_up_s,
    )
    found = figures(told, 20)

    left = found["abandonment"] * found["offered"]
    assert found["answered"] + left + found["unfinished"] == pytest.approx(len(told.measured()))
    assert found["unfinished"] == 0  # there is an agent, and nobody stays for ever
    assert 0 <= found["occupancy"] <= 1 and 0 <= found["waited"] <= 1
    assert 1 / staff - 1e-9 <= found["fairness"] <= 1 + 1e-9
    assert all(found[f"wait_p{a}_s"] <= found[f"wait_p{b}_s"] for a, b in pairwise(PERCENTILES))
    for presence in told.presences.values():
        assert presence.busy_s + presence.free_s == pytest.approx(1800)


@given(seed=st.integers(0, 99_999))
@settings(max_examples=15, deadline=None)
def test_one_agent_more_makes_nobody_wait_longer(seed: int) -> None:
    # First come, first served by agents who are alike: the waits of all are ordered path by path
    # (J. Kiefer and J. Wolfowitz, "On the theory of queues with many servers", 1955).
    fewer = played(str(seed), per_hour=80, staff=days.agents(4))
    more = played(str(seed), per_hour=80, staff=days.agents(5))

    assert list(fewer.stories) == list(more.stories)
    for contact_id, story in fewer.stories.items():
        assert more.stories[contact_id].waited_s(more.end) <= story.waited_s(fewer.end)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    asked = Simulation(synthetic=SMALL, changes=Changes(volume=1.2), replications=2)

    once, again = as_bytes(simulate(asked)), as_bytes(simulate(asked))

    assert once == again
    assert once != as_bytes(simulate(asked.model_copy(update={"seed": "2"})))


def test_nothing_changed_moves_nobody_and_makes_no_difference() -> None:
    changes = Changes(strategies=(Strategy(strategy_id="same", queues=("*",)),))

    found = simulate(Simulation(synthetic=SMALL, changes=changes, replications=3))

    assert found["moved"]["count"] == 0 and found["moved"]["of"] > 30
    assert all(each == {"mean": 0, "half": 0} for each in found["difference"].values())


def test_another_strategy_moves_contacts_and_is_measured_by_its_own_goal() -> None:
    zoe = Staff(agent=AgentGiven(agent_id="zoe", skills={"zh": 5}))
    select = Select(goal="own", score='agent.level["zh"]')
    changes = Changes(strategies=(Strategy(strategy_id="zh", queues=("service",), select=select),))
    minute = Constant(value_s=60)
    day = days.day(per_hour=60, hours=2, warm_up_h=0, staff=(*days.agents(3), zoe), talk=minute)

    found = simulate(Simulation(synthetic=day, changes=changes, replications=3))

    goal = found["difference"]["goal"]
    assert goal["mean"] - goal["half"] > 0
    assert found["moved"]["count"] == len(found["moved"]["contacts"]) > 0
    assert any(each["changed"] == "zoe" != each["baseline"] for each in found["moved"]["contacts"])


def test_fewer_agents_and_more_contacts_are_worse() -> None:
    busier = Changes(agents_removed=("a00",), volume=1.5)

    found = simulate(Simulation(synthetic=SMALL, changes=busier, replications=3))["difference"]

    assert found["agents"]["mean"] == -1
    assert found["offered"]["mean"] > 20
    assert found["occupancy"]["mean"] > 0 and found["wait_mean_s"]["mean"] > 0


def test_several_alike_are_agents_of_their_own_and_one_of_them_can_be_removed() -> None:
    three = SMALL.model_copy(update={"staff": (Staff(agent=AgentGiven(agent_id="a"), count=3),)})
    removed = Changes(agents_removed=("a-2",))

    left = changed(three, removed).staff

    assert [each.agent.agent_id for each in each_of(three.staff)] == ["a-1", "a-2", "a-3"]
    assert [each.agent.agent_id for each in left] == ["a-1", "a-3"]


def test_agents_are_there_in_their_shifts_only() -> None:
    halves = Staff(agent=days.agents(1)[0].agent, shifts=(Shift(from_s=0, to_s=600), Shift(from_s=1200)))

    told = played("1", per_hour=0, staff=(halves,))

    assert told.presences["a00"].spent_s == {"ready": 1200, "signed_out": 600}


def test_the_rate_changes_from_interval_to_interval() -> None:
    demand = Demand(queue_id="service", per_hour=(600, 0), interval_s=900, talk=Constant(value_s=1))
    what = days.day(hours=1, warm_up_h=0).model_copy(update={"demand": (demand,)})

    came = [(each.at - what.start).total_seconds() for each in drawn(what, "1").visits]

    assert all(each % 1800 < 900 for each in came)
    assert 240 < len(came) < 360  # 300 are expected


@pytest.mark.parametrize(
    ("times", "mean_s"),
    [
        (Constant(value_s=7), 7),
        (Exponential(mean_s=60), 60),
        (Lognormal(mean_s=60, cv=0.8), 60),
        (Sample(values_s=(1, 2, 6)), 3),
    ],
)
def test_times_have_the_mean_they_are_asked_for(times: Any, mean_s: float) -> None:
    chance = Random(5)

    drawn_s = [times.draw(chance) for _ in range(20_000)]

    assert sum(drawn_s) / len(drawn_s) == pytest.approx(mean_s, rel=0.03)


def test_percentiles_are_values_that_were_seen() -> None:
    assert [percentile((1, 2, 3, 4), each) for each in (1, 25, 26, 50, 99)] == [1, 1, 2, 2, 4]
    assert percentile((), 50) == 0


def test_a_strategy_that_could_not_be_published_is_refused() -> None:
    with pytest.raises(ValidationError, match="strategy bad, filters"):
        Changes.model_validate(
            {"strategies": [{"strategy_id": "bad", "filters": [{"id": "f", "keep": "agent.unknown"}]}]}
        )
