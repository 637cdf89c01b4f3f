"""What a row of a call log says of a call, or why it says nothing that can be relied on."""

import re
from collections.abc import Mapping as Fields
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal

from libs.events.base import Identity, follow_id
from services.channels.call_log.mapping import Mapping, Span

DAY_S = 86_400
_ID = re.compile(r"[A-Za-z0-9._:@+=~-]{1,128}")

# Rows set aside: they contradict themselves, so no life of a call follows from them.
NO_DATE = "arrival_unreadable"
UNREADABLE = "time_unreadable"
BACKWARDS = "phase_ends_before_it_starts"
OTHER_LENGTH = "length_is_not_end_minus_start"
UNKNOWN_OUTCOME = "outcome_unknown"
UNSERVED = "answered_without_service_times"
SERVED = "left_but_has_service_times"
REPEATED = "call_repeated"
RAGGED = "wrong_number_of_columns"
UNDECODABLE = "characters_unreadable"

# Rows replayed though something about them is odd.
NAMELESS = "answered_by_nobody_named"
EARLY = "service_starts_before_the_wait_ends"
LATE = "service_starts_after_the_call_was_passed_on"
AT_ONCE = "service_of_zero_seconds"
GAP = "queue_starts_after_self_service_ends"
MIDNIGHT = "past_midnight"


class SetAside(Exception):
    """The row is not replayed; `reason` is one of the codes above."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Call:
    """
    The life of one call. `queued_at` is None where it never waited; `served_s` is None where nobody answered.

    `left_at` is when it left queue or self-service: to an agent, or by hanging up.
    """

    id: str
    arrived_at: datetime
    queued_at: datetime | None
    left_at: datetime
    served_s: int | None
    agent_id: str
    queue_id: str
    priority: int
    context: dict[str, str]
    identities: tuple[Identity, ...]
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> Literal["answered", "abandoned", "left_in_self_service"]:
        if self.served_s is not None:
            return "answered"
        return "abandoned" if self.queued_at else "left_in_self_service"

    @property
    def waited_s(self) -> int:
        return (self.left_at - (self.queued_at or self.left_at)) // timedelta(seconds=1)

    @property
    def ended_at(self) -> datetime:
        return self.left_at + timedelta(seconds=self.served_s or 0)


def call_of(row: Fields[str, str], mapping: Mapping) -> Call | None:
    """
    Return the call of a row, None where its outcome is one to be ignored.

    :raises SetAside: the row cannot be relied on.
    """
    columns = mapping.columns
    outcome = mapping.outcomes.get(row[columns.outcome])
    if outcome == "ignored":
        return None
    if outcome is None:
        raise SetAside(UNKNOWN_OUTCOME)
    clock = _Clock(mapping, row)
    arrived_s = clock.first
    _, left_s = clock.span(columns.self_service)
    queued_s: int | None = None
    notes: list[str] = []
    if clock.happened(columns.wait):
        out_of_self_service_s = left_s
        queued_s, left_s = clock.span(columns.wait)
        if queued_s > out_of_self_service_s:
            notes.append(GAP)
    served_s: int | None = None
    if clock.happened(columns.service):
        if outcome == "left":
            raise SetAside(SERVED)
        start_s, end_s = clock.span(columns.service, loose=True)
        served_s = end_s - start_s
        early_s = left_s - start_s
        notes += [NAMELESS] if row.get(columns.agent, "") in mapping.no_agent else []
        notes += [EARLY] if early_s > mapping.clock_skew_s else []
        notes += [LATE] if -early_s > mapping.clock_skew_s else []
        notes += [AT_ONCE] if served_s == 0 else []
    elif outcome == "answered":
        raise SetAside(UNSERVED)
    if clock.latest >= DAY_S:
        notes.append(MIDNIGHT)
    identity = mapping.identity
    known = identity is not None and row[identity.column] not in identity.no_value
    return Call(
        id=call_id(mapping, row),
        arrived_at=clock.at(arrived_s),
        queued_at=None if queued_s is None else clock.at(queued_s),
        left_at=clock.at(left_s),
        served_s=served_s,
        agent_id="" if served_s is None else agent_of(mapping, row),
        queue_id=mapping.queues.get(row.get(columns.queue, ""), mapping.other_queue),
        priority=number(row[columns.priority] or "0") if columns.priority else 0,
        context={name: row[column] for name, column in mapping.context.items() if row[column]},
        identities=(Identity(kind=identity.kind, value=row[identity.column]),) if identity and known else (),
        notes=tuple(notes),
    )


def call_id(mapping: Mapping, row: Fields[str, str]) -> str:
    """Return the interaction id: the same for the same row in every replay."""
    named = "-".join([mapping.name, *(row[column] for column in mapping.columns.call)])
    return named if _ID.fullmatch(named) else f"{mapping.name[:80]}-{follow_id(named, 'call')}"


def agent_of(mapping: Mapping, row: Fields[str, str]) -> str:
    """Return the agent's id, "" where the log names nobody."""
    name = row.get(mapping.columns.agent, "").strip()
    if name in mapping.no_agent:
        return ""
    return name if _ID.fullmatch(name) else follow_id(name, "agent")


