"""A queue's figures from the accounts of its contacts, beside those that analytics told."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from services.audit.domain.routed import Stay

GRAIN = timedelta(minutes=15)
COMPARED = ("offered", "answered", "abandoned", "overflowed", "rejected", "waiting")
EXITS = ("answered", "abandoned", "overflowed")


def grain_of(time: datetime) -> datetime:
    """Return the start of the interval that a time falls into."""
    time = time.astimezone(UTC)
    return time.replace(minute=time.minute // 15 * 15, second=0, microsecond=0)


def count(stays: Iterable[Stay]) -> dict[tuple[str, datetime], Counter[str]]:
    """Return offered, exits and rejected by queue and interval: all of a stay counts when it began."""
    cells: dict[tuple[str, datetime], Counter[str]] = {}
    for stay in stays:
        cell = cells.setdefault((stay.queue_id, grain_of(stay.since)), Counter())
        if stay.exit != "rejected":
            cell["offered"] += 1
        if stay.exit:
            cell[stay.exit] += 1
    return cells


def figures(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the figures that are compared; who has not left waits."""
    waiting = counts.get("offered", 0) - sum(counts.get(name, 0) for name in EXITS)
    return {name: counts.get(name, 0) for name in COMPARED} | {"waiting": waiting}


def differences(ours: Mapping[str, int], theirs: Mapping[str, float]) -> str:
    """Return in words where analytics says something else than the ledger, "" where it does not."""
    mine = figures(ours)
    return ", ".join(
        f"{name} {theirs.get(name, 0):g} instead of {mine[name]}"
        for name in COMPARED
        if theirs.get(name, 0) != mine[name]
    )


def name_of(queue_id: str, start: datetime) -> str:
    """Return what an interval of a queue is called: "service@20260302T0915"."""
    return f"{queue_id}@{start:%Y%m%dT%H%M}"
