"""Whether an agent's schedule has him work: it changes as time passes, or as a supervisor overrules it."""

from dataclasses import replace
from datetime import datetime

from libs import hours
from services.routing.domain.calendars import calendar_of
from services.routing.domain.model import Agent
from services.routing.domain.turn import Turn


def scheduled(agent: Agent, now: datetime) -> Agent:
    """Return the agent as his schedule has him at this moment, and until when that holds."""
    if not agent.signed_in or not agent.config.schedule.shifts:
        return replace(agent, off_schedule=False, schedule_until=None)
    calendar = calendar_of(agent.config.schedule)
    is_off = hours.state_of(calendar, now) != "open"
    return replace(agent, off_schedule=is_off, schedule_until=hours.next_change(calendar, now))


def look(turn: Turn, agent: Agent) -> None:
    """Let an agent's shift begin or end, if its time has come; what he has on his hands stays with him."""
    if agent.schedule_until is not None and agent.schedule_until <= turn.now:
        turn.put_agent(scheduled(agent, turn.now))
