"""One partition of one topic: what was read of it, and whether what could not be read was set aside."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ClassVar

from libs.events.base import AnyEvent, Fact, Facts, Tick
from services.audit.domain.words import Decide, Limits, Noted, follows

PLATFORM = "~platform"  # whom a record belongs to that names no tenant


class RecordsRead(Fact):
    """A run of records was read; `events` are those that can be decoded, `unreadable` offset -> reason."""

    type: ClassVar[str] = "trunkline.private.records_read.v1"
    of_topic: str
    partition: int
    first: int
    last: int
    first_at: datetime
    skipped: tuple[int, ...] = ()  # offsets of types nobody here knows: a newer service may
    unreadable: dict[int, str] = {}  # noqa: RUF012  (pydantic copies a default)

    @property
    def key(self) -> str:
        return f"{self.of_topic}-{self.partition}"


class LetterRead(Fact):
    """A dead letter of this partition was read; `offset` -1: of an event that was readable by itself."""

    type: ClassVar[str] = "trunkline.private.letter_read.v1"
    of_topic: str
    partition: int
    offset: int
    letter: str  # where it lies: "<topic>-<partition>@<offset>"
    reason: str

    @property
    def key(self) -> str:
        return f"{self.of_topic}-{self.partition}"


@dataclass(frozen=True, slots=True)
class Partition:
    """
    read = events + skipped + unreadable, by construction; every unreadable one has a dead letter.

    Offsets below `next` were counted and count no more. `began_at` is set where the topic's beginning was
    gone when it was first read: from then on it is known in full. `waiting` are unreadable records without a
    dead letter yet (offset, since); `early` letters of records not read yet; `noted` offsets told as missing.
    """

    topic: str = ""
    partition: int = 0
    next: int = 0
    began_at: datetime | None = None
    read: int = 0
    events: int = 0
    skipped: int = 0
    unreadable: int = 0
    letters: int = 0  # different unreadable records that were set aside
    set_aside: int = 0  # readable events that their reader set aside
    waiting: tuple[tuple[int, datetime], ...] = field(default=())
    early: tuple[int, ...] = ()
    noted: tuple[int, ...] = ()


def due(partition: Partition, limits: Limits) -> datetime | None:
    """Return when the first dead letter will be overdue."""
    open_since = [since for offset, since in partition.waiting if offset not in partition.noted]
    return min(open_since, default=None) and min(open_since) + timedelta(seconds=limits.letter_s)


def decider(limits: Limits) -> Decide[Partition]:
    """Return `decide` under these limits."""

    def decide(partition: Partition, event: AnyEvent, now: datetime) -> tuple[Partition, Facts]:
        match event.data:
            case RecordsRead() as data if data.last >= partition.next:
                return records(partition, event, data, now)
            case LetterRead() as data:
                return letter(partition, event, data, now)
            case Tick():
                return time_out(partition, event, now, limits)
        return partition, ()

    return decide


def records(
    partition: Partition, event: AnyEvent, data: RecordsRead, now: datetime
) -> tuple[Partition, Facts]:
    """Count the records not counted before."""
    first = max(data.first, partition.next)
    began_at = partition.began_at
    if first > partition.next:  # what lay before was gone: nothing before it can be judged
        began_at = data.first_at
    count = data.last - first + 1
    skipped = sum(offset >= first for offset in data.skipped)
    unreadable = [offset for offset in sorted(data.unreadable) if offset >= first]
    waiting = [(offset, now) for offset in unreadable if offset not in partition.early]
    return replace(
        partition,
        topic=data.of_topic,
        partition=data.partition,
        next=data.last + 1,
        began_at=began_at,
        read=partition.read + count,
        events=partition.events + count - skipped - len(unreadable),
        skipped=partition.skipped + skipped,
        unreadable=partition.unreadable + len(unreadable),
        letters=partition.letters + len(unreadable) - len(waiting),
        waiting=(*partition.waiting, *waiting),
        early=tuple(offset for offset in partition.early if offset > data.last),
    ), ()


def letter(partition: Partition, event: AnyEvent, data: LetterRead, now: datetime) -> tuple[Partition, Facts]:
    """Take note of a dead letter: of a record that waits for it, or of an event set aside by its reader."""
    facts: list[Fact] = []
    subject = f"{data.of_topic}-{data.partition}@{data.offset}"
    if not data.reason:
        facts.append(Noted(rule="I12", subject=data.letter, what="a dead letter without a reason"))
    if data.offset < 0:
        partition = replace(partition, set_aside=partition.set_aside + 1)
    elif any(offset == data.offset for offset, _ in partition.waiting):
        waiting = tuple(each for each in partition.waiting if each[0] != data.offset)
        if data.offset in partition.noted:
            facts.append(Noted(rule="I12", subject=subject, what=_MISSING, mended=True))
        noted = tuple(offset for offset in partition.noted if offset != data.offset)
        partition = replace(partition, waiting=waiting, noted=noted, letters=partition.letters + 1)
    elif data.offset >= partition.next and data.offset not in partition.early:
        partition = replace(partition, early=(*partition.early, data.offset))
    return replace(partition, topic=data.of_topic, partition=data.partition), follows(event, now, facts)


def time_out(partition: Partition, event: AnyEvent, now: datetime, limits: Limits) -> tuple[Partition, Facts]:
    """Note the records that could not be read and were not set aside."""
    late = [
        offset
        for offset, since in partition.waiting
        if offset not in partition.noted and since + timedelta(seconds=limits.letter_s) <= now
    ]
    if not late:
        return partition, ()
    name = f"{partition.topic}-{partition.partition}"
    facts = [Noted(rule="I12", subject=f"{name}@{offset}", what=_MISSING) for offset in late]
    return replace(partition, noted=(*partition.noted, *late)), follows(event, now, facts)


_MISSING = "a record that cannot be read was not set aside"