def number(text: str) -> int:
    """Return a whole number. :raises SetAside: it is none."""
    try:
        return int(text)
    except ValueError:
        raise SetAside(UNREADABLE) from None


@lru_cache(maxsize=DAY_S)  # a log names the same seconds of the day again and again
def seconds_of(time_of_day: str, time_format: str) -> int | None:
    """Return the seconds since midnight, None where that cannot be read."""
    try:
        time = datetime.strptime(time_of_day, time_format)  # noqa: DTZ007
    except ValueError:
        return None
    return time.hour * 3600 + time.minute * 60 + time.second


class _Clock:
    """
    Reads a row's times of day as seconds since the midnight before the call arrived.

    A time that is half a day or more before the one it follows belongs to the next day.
    """

    def __init__(self, mapping: Mapping, row: Fields[str, str]) -> None:
        self._mapping = mapping
        self._row = row
        self.first = self._of_day(mapping.columns.self_service.start, NO_DATE)
        self.latest = self.first
        try:
            date = datetime.strptime(row[mapping.columns.date], mapping.date_format)  # noqa: DTZ007
        except ValueError:
            raise SetAside(NO_DATE) from None
        arrived = date.replace(tzinfo=mapping.zone) + timedelta(seconds=self.first)  # wall clock
        self._arrived = arrived.astimezone(UTC)

    def at(self, seconds: int) -> datetime:
        """Return a moment of the call, counted on from its arrival: clocks may be changed meanwhile."""
        return self._arrived + timedelta(seconds=seconds - self.first)

    def happened(self, span: Span) -> bool:
        no_time = self._mapping.no_time
        return not (self._row[span.start] in no_time and self._row[span.end] in no_time)

    def span(self, span: Span, *, loose: bool = False) -> tuple[int, int]:
        """
        Return start and end of a phase; a `loose` one may start before what precedes it.

        :raises SetAside: they are unreadable or impossible.
        """
        start = self._after(self._of_day(span.start), self.latest)
        end = self._after(self._of_day(span.end), start)
        if end < start or (start < self.latest and not loose):
            raise SetAside(BACKWARDS)
        if span.seconds and number(self._row[span.seconds]) != end - start:
            raise SetAside(OTHER_LENGTH)
        self.latest = max(self.latest, end)
        return start, end

    def _of_day(self, column: str, reason: str = UNREADABLE) -> int:
        seconds = seconds_of(self._row[column], self._mapping.time_format)
        if seconds is None:
            raise SetAside(reason)
        return seconds

    def _after(self, of_day: int, before: int) -> int:
        seconds = before - before % DAY_S + of_day
        if before - seconds >= DAY_S // 2:
            return seconds + DAY_S
        return seconds - DAY_S if seconds - before > DAY_S // 2 and seconds >= DAY_S else seconds
