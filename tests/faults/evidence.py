"""What the checker looks at, and what a rule may find in it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from libs import wire
from services.audit.domain.breach import Breach
from services.audit.domain.verdict import audit
from tests.faults.acknowledged import AcknowledgementLog
from tests.faults.topics import DEAD_LETTERS, Row

CLOSED = "session.contact_closed"


@dataclass(frozen=True, slots=True)
class Poison:
    """A bad record put on a topic on purpose: where it lies, and the reason its dead letter must give."""

    place: tuple[str, int, int]
    reason: str


@dataclass
class Evidence:
    """All that the checker looks at."""

    acknowledged: AcknowledgementLog
    rows: Sequence[Row]
    ended: bool = True  # everybody has gone and the platform has come to rest
    poison: Sequence[Poison] = ()
    report: Mapping[str, float] = field(default_factory=dict)
    objects: Mapping[str, tuple[int, str]] = field(default_factory=dict)  # revision: length, checksum
    committed: Mapping[tuple[str, str, int], int] = field(default_factory=dict)  # group, topic, partition
    reached: Mapping[tuple[str, int], int] | None = None  # ends of partitions a look ago; None: as now
    untold: Mapping[str, int] = field(default_factory=dict)  # facts saved and not told, by collection
    memory: Mapping[str, int] = field(default_factory=dict)  # bytes, by process
    log_lines: Sequence[tuple[str, str]] = ()  # process, line
    secrets: Sequence[str] = ()
    canaries: Mapping[str, str] = field(default_factory=dict)  # tenant: what only its own may show
    settled_s: float = 0.0
    settles_within_s: float = 60.0

    @cached_property
    def facts(self) -> list[Row]:
        """Return each event once, in the order of its topic."""
        seen: set[str] = set()
        bad = {each.place for each in self.poison}
        facts: list[Row] = []
        for row in self.rows:
            if row.topic.endswith(DEAD_LETTERS) or row.place in bad or row.id in seen:
                continue
            seen.add(row.id)
            facts.append(row)
        return facts

    @cached_property
    def verdict(self) -> list[Breach]:
        """Return what the ledger's auditor says of all that is on the topics."""
        bad = {each.place for each in self.poison}
        rows = [row for row in self.rows if not row.topic.endswith(DEAD_LETTERS) and row.place not in bad]
        events = [
            wire.decode(tuple((n, v.encode()) for n, v in row.headers.items()), row.value) for row in rows
        ]
        return audit(events, ended=self.ended)


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's verdict."""

    rule: str
    says: str
    checked: int
    breaches: tuple[str, ...]


Rule = Callable[[Evidence], Iterator[str | int]]  # yields counts of what was checked, and breaches


def of(facts: Iterable[Row], *names: str) -> list[Row]:
    """Return the facts of some names."""
    return [row for row in facts if row.name in names]


def ends_of(rows: Iterable[Row]) -> dict[tuple[str, int], int]:
    """Return where each partition ends."""
    ends: dict[tuple[str, int], int] = {}
    for row in rows:
        ends[row.topic, row.partition] = max(ends.get((row.topic, row.partition), 0), row.offset + 1)
    return ends
