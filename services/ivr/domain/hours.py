"""Whether somebody is there: business hours with holidays, in a time zone of their own."""

from datetime import datetime, time
from typing import Literal
from zoneinfo import ZoneInfo

from services.ivr.domain.flow import Calendar


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
