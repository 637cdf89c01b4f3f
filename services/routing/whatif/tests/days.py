"""Builders: a queue, its agents and the contacts of a day."""

from datetime import UTC, datetime
from typing import Any

from services.routing.whatif.distribution import Distribution, Exponential, Never
from services.routing.whatif.drawing import AgentGiven, Demand, QueueGiven, Staff, Synthetic

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
NEVER = Never()
THREE_MINUTES = Exponential(mean_s=180)


def agents(count: int, **more: Any) -> tuple[Staff, ...]:
    return tuple(Staff(agent=AgentGiven(agent_id=f"a{number:02}", **more)) for number in range(count))


def day(
    *,
    per_hour: float = 200.0,
    hours: float = 5.5,
    warm_up_h: float = 0.5,
    staff: tuple[Staff, ...] = (),
    patience: Distribution = NEVER,
    talk: Distribution = THREE_MINUTES,
    **queue: Any,
) -> Synthetic:
    """Return a day of one queue: by default 10 erlangs for 14 agents, no wrap-up, nobody leaves."""
    return Synthetic(
        start=NINE,
        duration_s=hours * 3600,
        warm_up_s=warm_up_h * 3600,
        queues=(QueueGiven(queue_id="service", **{"wrap_up_s": 0, **queue}),),
        staff=staff or agents(14),
        demand=(Demand(queue_id="service", per_hour=(per_hour,), talk=talk, patience=patience),),
    )
