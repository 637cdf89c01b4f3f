"""The report of a simulation: figures with confidence intervals, differences, who got another agent."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from services.routing.whatif import intervals
from services.routing.whatif.story import Story, Told

MOST_CONTACTS_TOLD = 1_000
Row = Mapping[str, float]


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Return each figure over the replications: its mean, and half of its 95 % confidence interval."""
    return {name: _told(intervals.of([row[name] for row in rows])) for name in rows[0]}


def differences(before: Sequence[Row], after: Sequence[Row]) -> dict[str, Any]:
    """
    Return how the figures differ, by pairs: a replication of one with the same of the other.

    Both have the same chance, which leaves the difference and takes most of the noise away. Source: A. Law,
    "Simulation Modeling and Analysis", 5th ed., section 10.2.1 (paired-t confidence interval).
    """
    return summary([{name: b[name] - a[name] for name in a} for a, b in zip(before, after, strict=True)])


def moved(before: Told, after: Told) -> dict[str, Any]:
    """Return the contacts of both that were answered by another agent, or by one in one of them only."""
    theirs = after.stories
    pairs = [(each, theirs[each.contact_id]) for each in before.measured() if each.contact_id in theirs]
    other = [(a, b) for a, b in pairs if a.agents[:1] != b.agents[:1]]
    return {
        "of": len(pairs),
        "count": len(other),
        "contacts": [_pair(a, b) for a, b in other[:MOST_CONTACTS_TOLD]],
    }


def as_recorded(told: Told, answered_by: Mapping[str, str]) -> dict[str, int]:
    """
    Return how many contacts of a play were answered by the agent of the record, or by nobody as there.

    Where these are not all, times that are not in the record were not as they were: how long an agent would
    have rung whose offer was taken back, or how late the service saw a deadline (up to a tenth of a second).
    """
    stories = told.measured()
    same = sum(
        each.agents[:1] == [answered_by[each.contact_id]][: bool(answered_by[each.contact_id])]
        for each in stories
        if each.contact_id in answered_by
    )
    return {"of": len(stories), "same": same}


def _pair(a: Story, b: Story) -> dict[str, Any]:
    return {
        "contact_id": a.contact_id,
        "queue_id": a.queue_id,
        "came_at": moment(a.came_at),
        "baseline": "".join(a.agents[:1]),
        "changed": "".join(b.agents[:1]),
        "baseline_outcome": a.outcome,
        "changed_outcome": b.outcome,
    }


def _told(interval: intervals.Interval) -> dict[str, float | None]:
    return {"mean": interval.mean, "half": interval.half}


def moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def as_bytes(report: Mapping[str, Any]) -> bytes:
    """Return the report as JSON: the same bytes for the same report."""
    return orjson.dumps(report, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
