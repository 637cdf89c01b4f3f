"""Working time: which minutes count, in a time zone of their own, and when so many of them have passed."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

DAYS_AHEAD = 3660  # longer than any promise to a customer


class Span(BaseModel):
    """Working hours of a day; an end of 00:00 is midnight."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: time
    end: time

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.end != time(0) and self.start >= self.end:
            raise ValueError("the end comes before the start")
        return self


class Calendar(BaseModel):
    """Working hours by day of the week (0 is Monday), less the holidays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_zone: str = "UTC"
    weekly: dict[Annotated[int, Field(ge=0, le=6)], tuple[Span, ...]]
    holidays: frozenset[date] = frozenset()

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("no such time zone") from None
        return name

    @field_validator("weekly")
    @classmethod
    def _has_order(cls, weekly: dict[int, tuple[Span, ...]]) -> dict[int, tuple[Span, ...]]:
        if not any(weekly.values()):
            raise ValueError("nobody ever works")
        for spans in weekly.values():
            for earlier, later in pairwise(spans):
                if earlier.end == time(0) or earlier.end > later.start:
                    raise ValueError("spans of a day overlap or are out of order")
        return weekly


def add_working_minutes(calendar: Calendar, start: datetime, minutes: float) -> datetime:
    """
    Return when so many working minutes have passed since `start`, in UTC.

    No minutes lead to the start itself, or to the next working moment where it lies outside of hours.

    :raises ValueError: the calendar has not so much working time within ten years.
    """
    left = timedelta(minutes=minutes)
    for opens, closes in _spans_after(calendar, start):
        begin = max(opens, start)
        if closes - begin >= left and begin < closes:
            return (begin + left).astimezone(UTC)
        left -= max(closes - begin, timedelta(0))
    raise ValueError("the calendar has too little working time")


def working_minutes_between(calendar: Calendar, start: datetime, end: datetime) -> float:
    """Return how many working minutes lie between two moments, 0 where the second is the earlier."""
    total = timedelta(0)
    for opens, closes in _spans_after(calendar, start):
        if opens >= end:
            break
        total += max(min(closes, end) - max(opens, start), timedelta(0))
    return total / timedelta(minutes=1)


def _spans_after(calendar: Calendar, start: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield working spans in UTC, so that their lengths are true on days when the clock changes."""
    zone = ZoneInfo(calendar.time_zone)
    first = start.astimezone(zone).date()
    for ahead in range(DAYS_AHEAD):
        day = first + timedelta(days=ahead)
        if day in calendar.holidays:
            continue
        for span in calendar.weekly.get(day.weekday(), ()):
            last = day + timedelta(days=1) if span.end == time(0) else day
            opens = datetime.combine(day, span.start, zone).astimezone(UTC)
            closes = datetime.combine(last, span.end, zone).astimezone(UTC)
            if closes > opens and closes > start:
                yield opens, closes
