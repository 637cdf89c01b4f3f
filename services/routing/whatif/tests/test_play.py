"""What people of a script do, contact by contact."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from libs.events import queue
from services.routing.whatif.figures import figures
from services.routing.whatif.play import Play, TooMany
from services.routing.whatif.script import Answer, Given, Leg, Script, Visit
from services.routing.whatif.story import Story, Told

NINE = datetime.fromisoformat("2026-03-02T09:00:00Z")
IGNORES = Answer("ignores")


def at(seconds: float) -> datetime:
    return NINE + timedelta(seconds=seconds)


def visit(
    contact_id: str, comes_s: float, *legs: Leg, answers: dict[str, Any] | None = None, after_s: float = 0
) -> Visit:
    queued = queue.ContactQueued(
        pool_id="p", contact_id=contact_id, session_id=contact_id, queue_id="q", channel="voice"
    )
    return Visit(at(comes_s), queued, legs or (Leg(60),), Answer("accepts", after_s), answers or {})


def script(*visits: Visit, agents: str = "ana", wrap_up_s: float = 0, end_s: float = 600) -> Script:
    """Return a period of one queue with agents who are ready all the time, in the order of their names."""
    configured = [
        queue.QueueConfigured(pool_id="p", queue_id=name, wrap_up_s=wrap_up_s, offer_timeout_s=15)
        for name in ("q", "other")
    ]
    given = [Given(at(0), each) for each in configured]
    for second, name in enumerate(agents.split()):
        given += [
            Given(at(second), queue.AgentConfigured(pool_id="p", agent_id=name)),
            Given(at(second), queue.AgentSignedIn(pool_id="p", agent_id=name)),
            Given(at(second), queue.AgentStateRequested(pool_id="p", agent_id=name, state="ready")),
        ]
    return Script("p", at(0), at(end_s), tuple(given), visits)


def told(what: Script) -> Told:
    return Play(what).run()


def way(story: Story) -> tuple[str, list[str], float]:
    return story.outcome, story.agents, story.waited_s(at(0))


def test_it_lets_a_contact_wait_until_the_one_before_is_over() -> None:
    result = told(script(visit("c1", 10), visit("c2", 20)))

    assert way(result.stories["c1"]) == ("answered", ["ana"], 0)
    assert way(result.stories["c2"]) == ("answered", ["ana"], 50)
    assert result.stories["c2"].over_at == at(130)


def test_it_counts_wrap_up_as_work_and_lets_nobody_in_meanwhile() -> None:
    contacts = visit("c1", 10, Leg(60, wrap_up_s=30)), visit("c2", 20, Leg(60, wrap_up_s=None))

    result = told(script(*contacts, wrap_up_s=40, end_s=600))

    assert way(result.stories["c2"]) == ("answered", ["ana"], 80)
    assert result.presences["ana"].spent_s == {"busy": 120, "wrap_up": 30 + 40, "ready": 10 + 600 - 200}


def test_it_lets_the_impatient_leave() -> None:
    result = told(script(visit("c1", 10), visit("c2", 20, Leg(60, patience_s=49.9))))

    assert way(result.stories["c2"]) == ("abandoned", [], 49.9)
    assert figures(result, 20)["abandonment"] == 0.5


def test_patience_ends_with_the_answer() -> None:
    result = told(script(visit("c1", 10, Leg(300, patience_s=5)), visit("c2", 20, Leg(60, patience_s=290.1))))

    assert way(result.stories["c1"]) == ("answered", ["ana"], 0)
    assert way(result.stories["c2"]) == ("answered", ["ana"], 290)


def test_ringing_is_part_of_the_wait_but_makes_nobody_one_who_waited() -> None:
    result = told(script(visit("c1", 10, after_s=4)))

    assert way(result.stories["c1"]) == ("answered", ["ana"], 4)
    assert figures(result, 3) | {"waited": 0, "service_level": 0, "wait_mean_s": 4} == figures(result, 3)


def test_an_ignored_offer_expires_and_goes_to_the_next() -> None:
    result = told(script(visit("c1", 10, answers={"ana": (IGNORES,)}), agents="ana bob"))

    assert result.stories["c1"].offers == ["ana", "bob"]
    assert way(result.stories["c1"]) == ("answered", ["bob"], 15)


def test_a_declined_offer_goes_to_the_next() -> None:
    declines = {"ana": (Answer("declines", 2),)}

    result = told(script(visit("c1", 10, answers=declines), agents="ana bob"))

    assert way(result.stories["c1"]) == ("answered", ["bob"], 2)


def test_a_transfer_makes_the_contact_wait_again_with_new_patience() -> None:
    legs = Leg(60, to_queue_id="other"), Leg(30, patience_s=20)

    result = told(script(visit("c1", 10, *legs), agents="ana bob"))
    alone = told(script(visit("c1", 10, *legs), agents="ana"))

    assert result.stories["c1"].agents == ["ana", "bob"]
    assert result.stories["c1"].over_at == at(100)
    assert alone.stories["c1"].over_at == at(90)  # nobody but who passed it on was there
    assert alone.stories["c1"].outcome == "answered"


def test_who_loses_his_agent_waits_and_talks_anew() -> None:
    gone = Given(at(30), queue.AgentSignedOut(pool_id="p", agent_id="ana"))
    what = script(visit("c1", 10), agents="ana bob")

    result = told(Script("p", what.begin, what.end, (*what.given, gone), what.visits))

    assert result.stories["c1"].agents == ["ana", "bob"]
    assert result.stories["c1"].over_at == at(90)


def test_who_comes_to_an_unknown_queue_is_rejected_and_not_offered() -> None:
    lost = visit("c1", 10)
    lost = Visit(lost.at, lost.queued.model_copy(update={"queue_id": "none"}), lost.legs)

    result = told(script(lost, visit("c2", 20)))

    assert result.stories["c1"].outcome == "rejected"
    assert figures(result, 20) | {"offered": 1, "rejected": 1, "answered": 1} == figures(result, 20)


def test_who_finds_nobody_is_unfinished_in_the_end() -> None:
    result = told(script(visit("c1", 10), agents=""))

    assert result.stories["c1"].outcome == "unfinished"
    assert figures(result, 20)["unfinished"] == 1


def test_it_measures_only_who_comes_in_time() -> None:
    what = script(visit("early", 10), visit("in", 100), visit("late", 600), agents="ana bob")

    result = told(Script("p", at(60), at(600), what.given, what.visits))

    assert [each.contact_id for each in result.measured()] == ["in"]
    assert sum(each.busy_s for each in result.presences.values()) == 70  # of "early" until 70 s, "in" for 60


def test_it_stops_where_it_would_take_too_long() -> None:
    with pytest.raises(TooMany):
        Play(script(visit("c1", 10), visit("c2", 20)), most_events=8).run()
