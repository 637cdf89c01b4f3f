"""One calendar in two shapes: as documents have it, and as facts about an agent tell his schedule."""

from functools import lru_cache
from typing import Any

from libs.events.queue import Schedule, Shift
from libs.hours import Calendar


@lru_cache(maxsize=4096)
def calendar_of(schedule: Schedule) -> Calendar:
    """Return the calendar of a schedule that has shifts; without any, an agent works at all times."""
    weekly: dict[int, tuple[dict[str, str], ...]] = {}
    for each in schedule.shifts:
        span = {"start": each.start, "end": each.end}
        weekly[each.weekday] = (*weekly.get(each.weekday, ()), span)
    return Calendar.model_validate(
        {"time_zone": schedule.time_zone, "weekly": weekly, "holidays": schedule.days_off}
    )


def schedule_of(calendar: Calendar) -> Schedule:
    """
    Return a calendar as a schedule: the same hours, the days in order.

    :raises ValueError: it has no hours, more of them or of holidays than a schedule can hold, seconds, or
        hours that end before they start.
    """
    spans = [(day, span) for day, of_day in sorted(calendar.weekly.items()) for span in of_day]
    if not spans:
        raise ValueError("has no hours on any day")
    if any(clock.second or clock.microsecond for _, span in spans for clock in (span.start, span.end)):
        raise ValueError("has hours to the second; the minute is the least")
    shifts = [Shift(weekday=day, start=f"{each.start:%H:%M}", end=f"{each.end:%H:%M}") for day, each in spans]
    return Schedule.model_validate(
        {"time_zone": calendar.time_zone, "shifts": shifts, "days_off": sorted(calendar.holidays)}
    )


def plain_of(calendar: Calendar) -> dict[str, Any]:
    """Return a calendar as it stands in files: days in order, hours to the minute."""
    weekly = {
        str(day): [{"start": f"{each.start:%H:%M}", "end": f"{each.end:%H:%M}"} for each in spans]
        for day, spans in sorted(calendar.weekly.items())
        if spans
    }
    holidays = [day.isoformat() for day in sorted(calendar.holidays)]
    return {"time_zone": calendar.time_zone, "weekly": weekly} | ({"holidays": holidays} if holidays else {})
