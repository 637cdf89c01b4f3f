"""Where an agent's time went, from the states he entered; and which state he is in now."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.events import agent
from libs.events.base import AnyEvent, Facts, after
from services.analytics.domain.counts import Counted, spread

SIGNED_OUT = "signed_out"
# The time in wrap-up is told apart from the wrap-up of contacts, which may overlap conversations.
STATE_COUNTER = {
    "ready": "ready_ms",
    "offered": "offered_ms",
    "busy": "busy_ms",
    "wrap_up": "wrap_up_state_ms",
    "not_ready": "not_ready_ms",
}


@dataclass(frozen=True, slots=True)
class AgentTime:
    """The state an agent is in, by the latest fact of him."""

    agent_id: str = ""
    pool_id: str = ""
    state: str = SIGNED_OUT
    reason: str = ""
    since: datetime | None = None


def decide(known: AgentTime, event: AnyEvent, now: datetime) -> tuple[AgentTime, Facts]:
    """Return the agent after a state was entered, and the time the state before took, by interval."""
    data = event.data
    if not isinstance(data, agent.StateEntered):
        return known, []
    if known.since is None or data.since >= known.since:
        known = AgentTime(data.agent_id, data.pool_id, data.state, data.reason, data.since)
    if data.previous == SIGNED_OUT:
        return known, []
    start = data.since - timedelta(milliseconds=data.previous_ms)
    facts = [
        after(
            event,
            event.time,
            Counted(
                dimension=dimension,
                id=name,
                start=grain,
                counts={STATE_COUNTER[data.previous]: ms, "signed_in_ms": ms},
            ),
        )
        for grain, ms in spread(start, data.since)
        for dimension, name in (("agent", data.agent_id), ("tenant", event.tenant))
    ]
    return known, facts
