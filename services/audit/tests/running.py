"""Processes of the audit in memory, one or several on the same stores, at a time that the test sets."""

import asyncio
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from libs.events import audit
from libs.events.base import AnyEvent
from libs.local import LocalBus, LocalStore
from libs.service import Ticked
from libs.stored import Change, Key, Stored
from libs.wire import Record, encode
from services.audit.domain import contact, partition, teller
from services.audit.domain.contact import Contact
from services.audit.domain.interval import Interval
from services.audit.domain.ledger import Found, Ledger
from services.audit.domain.partition import Partition
from services.audit.domain.teller import Teller
from services.audit.domain.words import Limits
from services.audit.handlers import Auditing, WhenSettled
from services.audit.progress import Progress, Reached
from services.audit.tests.making import at

S = TypeVar("S")
SETTLE_S = 5


class SlowStore(LocalStore[S]):
    """A store that lets others come in between, at random: as one over a network does."""

    dice: random.Random | None = None

    async def load(self, keys: Collection[Key]) -> dict[Key, Stored[S]]:
        await self._wait()
        return await super().load(keys)

    async def save(self, changes: Sequence[Change[S]]) -> set[Key]:
        await self._wait()
        return await super().save(changes)

    async def _wait(self) -> None:
        for _ in range(self.dice.randrange(3) if self.dice else 0):
            await asyncio.sleep(0)


@dataclass
class Audit:
    """The audit in memory, by one process or by `count` of them; every topic has one partition of each."""

    now_s: float = 0
    count: int = 1
    dice: random.Random | None = None
    bus: LocalBus = field(default_factory=lambda: LocalBus("/trunkline/audit"))
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    reached: Reached = field(default_factory=Reached)

    def __post_init__(self) -> None:
        self.kept: dict[str, SlowStore[Any]] = {}
        self.processes = [self.process() for _ in range(self.count)]

    @property
    def auditing(self) -> Auditing:
        return self.processes[0]

    def process(self) -> Auditing:
        """Return one more process of the audit, on the same stores."""
        progress = Progress(self.exchange)
        limits = Limits(judged_from=progress.judged_from)
        stores = (
            SlowStore[Any](
                "contacts", lambda key: Contact(key.tenant, key.id), partial(contact.due, limits=limits)
            ),
            SlowStore[Any]("tellers", lambda key: Teller(key.id), partial(teller.due, limits=limits)),
            SlowStore[Any]("intervals", lambda key: Interval(), lambda state: state.due_at),
            SlowStore[Any]("ledgers", lambda key: Ledger(key.tenant), lambda state: state.due_at),
            SlowStore[Any]("partitions", lambda key: Partition(), partial(partition.due, limits=limits)),
            SlowStore[Any]("breaches", lambda key: Found()),
        )
        for store in stores:
            store.dice = self.dice
        names = {store.name: self.kept.setdefault(store.name, store) for store in stores}
        return Auditing(limits, progress, self.bus, lambda: at(self.now_s), wait=self.wait, **names)

    async def wait(self, failed: int) -> None:
        await asyncio.sleep(0)

    async def exchange(self, mine: Reached) -> Reached:
        self.reached = self.reached.and_also(mine)
        return self.reached

    def placed(self, record: Record, number: int = 0) -> Record:
        place = (record.topic, number)
        offset = self.offsets.get(place, 0)
        self.offsets[place] = offset + 1
        return record._replace(
            partition=number, offset=offset, timestamp_ms=int(at(self.now_s).timestamp() * 1000)
        )

    async def hear(self, events: Sequence[AnyEvent], batch: int = 7) -> None:
        for start in range(0, len(events), batch):
            await self.read([encode(event) for event in events[start : start + batch]])

    async def read(self, records: Sequence[Record]) -> list[Record]:
        placed = [self.placed(record) for record in records]
        await self.auditing.handle(placed)
        return placed

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, with what it brings to every process."""
        self.now_s += seconds
        for one in self.processes:
            await self.tick(one)

    async def tick(self, one: Auditing) -> None:
        """Keep one process's time, as its __main__ does."""
        settled = partial(one.settled, SETTLE_S)
        judging = (one.contacts, one.tellers, one.intervals, one.partitions)
        timed: list[Ticked] = [one.progress, *(WhenSettled(each, settled) for each in judging)]
        for each in (*timed, one.breaches, one.ledgers):
            await each.tick(at(self.now_s))

    def told(self) -> list[tuple[str, str, str, str]]:
        """Return found and mended, in order, what was told again once: what, rule, subject, words."""
        events = {event.id: event for event in self.bus.told("trunkline.audit")}
        return [
            (event.type.split(".")[2].removeprefix("breach_"), each.rule, each.subject, each.what)
            for event in events.values()
            if isinstance(each := event.data, audit.BreachFound | audit.BreachMended)
        ]

    def states(self, name: str) -> dict[Key, Any]:
        """Return the aggregates of one store as they stand."""
        return {key: stored.state for key, stored in self.kept[name].kept.items()}

    def ledger(self) -> Ledger:
        state: Ledger = self.states("ledgers")[Key("acme", "ledger")]
        return state

    def part(self, topic: str) -> Partition:
        state: Partition = self.states("partitions")[Key("~platform", f"{topic}-0")]
        return state
