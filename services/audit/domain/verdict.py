"""The whole audit of a finished history at once: what simulations and fault tests ask."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from libs.events import agent, analytics, routing
from libs.events.base import AnyEvent
from services.audit.domain import account, figures
from services.audit.domain.account import Account
from services.audit.domain.breach import Breach
from services.audit.domain.floor import Floor, move_of, take
from services.audit.domain.line import Line, contact_of, is_line, line_of
from services.audit.domain.numbers import Numbers, aggregate_of, in_words

OPEN = "it has not reached a terminal state"
SETTLED = timedelta(minutes=5)  # figures this old were told again, if anything late restated them


@dataclass(slots=True)
class _Cell:
    """One interval of one queue: what the ledger counts, what analytics said last, when either changed."""

    counts: Counter[str] = field(default_factory=Counter)
    told: analytics.IntervalClosed | None = None
    told_by: str = ""
    changed_at: datetime | None = None

    def change(self, at: datetime) -> None:
        self.changed_at = at if self.changed_at is None else max(self.changed_at, at)


def audit(events: Iterable[AnyEvent], *, ended: bool = True, settled: timedelta = SETTLED) -> list[Breach]:
    """
    Return every breach in a history: events of all topics, those of one topic in the order of its log.

    Topics may be mixed in any way, and events may come again. With `ended`, nothing more will come: what is
    open or missing is a breach too. Figures are compared where history goes on for `settled` after them.
    """
    seen: dict[tuple[str, str], AnyEvent] = {}
    for event in events:
        seen.setdefault((event.tenant, event.id), event)
    history = list(seen.values())
    accounts = _accounts(history)
    return [
        *(breach for each in accounts for breach in each[2].breaches),
        *(_unfinished(accounts) if ended else ()),
        *_numbers(history),
        *_floors(history),
        *(_figures(history, accounts, settled) if ended else ()),
    ]


def _accounts(history: Sequence[AnyEvent]) -> list[tuple[str, Sequence[Line], Account]]:
    lines: dict[tuple[str, str], list[Line]] = {}
    for event in history:
        if is_line(event):
            lines.setdefault((event.tenant, contact_of(event.data)), []).append(line_of(event))
    return [
        (tenant, each, account.read(tenant, contact_id, each)) for (tenant, contact_id), each in lines.items()
    ]


def _unfinished(accounts: Iterable[tuple[str, Sequence[Line], Account]]) -> Iterable[Breach]:
    for tenant, lines, each in accounts:
        if each.missing or each.open:
            ids = (lines[0].event_id, lines[-1].event_id) if len(lines) > 1 else (lines[0].event_id,)
            yield Breach("I1", tenant, each.contact_id, each.missing or OPEN, ids)


def _numbers(history: Iterable[AnyEvent]) -> Iterable[Breach]:
    tellers: dict[tuple[str, str], dict[int, str]] = {}
    for event in history:
        name = aggregate_of(event)
        if not name or not event.sequence:
            continue
        ids = tellers.setdefault((event.tenant, name), {})
        first = ids.setdefault(event.sequence, event.id)
        if first != event.id:
            yield Breach(
                "I4", event.tenant, name, f"number {event.sequence} was told twice", (first, event.id)
            )
    for (tenant, name), ids in tellers.items():
        numbers = Numbers()
        for number in sorted(ids):
            numbers = numbers.add(number)
        for gap in numbers.gaps:
            yield Breach("I4", tenant, name, f"{in_words(gap)} never came", (ids[gap[1] + 1],))


def _floors(history: Iterable[AnyEvent]) -> Iterable[Breach]:
    pools: dict[tuple[str, str], list[tuple[int, AnyEvent]]] = {}
    for event in history:
        if isinstance(event.data, routing._RoutingFact | agent._AgentFact):
            log = pools.setdefault((event.tenant, event.data.pool_id), [])
            log.append((event.sequence or (log[-1][0] if log else 0), event))
    for (tenant, _), log in pools.items():
        floor, last = Floor(), 0
        for number, event in sorted(log, key=lambda each: each[0]):
            if number > last + 1:
                floor = floor.forget()
            last = max(last, number)
            floor, over = take(floor, move_of(event))
            if over is not None:
                yield Breach("I2", tenant, over[0], over[1], over[2])


def _figures(
    history: Sequence[AnyEvent],
    accounts: Iterable[tuple[str, Sequence[Line], Account]],
    settled: timedelta,
) -> Iterable[Breach]:
    cells: dict[tuple[str, str, datetime], _Cell] = {}
    for tenant, lines, each in accounts:
        for (queue_id, start), counts in figures.count(each.stays).items():
            cell = cells.setdefault((tenant, queue_id, start), _Cell())
            cell.counts += counts
            cell.change(max(line.at for line in lines))
        for stay in each.stays:
            if not stay.exit and each.outcome:
                what = f"it still waits in queue {stay.queue_id} though it was closed as {each.outcome}"
                yield Breach("I6", tenant, each.contact_id, what, (lines[-1].event_id,))
    for event in history:
        data = event.data
        if isinstance(data, analytics.IntervalClosed) and data.dimension == "queue":
            cell = cells.setdefault((event.tenant, data.id, data.interval_start), _Cell())
            cell.change(event.time)
            if cell.told is None or data.revision > cell.told.revision:
                cell.told, cell.told_by = data, event.id
    counted = any(cell.told for cell in cells.values())
    end = max((event.time for event in history), default=None)
    for (tenant, queue_id, start), cell in cells.items():
        changed_at = max(cell.changed_at or start, start + figures.GRAIN)
        if not counted or end is None or end < changed_at + settled:
            continue
        subject = figures.name_of(queue_id, start)
        if cell.told is None:
            yield Breach("I6", tenant, subject, "analytics told no figures of it", ())
        elif differ := figures.differences(cell.counts, cell.told.figures):
            yield Breach("I6", tenant, subject, f"analytics says {differ}", (cell.told_by,))
