"""The demo's result: both counts beside each other, and what does not fit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields

from deploy.dev.demo.counted import Seen, Served, Totals


def table(seen: Totals, counted: Totals, pace: float) -> str:
    """Return the figures of both sides; times in virtual seconds."""
    rows = [("", "people", "analytics", "")]
    for (name, left), (_, right) in zip(_shown(seen, pace), _shown(counted, pace), strict=True):
        rows.append((name, left, right, "=" if left == right else "DIFFERS"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        f"  {row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}" for row in rows
    )


def _shown(totals: Totals, pace: float) -> list[tuple[str, str]]:
    def mean(total_ms: int, count: int) -> str:
        return f"{total_ms * pace / 1000 / count:.1f} s" if count else "-"

    def share(part: int, whole: int) -> str:
        return f"{100 * part / whole:.1f} %" if whole else "-"

    return [
        ("offered", str(totals.offered)),
        ("self-served", str(totals.self_served)),
        ("answered", str(totals.answered)),
        ("abandoned", str(totals.abandoned)),
        ("ASA", mean(totals.answer_wait_ms, totals.answered)),
        ("AHT", mean(totals.handle_ms, totals.handled)),
        ("service level 20 s", share(totals.within, totals.offered)),
        ("CSAT", share(totals.satisfied, totals.scored)),
        ("surveys", str(totals.surveys)),
    ]


def differences(seen: Totals, counted: Totals) -> Iterator[str]:
    """Yield what the two sides counted differently, to the unit."""
    for each in fields(Totals):
        left, right = getattr(seen, each.name), getattr(counted, each.name)
        if left != right:
            yield f"{each.name}: the people counted {left}, analytics {right}"


def unaccounted(contacts: Mapping[str, Seen], agents: Sequence[Served]) -> Iterator[str]:
    """Yield what a contact or an agent lacks: each contact ends exactly once, no stream has a gap."""
    for contact in contacts.values():
        if not contact.started:
            yield f"{contact.interaction_id}: never started"
        elif contact.outcomes != 1:
            yield f"{contact.interaction_id}: reached {contact.outcomes} ends"
        if contact.gaps:
            yield f"{contact.interaction_id}: {contact.gaps} gaps in its stream"
    for agent in agents:
        if agent.gaps:
            yield f"{agent.agent_id}: {agent.gaps} gaps in his stream"
        for contact_id in (*agent.assigned_at, *agent.released_at):
            yield f"{contact_id}: left open by {agent.agent_id}"
