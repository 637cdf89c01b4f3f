"""Tables of schedules: who is offered nothing outside his shifts, and what a supervisor can do about it."""

from datetime import date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from libs import hours
from libs.events.queue import AgentConfigured, Schedule, Shift
from services.routing.domain.match import barred
from services.routing.domain.waits import servers
from services.routing.messages import queue_of
from services.routing.tests.cases import (
    NINE,
    POOL,
    Floor,
    at,
    floor,
    names,
    queued,
    ready,
    signed_in,
    signed_out,
    strategy,
)

HOUR = 3600.0
TEN_TO_ELEVEN = Schedule(shifts=(Shift(weekday=0, start="10:00", end="11:00"),))  # at nine it is Monday


def ana(schedule: Schedule = TEN_TO_ELEVEN) -> AgentConfigured:
    return AgentConfigured(pool_id=POOL, agent_id="ana", capacity={"voice": 1}, schedule=schedule)


def early(*, by: str = "") -> Floor:
    """Return a pool whose one agent has signed in an hour before her shift, and wants to be ready."""
    here = floor()
    for each in (ana(), signed_in("ana"), ready("ana", by=by)):
        here.tell(each)
    return here


def test_it_offers_her_nothing_before_her_shift_and_who_waits_when_it_begins() -> None:
    here = early()
    here.tell(queued("c"), 10)
    states = [here.state("ana")]

    here.wait_until(HOUR - 1)
    before = here.contact("c").agent_id
    here.wait_until(HOUR)
    states.append(here.state("ana"))

    assert (before, here.contact("c").agent_id) == ("", "ana")
    assert states == ["not_ready:outside_schedule", "offered"]


def test_it_says_that_the_schedule_keeps_her_away() -> None:
    assert barred(early().agent("ana"), "voice") == "outside_schedule"


def test_it_leaves_her_what_she_has_when_her_shift_ends_and_offers_no_more() -> None:
    here = early()
    here.wait_until(HOUR)
    here.tell(queued("c"), 2 * HOUR - 10)
    here.accept("c", 2 * HOUR - 5)
    here.wait_until(2 * HOUR)
    held = here.contact("c").state, here.state("ana")

    here = early()
    here.wait_until(2 * HOUR)
    here.tell(queued("d"), 2 * HOUR)

    assert held == ("assigned", "busy")
    assert (here.contact("d").agent_id, here.state("ana")) == ("", "not_ready:outside_schedule")


def test_a_supervisor_has_her_work_outside_it_until_she_signs_out() -> None:
    here = early(by="sue")
    here.tell(queued("c"), 10)
    overtime = here.contact("c").agent_id

    here.tell(signed_out("ana"), 20)
    here.tell(signed_in("ana"), 30)
    here.tell(ready("ana"), 30)

    assert (overtime, here.contact("c").agent_id) == ("ana", "")


def test_who_is_off_schedule_serves_nobody_who_waits() -> None:
    here = early()
    seen = here.pool.queues["service"]
    off = servers(seen, "voice", here.pool.agents.values())
    figures = [queue_of(seen, here.pool, at(10)).agents_signed_in]

    here.wait_until(HOUR)
    figures.append(queue_of(seen, here.pool, at(HOUR)).agents_signed_in)

    assert (off, servers(seen, "voice", here.pool.agents.values())) == (0, 1)
    assert figures == [0, 1]


def test_it_does_not_count_on_who_only_finishes_what_she_has() -> None:
    here = early()
    here.wait_until(HOUR)
    here.tell(queued("c"), 2 * HOUR - 10)
    here.accept("c", 2 * HOUR - 5)
    here.wait_until(2 * HOUR)

    assert servers(here.pool.queues["service"], "voice", here.pool.agents.values()) == 0


@pytest.mark.parametrize(("by", "outcome"), [("", "contact_rejected"), ("sue", "contact_enqueued")])
def test_a_queue_where_all_are_off_schedule_is_deserted(by: str, outcome: str) -> None:
    here = early(by=by)
    here.tell(strategy(limits={"nobody": {"instead": "voicemail"}}), 5)

    facts = here.tell(queued("c"), 10)

    assert names(facts)[0] == outcome


def test_a_new_schedule_counts_at_once() -> None:
    here = early()
    here.tell(queued("c"), 10)

    here.tell(ana(Schedule()), 20)

    assert here.contact("c").agent_id == "ana"


def test_no_time_is_kept_for_who_is_not_there() -> None:
    here = early()
    here.tell(signed_out("ana"), 10)

    assert here.agent("ana").schedule_until is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"time_zone": "Mars/Base"}, "no such time zone"),
        ({"shifts": [{"weekday": 0, "start": "18:00", "end": "09:00"}]}, "is two"),
        ({"shifts": [{"weekday": 7}]}, "less than or equal to 6"),
        ({"shifts": [{"weekday": 0, "start": "24:00"}]}, "pattern"),
    ],
)
def test_it_takes_no_schedule_that_cannot_be(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Schedule.model_validate(wrong)


WEEKDAYS = hours.Calendar.model_validate(
    {
        "time_zone": "Europe/Berlin",
        "weekly": {day: [{"start": "09:00", "end": "18:00"}] for day in range(5)},
        "holidays": [date(2026, 3, 3)],
    }
)


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (NINE, "2026-03-02T17:00:00+00:00"),  # open until 18:00 in Berlin
        (at(8 * HOUR), "2026-03-02T23:00:00+00:00"),  # closed until the holiday begins
        (at(15 * HOUR), "2026-03-03T23:00:00+00:00"),
        (datetime.fromisoformat("2026-03-27T20:00:00+00:00"), "2026-03-30T07:00:00+00:00"),  # summer time
    ],
)
def test_it_knows_when_a_calendar_next_says_something_else(now: datetime, then: str) -> None:
    assert hours.next_change(WEEKDAYS, now) == datetime.fromisoformat(then)


def test_days_off_are_texts_where_they_are_kept() -> None:
    """The database knows moments, and no days."""
    schedule = Schedule.model_validate({"days_off": ["2026-10-01"]})

    kept = schedule.model_dump()

    assert kept["days_off"] == ("2026-10-01",)
    assert Schedule.model_validate(kept) == schedule


def test_equal_calendars_give_equal_bytes() -> None:
    days = [f"2026-{month:02}-{day:02}" for month in range(1, 13) for day in (1, 15)]
    calendars = [
        hours.Calendar.model_validate({"time_zone": "UTC", "weekly": {}, "holidays": each})
        for each in (days, days[::-1])
    ]

    assert {each.model_dump_json() for each in calendars} == {
        f'{{"time_zone":"UTC","weekly":{{}},"holidays":{days}}}'.replace("'", '"').replace(", ", ",")
    }
