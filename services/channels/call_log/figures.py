"""Figures of a log by day, and whether what analytics counted agrees with them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.channels.call_log.domain import Call

THRESHOLDS_S = (20, 30, 60)
Figures = Mapping[str, float]
COUNTS = ("offered", "answered", "abandoned", "handled")


@dataclass(slots=True)
class Day:
    """What the log says of one day; waits count on the day the wait began, service on the day it ended."""

    left_in_self_service: int = 0
    answered_waits_s: list[int] = field(default_factory=list)
    abandoned_waits_s: list[int] = field(default_factory=list)
    services_s: list[int] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Return the figures by the names of analytics' definitions, undefined ones left out."""
        answered, abandoned = len(self.answered_waits_s), len(self.abandoned_waits_s)
        offered, handled = answered + abandoned, len(self.services_s)
        made: dict[str, float] = {
            "offered": offered,
            "answered": answered,
            "abandoned": abandoned,
            "handled": handled,
        }
        if offered:
            made["abandonment_rate"] = abandoned / offered
            for threshold in THRESHOLDS_S:
                good = sum(wait <= threshold for wait in self.answered_waits_s)
                made[f"service_level_{threshold * 1000}ms"] = good / offered
        if answered:
            made["asa_ms"] = 1000 * sum(self.answered_waits_s) / answered
        if abandoned:
            made["abandon_wait_ms"] = 1000 * sum(self.abandoned_waits_s) / abandoned
        if handled:
            made["att_ms"] = 1000 * sum(self.services_s) / handled
        return made


def by_day(calls: Iterable[Call], zone: ZoneInfo) -> dict[date, Day]:
    """Return the days of a log, in order."""
    days: dict[date, Day] = defaultdict(Day)

    def day(at: datetime) -> Day:
        return days[at.astimezone(zone).date()]

    for call in calls:
        match call.kind:
            case "left_in_self_service":
                day(call.ended_at).left_in_self_service += 1
            case "abandoned":
                day(call.queued_at or call.left_at).abandoned_waits_s.append(call.waited_s)
            case "answered":
                day(call.queued_at or call.left_at).answered_waits_s.append(call.waited_s)
                day(call.ended_at).services_s.append(call.served_s or 0)
    return dict(sorted(days.items()))


def span_of(days: Sequence[date], zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the midnights around some days."""
    first, last = min(days), max(days) + timedelta(days=1)
    return (
        datetime(first.year, first.month, first.day, tzinfo=zone),
        datetime(last.year, last.month, last.day, tzinfo=zone),
    )


def differences(expected: Figures, counted: Figures) -> list[str]:
    """Return the names of figures that differ by more than rounding."""
    return [
        name
        for name, value in expected.items()
        if abs(counted.get(name, 0.0) - value) > 1e-9 * max(1.0, abs(value))
    ]


def is_counted(expected: Mapping[date, Day], counted: Mapping[date, Figures]) -> bool:
    """Return whether every contact of the log is counted (others of the same days may be as well)."""
    return all(
        counted.get(each, {}).get(name, 0) >= day.figures()[name]
        for each, day in expected.items()
        for name in COUNTS
    )


HEAD = (
    "day", "offered", "answered", "abandoned", "aband. %", "ASA s", "wait of ab. s",
    *(f"SL {t} s %" for t in THRESHOLDS_S), "service s", "left before queue", "as in the log",
)  # fmt: skip


def table(expected: Mapping[date, Day], counted: Mapping[date, Figures]) -> str:
    """Return the figures that analytics counted, one line a day."""
    lines = [HEAD]
    for each, day in expected.items():
        made = counted.get(each, {})
        differ = differences(day.figures(), made)
        lines.append(
            (
                each.isoformat(),
                *(f"{made.get(name, 0):.0f}" for name in COUNTS[:3]),
                _shown(made, "abandonment_rate", 100),
                _shown(made, "asa_ms", 0.001),
                _shown(made, "abandon_wait_ms", 0.001),
                *(_shown(made, f"service_level_{t * 1000}ms", 100) for t in THRESHOLDS_S),
                _shown(made, "att_ms", 0.001),
                str(day.left_in_self_service),
                f"NO: {', '.join(differ)}" if differ else "yes",
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
    )


def _shown(made: Figures, name: str, factor: float) -> str:
    return f"{made[name] * factor:.2f}" if name in made else "-"
