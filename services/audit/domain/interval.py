"""One interval of one queue: what the ledger counts beside what analytics told."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from libs.events import analytics
from libs.events.base import AnyEvent, Fact, Facts, Tick
from services.audit.domain import figures
from services.audit.domain.words import Counted, Decide, Limits, Noted, follows

UNTOLD = "analytics told no figures of it"


@dataclass(frozen=True, slots=True)
class Interval:
    """
    `counts` are the ledger's; `figures` those of analytics' latest `revision` (0: none yet).

    `due_at` is when both should agree; `noted` the words of the difference told and not mended.
    """

    queue_id: str = ""
    start: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    revision: int = 0
    told_by: str = ""
    due_at: datetime | None = None
    noted: str = ""


def decider(limits: Limits) -> Decide[Interval]:
    """Return `decide` under these limits."""

    def decide(interval: Interval, event: AnyEvent, now: datetime) -> tuple[Interval, Facts]:
        match event.data:
            case Counted() as data if data.start is not None:
                counts = {
                    name: interval.counts.get(name, 0) + data.counts.get(name, 0)
                    for name in {**interval.counts, **data.counts}
                }
                counted = replace(interval, queue_id=data.queue_id, start=data.start, counts=counts)
                return _wait(counted, data.start, now, limits), ()
            case analytics.IntervalClosed() as data if data.revision > interval.revision:
                said = {name: data.figures.get(name, 0) for name in figures.COMPARED}
                told = replace(
                    interval,
                    queue_id=data.id,
                    start=data.interval_start,
                    figures=said,
                    revision=data.revision,
                    told_by=event.id,
                )
                return _wait(told, data.interval_start, now, limits), ()
            case Tick() if interval.due_at is not None and now >= interval.due_at:
                return _compare(replace(interval, due_at=None), event, now, limits)
        return interval, ()

    return decide


def _wait(interval: Interval, start: datetime, now: datetime, limits: Limits) -> Interval:
    """Return the interval as one to be compared when it is over and nothing has changed for a while."""
    over = max(now, start + figures.GRAIN + timedelta(seconds=60))
    return replace(interval, due_at=over + timedelta(seconds=limits.figures_s))


def _compare(interval: Interval, event: AnyEvent, now: datetime, limits: Limits) -> tuple[Interval, Facts]:
    if interval.start is None or not limits.judges_interval(interval.start):
        return interval, ()
    subject = figures.name_of(interval.queue_id, interval.start)
    if interval.revision:
        differ = figures.differences(interval.counts, interval.figures)
        what = f"analytics says {differ}" if differ else ""
    else:
        what = UNTOLD if any(interval.counts.values()) else ""
    if what == interval.noted:
        return interval, ()
    facts: list[Fact] = []
    if interval.noted:
        facts.append(Noted(rule="I6", subject=subject, what=interval.noted, mended=True))
    if what:
        ids = (interval.told_by,) if interval.told_by else ()
        facts.append(Noted(rule="I6", subject=subject, what=what, event_ids=ids))
    return replace(interval, noted=what), follows(event, now, facts)
