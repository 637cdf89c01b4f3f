"""Whether somebody is there: business hours with holidays, in a time zone of their own."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator

from libs.events.base import Short


class Span(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    start: time
    end: time  # 00:00 is the end of the day


class Calendar(BaseModel):
    """When somebody is there: hours by day of the week, 0 is Monday."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    time_zone: Short
    weekly: dict[Annotated[int, Field(ge=0, le=6)], tuple[Span, ...]]
    holidays: Annotated[frozenset[date], Field(max_length=1000)] = frozenset()

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        return known_zone(name)

    @field_serializer("holidays")
    def _in_order(self, holidays: frozenset[date]) -> list[date]:
        """Return them in one order, so that equal calendars give equal bytes."""
        return sorted(holidays)


def known_zone(name: str) -> str:
    """Return the name of a time zone. :raises ValueError: there is none of that name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no such time zone") from None
    return name


def state_of(calendar: Calendar, now: datetime) -> Literal["open", "closed", "holiday"]:
    """Return what the calendar says of a moment."""
    local = now.astimezone(ZoneInfo(calendar.time_zone))
    if local.date() in calendar.holidays:
        return "holiday"
    clock = local.time()
    for span in calendar.weekly.get(local.weekday(), ()):
        if span.start <= clock and (clock < span.end or span.end == time(0)):
            return "open"
    return "closed"


def next_change(calendar: Calendar, now: datetime) -> datetime:
    """Return when the calendar may next say something else, within eight days; asking then is enough."""
    zone = ZoneInfo(calendar.time_zone)
    today = now.astimezone(zone).date()
    clocks = {time(0)}
    clocks |= {
        clock for spans in calendar.weekly.values() for each in spans for clock in (each.start, each.end)
    }
    moments = (
        datetime.combine(today + timedelta(days=day), clock, zone).astimezone(UTC)
        for day in range(9)
        for clock in clocks
    )
    later = sorted(each for each in moments if each > now)
    state = state_of(calendar, now)
    return next((each for each in later if state_of(calendar, each) != state), later[-1])
