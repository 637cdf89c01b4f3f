"""What the audit does with the records it reads: into accounts, numbers, intervals and partitions."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from libs import metrics, wire
from libs.apply import Apply
from libs.backoff import Wait, at_once
from libs.clock import Now
from libs.errors import Unavailable
from libs.events import analytics, audit
from libs.events.base import AnyEvent, Event, Fact, follow_id
from libs.events.catalogue import ADAPTER_TOPICS, TOPICS, dead_letters_of
from libs.reading import Bus
from libs.service import Ticked
from libs.stored import Key, Store
from libs.wire import Record, Unreadable
from services.audit.domain import contact, interval, ledger, partition, teller
from services.audit.domain.contact import Contact
from services.audit.domain.figures import name_of
from services.audit.domain.interval import Interval
from services.audit.domain.ledger import Found, Ledger
from services.audit.domain.line import contact_of, is_line
from services.audit.domain.numbers import aggregate_of
from services.audit.domain.partition import PLATFORM, LetterRead, Partition, RecordsRead
from services.audit.domain.teller import Teller
from services.audit.domain.words import Counted, Limits, Noted
from services.audit.progress import Progress

log = logging.getLogger(__name__)

GROUP = "audit"
LEDGER = "ledger"
SUMMED = (Counted, audit.BreachFound, audit.BreachMended)  # what the ledger of a tenant adds up
SOURCE = "/trunkline/audit"
AUDITED = tuple(topic for topic in TOPICS if topic != "trunkline.audit")
LETTERS = {dead_letters_of(topic): topic for topic in AUDITED}
READ = (*AUDITED, *LETTERS)
FULL = 400  # records of a batch: more must be waiting


class Auditing:
    """The applies of the audit: contacts, tellers, intervals and partitions note breaches in one list."""

    def __init__(
        self,
        limits: Limits,
        progress: Progress,
        bus: Bus,
        now: Now,
        *,
        contacts: Store[Contact],
        tellers: Store[Teller],
        intervals: Store[Interval],
        ledgers: Store[Ledger],
        partitions: Store[Partition],
        breaches: Store[Found],
        wait: Wait = at_once,
    ) -> None:
        self._now = now
        self._bus = bus
        self.progress = progress
        made = partial(Apply[Any], source=SOURCE, wait=wait)
        self.ledgers: Apply[Ledger] = made(ledgers, ledger.decider(limits), bus.publish)
        self.breaches: Apply[Found] = made(breaches, ledger.note, self._tell)
        self.intervals: Apply[Interval] = made(intervals, interval.decider(limits), self._tell)
        self.contacts: Apply[Contact] = made(contacts, contact.decider(limits), self._tell)
        self.tellers: Apply[Teller] = made(tellers, teller.decider(limits), self._tell)
        self.partitions: Apply[Partition] = made(partitions, partition.decider(limits), self._tell)

    async def _tell(self, facts: Sequence[AnyEvent]) -> None:
        """Hand on what aggregates tell each other, and publish the rest."""
        now = self._now()
        noted = [(Key(each.tenant, each.key), each) for each in facts if isinstance(each.data, Noted)]
        counted = [each for each in facts if isinstance(each.data, Counted)]
        public = [each for each in facts if not isinstance(each.data, Noted | Counted)]
        if public:
            await self._bus.publish(public)
        if cells := [(Key(each.tenant, each.key), each) for each in counted if _queue_of(each)]:
            await self.intervals(cells, now)
        sums = [each for each in facts if isinstance(each.data, SUMMED) and not _queue_of(each)]
        if totals := [(Key(each.tenant, LEDGER), each) for each in sums]:
            for key, stored in (await self.ledgers(totals, now)).items():
                show(key.tenant, stored.state)
        if noted:
            await self.breaches(noted, now)

    async def handle(self, records: Sequence[Record]) -> None:
        """Take a batch of records of topics and their dead letters."""
        now = self._now()
        events, read = sort_out(records)
        if len(records) >= FULL:
            self.progress.note_behind(now)
        kept = await self.partitions([(Key(PLATFORM, each.key), each) for each in read], now)
        for stored in kept.values():
            self.progress.note(stored.state)
        numbered = [(Key(event.tenant, name), event) for event in events if (name := aggregate_of(event))]
        lines = [(Key(event.tenant, contact_of(event.data)), event) for event in events if is_line(event)]
        # They know nothing of each other, and each waits for the database most of the time.
        done = await asyncio.gather(
            self.tellers(numbered, now), self.contacts(lines, now), return_exceptions=True
        )
        for failed in done:
            if isinstance(failed, BaseException):
                raise failed
        await self.intervals([(key, event) for event in events if (key := _told_of(event))], now)

    def settled(self, after_s: float) -> bool:
        """Return whether all processes of the audit have kept up with the topics for a while."""
        return self.progress.settled(self._now(), after_s)


def _queue_of(event: AnyEvent) -> str:
    return event.data.queue_id if isinstance(event.data, Counted) else ""


def _told_of(event: AnyEvent) -> Key | None:
    """Return the interval of a queue that analytics tells."""
    data = event.data
    if isinstance(data, analytics.IntervalClosed) and data.dimension == "queue":
        return Key(event.tenant, name_of(data.id, data.interval_start))
    return None


async def keep_showing(all_ledgers: Callable[[], Awaitable[Mapping[str, Ledger]]], every_s: float) -> None:
    """Let this process's metrics say what other processes have added up since, for ever."""
    while True:
        await asyncio.sleep(every_s)
        try:
            for tenant, state in (await all_ledgers()).items():
                show(tenant, state)
        except Unavailable as error:
            log.warning("the ledgers cannot be shown", extra={"why": error.text})


