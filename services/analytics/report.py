"""Reports: sums of intervals, cut as the reader wants them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from services.analytics.domain.counts import add
from services.analytics.domain.kpis import figures

DAY_MINUTES = 1440
INTERVALS_MINUTES = (0, 15, 30, 60, DAY_MINUTES)

Grain = tuple[datetime, str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one id in one interval; `id` is empty in a total."""

    start: datetime
    end: datetime
    id: str
    figures: dict[str, float]


def rows_of(
    grains: Iterable[Grain],
    start: datetime,
    end: datetime,
    interval_minutes: int,
    zone: ZoneInfo,
    thresholds_ms: Sequence[int],
) -> list[Row]:
    """Return rows by time and id; figures are made from summed counts, never averaged from figures."""
    sums: dict[tuple[datetime, str], dict[str, int]] = {}
    for grain, name, counts in grains:
        place = (interval_start(grain, start, interval_minutes, zone), name)
        sums[place] = add(sums.get(place, {}), counts)
    return [
        Row(at, interval_end(at, end, interval_minutes, zone), name, figures(counts, thresholds_ms))
        for (at, name), counts in sorted(sums.items())
    ]


def interval_start(time: datetime, start: datetime, interval_minutes: int, zone: ZoneInfo) -> datetime:
    """Return the start of the reader's interval that a grain belongs to."""
    if interval_minutes == 0:
        return start
    local = time.astimezone(zone)
    if interval_minutes == DAY_MINUTES:
        return local.replace(hour=0, minute=0)
    minute = local.minute // interval_minutes * interval_minutes if interval_minutes < 60 else 0
    return local.replace(minute=minute)


def interval_end(at: datetime, end: datetime, interval_minutes: int, zone: ZoneInfo) -> datetime:
    """Return the end of an interval; a day of 23 or 25 hours ends at its midnight."""
    if interval_minutes == 0:
        return end
    if interval_minutes == DAY_MINUTES:
        return (at.astimezone(zone).replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
    return at + timedelta(minutes=interval_minutes)
