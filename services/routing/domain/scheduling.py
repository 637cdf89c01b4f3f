"""Whether an agent's schedule has him work: it changes as time passes, or as a supervisor overrules it."""

from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from libs import hours
from libs.events.queue import Schedule
from services.routing.domain.model import Agent
from services.routing.domain.turn import Turn


def scheduled(agent: Agent, now: datetime) -> Agent:
    """Return the agent as his schedule has him at this moment, and until when that holds."""
    if not agent.signed_in or not agent.config.schedule.shifts:
        return replace(agent, off_schedule=False, schedule_until=None)
    calendar = _calendar(agent.config.schedule)
    is_off = hours.state_of(calendar, now) != "open"
    return replace(agent, off_schedule=is_off, schedule_until=hours.next_change(calendar, now))


def look(turn: Turn, agent: Agent) -> None:
    """Let an agent's shift begin or end, if its time has come; what he has on his hands stays with him."""
    if agent.schedule_until is not None and agent.schedule_until <= turn.now:
        turn.put_agent(scheduled(agent, turn.now))


@lru_cache(maxsize=4096)
def _calendar(schedule: Schedule) -> hours.Calendar:
    weekly: dict[int, tuple[dict[str, str], ...]] = {}
    for each in schedule.shifts:
        span = {"start": each.start, "end": each.end}
        weekly[each.weekday] = (*weekly.get(each.weekday, ()), span)
    return hours.Calendar.model_validate(
        {"time_zone": schedule.time_zone, "weekly": weekly, "holidays": schedule.days_off}
    )