def show(tenant: str, state: Ledger) -> None:
    """Let the metrics say how a tenant's contacts stand."""
    metrics.audit_open.labels(tenant).set(state.open)
    metrics.audit_overdue.labels(tenant).set(state.overdue)
    for name, number in state.counts.items():
        if name.startswith("breach:"):
            metrics.audit_breaches.labels(tenant, name.removeprefix("breach:")).set(number)


def sort_out(records: Sequence[Record]) -> tuple[list[AnyEvent], list[AnyEvent]]:
    """Return the events of a batch, and what is to be said of its partitions."""
    events: list[AnyEvent] = []
    runs: dict[tuple[str, int], list[Record]] = {}
    letters: list[AnyEvent] = []
    bad: dict[tuple[str, int, int], str] = {}
    for record in records:
        if record.topic in LETTERS:
            letters.append(_letter(record))
            continue
        runs.setdefault((record.topic, record.partition), []).append(record)
        try:
            event = wire.decode(record.headers, record.value)
            if event.data.topic() != record.topic:
                raise Unreadable("wrong_topic", event.type)
            events.append(event)
        except Unreadable as problem:
            bad[record.topic, record.partition, record.offset] = problem.reason
    read = [_run(topic, number, rows, bad) for (topic, number), rows in runs.items()]
    return events, [*read, *letters]


def _run(topic: str, number: int, rows: Sequence[Record], bad: dict[tuple[str, int, int], str]) -> AnyEvent:
    offsets = [row.offset for row in rows]
    wrong = {each: bad[topic, number, each] for each in offsets if (topic, number, each) in bad}
    skipped = {each for each, reason in wrong.items() if _is_newer(topic, reason)}
    return _private(
        RecordsRead(
            of_topic=topic,
            partition=number,
            first=offsets[0],
            last=offsets[-1],
            first_at=_time_of(rows[0]),
            skipped=tuple(sorted(skipped)),
            unreadable={each: reason for each, reason in wrong.items() if each not in skipped},
        ),
        f"{topic}-{number}@{offsets[0]}-{offsets[-1]}",
        _time_of(rows[-1]),
    )


def _is_newer(topic: str, reason: str) -> bool:
    """Return whether a record is skipped: a newer service may tell a fact that is not known here."""
    return reason == "unknown_type" and topic not in ADAPTER_TOPICS


def _letter(record: Record) -> AnyEvent:
    said = {name: value.decode("utf-8", "replace") for name, value in record.headers}
    place = f"{record.topic}-{record.partition}@{record.offset}"
    offset, number = said.get("dlq_offset", ""), said.get("dlq_partition", "")
    letter = LetterRead(
        of_topic=LETTERS[record.topic],
        partition=int(number) if number.isdecimal() else 0,
        offset=int(offset) if offset.isdecimal() else -1,
        letter=place,
        reason=said.get("dlq_reason", ""),
    )
    return _private(letter, place, _time_of(record))


def _private(data: Fact, what: str, at: datetime) -> AnyEvent:
    return Event(follow_id(what, data.type), PLATFORM, at, data, follow_id(PLATFORM, "journey"))


def _time_of(record: Record) -> datetime:
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)


class WhenSettled:
    """
    An Apply whose deadlines come only while the audit keeps up with the topics.

    What it has not read yet is not missing.
    """

    def __init__(self, apply: Ticked, settled: Callable[[], bool]) -> None:
        self._apply = apply
        self._settled = settled

    async def tick(self, now: datetime, limit: int = 500) -> int:
        return await self._apply.tick(now, limit) if self._settled() else 0

    async def sweep(self, now: datetime, limit: int = 200) -> int:
        return await self._apply.sweep(now, limit)

    async def settle(self) -> None:
        await self._apply.settle()
