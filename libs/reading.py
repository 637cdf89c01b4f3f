"""How a reader sorts the records of its topics: events it wants, records to set aside, records to skip."""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from operator import attrgetter
from typing import Protocol

from libs import metrics, wire
from libs.events.base import AnyEvent, Fact
from libs.events.catalogue import ADAPTER_TOPICS, FACTS, dead_letters_of
from libs.wire import Headers, Record, Unreadable

log = logging.getLogger(__name__)

RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)  # between tries after a passing fault; the last one repeats

_HOME = {fact: fact.topic() for fact in FACTS}
_topic = attrgetter("topic")

Handle = Callable[[Sequence[AnyEvent]], Awaitable[None]]
HandleRecords = Callable[[Sequence[Record]], Awaitable[None]]


class Row(Protocol):
    """A record that was read: one of ours, or one of Kafka's client as it is, to spare a copy of each."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def timestamp(self) -> int: ...


class Bus(Protocol):
    """What services need of a bus; KafkaBus and LocalBus pass the same contract tests."""

    source: str

    async def publish(self, events: Sequence[AnyEvent]) -> None: ...

    async def publish_records(self, records: Sequence[Record]) -> None: ...

    async def consume(
        self,
        group: str,
        wanted: Collection[type[Fact]],
        handle: Handle,
        *,
        keeps_dead_letters_of: Collection[str] = (),
        tenants: Collection[str] = (),
        batch: int = ...,
        patient: bool = False,
    ) -> None: ...

    async def consume_records(
        self,
        group: str,
        topics: Collection[str],
        handle: HandleRecords,
        *,
        batch: int = ...,
        patient: bool = False,
    ) -> None: ...


class Reading:
    """What one reader wants of the topics, and what it does with the rest."""

    def __init__(
        self,
        wanted: Collection[type[Fact]],
        keeps_dead_letters_of: frozenset[str],
        tenants: frozenset[str],
        group: str,
    ) -> None:
        self.topics = tuple(sorted({fact.topic() for fact in wanted} | keeps_dead_letters_of))
        self._wanted = frozenset(wanted)
        self._wanted_types = frozenset(fact.type.encode() for fact in wanted)
        self._keeps = keeps_dead_letters_of
        self._tenants = tenants
        self._group = group

    def sort_out(self, records: Sequence[Row]) -> tuple[list[AnyEvent], list[Record]]:
        """Return the wanted events in order, and the dead letters to write."""
        events: list[AnyEvent] = []
        letters: list[Record] = []
        skipped: list[str] = []
        keeps, wanted, wanted_types, tenants = self._keeps, self._wanted, self._wanted_types, self._tenants
        decode, type_of = wire.decode, wire.type_of
        for record in records:
            topic, headers = record.topic, record.headers
            # A record of a type we know but do not want is not decoded unless we keep its dead letters.
            if topic not in keeps and type_of(headers) not in wanted_types:
                skipped.append(topic)
                continue
            try:
                event = decode(headers, record.value)
                fact = type(event.data)
                if tenants and event.tenant not in tenants:
                    raise Unreadable("foreign_tenant", event.tenant)
                if _HOME[fact] != topic:
                    raise Unreadable("wrong_topic", event.type)
            except Unreadable as problem:
                letter = self._dead_letter(record, problem)
                if letter is None:
                    skipped.append(topic)
                else:
                    letters.append(letter)
                continue
            if fact in wanted:
                events.append(event)
            else:
                skipped.append(topic)
        for topic, count in Counter(map(_topic, records)).items():
            metrics.consumed.labels(topic).inc(count)
        for topic, count in Counter(skipped).items():
            metrics.skipped.labels(topic).inc(count)
        return events, letters

    def _dead_letter(self, record: Row, problem: Unreadable) -> Record | None:
        keeps = record.topic in self._keeps
        # A service may be told of a newer fact by a newer service; an adapter may not make one up.
        if not keeps or (problem.reason == "unknown_type" and record.topic not in ADAPTER_TOPICS):
            return None
        metrics.dead_letters.labels(record.topic, problem.reason).inc()
        log.warning(
            "record set aside",
            extra={"topic": record.topic, "offset": record.offset, "reason": problem.reason},
        )
        return dead_letter(record, problem, self._group)


def dead_letter(record: Row, problem: Unreadable, group: str) -> Record:
    """Return the record as it goes to the dead letters: unchanged, with where it came from and why."""
    where = (
        ("dlq_reason", problem.reason.encode()),
        ("dlq_detail", problem.detail.encode()[:512]),
        ("dlq_topic", record.topic.encode()),
        ("dlq_partition", str(record.partition).encode()),
        ("dlq_offset", str(record.offset).encode()),
        ("dlq_group", group.encode()),
    )
    return Record(
        dead_letters_of(record.topic),
        record.key,
        record.value,
        (*record.headers, *where),
        timestamp_ms=record.timestamp,
    )
