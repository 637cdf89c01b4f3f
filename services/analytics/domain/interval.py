"""The numbers of one interval of one queue, agent, channel or tenant."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from libs.events import analytics
from libs.events.base import AnyEvent, Facts, Tick, after
from services.analytics.domain.counts import GRAIN, Counted, add
from services.analytics.domain.kpis import DEFINITION_VERSION, figures

GRACE = timedelta(seconds=60)  # for what is still on its way when the interval ends
RESTATE = timedelta(seconds=30)  # late facts restate it, together


@dataclass(frozen=True, slots=True)
class Interval:
    """Sums; `revision` counts how often the interval was told, `due_at` when it will be next."""

    dimension: str = ""
    id: str = ""
    start: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    revision: int = 0
    due_at: datetime | None = None


def decide(interval: Interval, event: AnyEvent, now: datetime) -> tuple[Interval, Facts]:
    """Return the interval with what was counted; told when it is over, and again when late facts came."""
    data = event.data
    match data:
        case Counted():
            due_at = max(data.start + GRAIN + GRACE, now + RESTATE)
            return (
                replace(
                    interval,
                    dimension=data.dimension,
                    id=data.id,
                    start=data.start,
                    counts=add(interval.counts, data.counts),
                    due_at=interval.due_at or due_at,
                ),
                [],
            )
        case analytics.IntervalClosed():
            # What was told, read again by a rebuild: it is due once more only if other figures were told.
            told_all = data.figures == figures(interval.counts)
            again_at = None if told_all else max(interval.due_at or now, now + RESTATE)
            return replace(interval, revision=max(interval.revision, data.revision), due_at=again_at), []
        case Tick() if interval.due_at and now >= interval.due_at and interval.start:
            told = replace(interval, revision=interval.revision + 1, due_at=None)
            if interval.dimension == "tenant":
                return told, []
            fact = analytics.IntervalClosed.model_validate(
                {
                    "dimension": interval.dimension,
                    "id": interval.id,
                    "interval_start": interval.start,
                    "interval_minutes": GRAIN // timedelta(minutes=1),
                    "revision": told.revision,
                    "definitions_version": DEFINITION_VERSION,
                    "figures": figures(interval.counts),
                }
            )
            journey = f"{interval.dimension}.{interval.id}"
            return told, [after(event, now, fact, journey_id=journey, what=str(told.revision))]
        case _:
            return interval, []
