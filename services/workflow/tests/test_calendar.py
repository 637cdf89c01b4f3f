"""Working minutes: a table for what people expect, properties for the rest."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.workflow.domain.calendar import Calendar, add_working_minutes, working_minutes_between
from services.workflow.settings import POLICY_FILE, policy_in

WEEK = [{"start": "09:00", "end": "12:00"}, {"start": "13:00", "end": "18:00"}]
SHANGHAI = Calendar.model_validate(
    {
        "time_zone": "Asia/Shanghai",
        "weekly": dict.fromkeys(range(5), WEEK),
        "holidays": ["2026-03-04"],
    }
)
BERLIN = Calendar.model_validate(
    {"time_zone": "Europe/Berlin", "weekly": {day: [{"start": "00:00", "end": "00:00"}] for day in range(7)}}
)


@pytest.mark.parametrize(
    ("start", "minutes", "end"),
    [
        ("2026-03-02T09:00+08:00", 60, "2026-03-02T10:00+08:00"),  # a Monday
        ("2026-03-02T11:30+08:00", 60, "2026-03-02T13:30+08:00"),  # over lunch
        ("2026-03-02T07:00+08:00", 15, "2026-03-02T09:15+08:00"),  # before hours
        ("2026-03-02T20:00+08:00", 15, "2026-03-03T09:15+08:00"),  # after hours
        ("2026-03-06T17:30+08:00", 60, "2026-03-09T09:30+08:00"),  # over the weekend
        ("2026-03-03T17:00+08:00", 90, "2026-03-05T09:30+08:00"),  # over a holiday
        ("2026-03-02T09:00+08:00", 480, "2026-03-02T18:00+08:00"),  # to the minute of closing
        ("2026-03-02T09:00+08:00", 1440, "2026-03-05T18:00+08:00"),  # three working days and a holiday
        ("2026-03-02T20:00+08:00", 0, "2026-03-03T09:00+08:00"),
    ],
)
def test_counts_working_minutes_only(start: str, minutes: float, end: str) -> None:
    begin, due = datetime.fromisoformat(start), datetime.fromisoformat(end)

    assert add_working_minutes(SHANGHAI, begin, minutes) == due
    assert working_minutes_between(SHANGHAI, begin, due) == minutes


def test_counts_true_minutes_on_the_day_the_clock_is_put_forward() -> None:
    start = datetime.fromisoformat("2026-03-29T00:00+01:00")

    assert add_working_minutes(BERLIN, start, 240) == start + timedelta(hours=4)


BEGINNING = datetime(2025, 1, 1, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=730)).map(lambda passed: BEGINNING + passed)
MINUTES = st.integers(0, 3000)
CALENDARS = st.sampled_from([SHANGHAI, BERLIN])


@given(CALENDARS, MOMENTS, MINUTES)
def test_leaves_exactly_the_minutes_added_between_start_and_end(
    calendar: Calendar, start: datetime, minutes: int
) -> None:
    end = add_working_minutes(calendar, start, minutes)

    assert end >= start
    assert working_minutes_between(calendar, start, end) == pytest.approx(minutes, abs=1e-6)


@given(CALENDARS, MOMENTS, MINUTES, MINUTES)
def test_comes_to_the_same_in_one_step_or_two(
    calendar: Calendar, start: datetime, first: int, second: int
) -> None:
    halfway = add_working_minutes(calendar, start, first)

    assert add_working_minutes(calendar, halfway, second + 1) == add_working_minutes(
        calendar, start, first + second + 1
    )


@given(CALENDARS, MOMENTS, st.timedeltas(timedelta(0), timedelta(days=30)), MINUTES)
def test_never_ends_earlier_for_starting_later(
    calendar: Calendar, start: datetime, later: timedelta, minutes: int
) -> None:
    assert add_working_minutes(calendar, start, minutes) <= add_working_minutes(
        calendar, start + later, minutes
    )


@pytest.mark.parametrize(
    "document",
    [
        {"weekly": {}},
        {"weekly": {7: WEEK}},
        {"weekly": {0: WEEK[::-1]}},
        {"weekly": {0: [{"start": "10:00", "end": "09:00"}]}},
        {"weekly": {0: WEEK}, "time_zone": "Mars/Olympus"},
    ],
)
def test_refuses_a_calendar_that_makes_no_sense(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Calendar.model_validate(document)


def test_promises_something_for_every_priority_by_default() -> None:
    policy = policy_in(POLICY_FILE)

    remind, due = policy.due("urgent", "first_response", datetime.fromisoformat("2026-03-02T09:00+08:00"))

    assert (remind, due) == (
        datetime.fromisoformat("2026-03-02T09:11:15+08:00"),
        datetime.fromisoformat("2026-03-02T09:15+08:00"),
    )
