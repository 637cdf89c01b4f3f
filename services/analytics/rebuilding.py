"""What of analytics can be computed again from the topics: contacts, agents' time and intervals."""

from collections.abc import Mapping, Sequence

from libs import clock
from libs.apply import Tell
from libs.clock import Now
from libs.events import analytics
from libs.events.base import AnyEvent, Fact
from libs.mongo import Database, Document
from libs.projections import At, Fold, Kept, Rebuildable, Refold, tell_nothing
from libs.reading import Bus, Reading
from libs.stored import Key, Store
from libs.wire import Record
from services.analytics.domain.agent_time import AgentTime
from services.analytics.domain.contact import Contact
from services.analytics.domain.counts import Counted
from services.analytics.domain.interval import Interval
from services.analytics.handlers import WANTED, Counting
from services.analytics.store import AGENTS, CONTACTS, INTERVALS, Stores

GROUP = "analytics"
TOLD = analytics.IntervalClosed
READ: tuple[type[Fact], ...] = (*WANTED, TOLD)
SHOWN = ("contacts", "offered", "answered", "abandoned", "outcome_handled")


class _Telling:
    """Tells as it is told to, where the service has a bus."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    async def publish(self, events: Sequence[AnyEvent]) -> None:
        await self._tell(events)


class Recounting:
    """Counts as the service does, and learns from its own topic which intervals were told."""

    def __init__(
        self,
        contacts: Store[Contact],
        agents: Store[AgentTime],
        intervals: Store[Interval],
        tell: Tell,
        now: Now = clock.now,
    ) -> None:
        counting = Counting(contacts, agents, intervals, _Telling(tell), now, Refold)
        self._now = now
        self._count = counting.handle
        self._applies = (counting.contacts, counting.agents, counting.intervals)
        self._intervals = counting.intervals
        self._reading = Reading(READ, frozenset(), frozenset(), GROUP)
        self._told: dict[Key, AnyEvent] = {}

    @property
    def touched(self) -> dict[str, set[str]]:
        names = (CONTACTS.name, AGENTS.name, INTERVALS.name)
        found: dict[str, set[str]] = {}
        for name, apply in zip(names, self._applies, strict=True):
            assert isinstance(apply, Refold)
            found[name] = apply.touched
        return found

    async def take(self, records: Sequence[Record]) -> None:
        events, _ = self._reading.sort_out(records)
        counted = [event for event in events if not isinstance(event.data, TOLD)]
        for event in events:
            if isinstance(event.data, TOLD):
                key = Key(event.tenant, interval_of(event.data))
                before = self._told.get(key)
                if before is None or _revision(before) <= event.data.revision:
                    self._told[key] = event
        if counted:
            await self._count(counted)

    async def finish(self) -> None:
        """Note what was told only now: it is compared with all that was counted."""
        if self._told:
            await self._intervals(list(self._told.items()), self._now())
            self._told.clear()
        for apply in self._applies:
            await apply.settle()

    async def sweep(self) -> None:
        for apply in self._applies:
            assert isinstance(apply, Refold)
            await apply.sweep_all(self._now())


def interval_of(told: analytics.IntervalClosed) -> str:
    """Return the id of the interval that was told of."""
    return Counted(dimension=told.dimension, id=told.id, start=told.interval_start, counts={}).key


def _revision(event: AnyEvent) -> int:
    return event.data.revision if isinstance(event.data, TOLD) else 0


def state_of(document: Document) -> object:
    """Return a contact or an agent."""
    return document["state"]


def counts_of(document: Document) -> object:
    """Return what an interval counts; how often it was told is none of its figures."""
    state = document["state"]
    return state["dimension"], state["id"], state["start"], state["counts"]


def numbers_of(document: Document) -> Mapping[str, int]:
    counts = document["state"]["counts"]
    return {name: counts[name] for name in SHOWN if name in counts}


async def _fold(database: Database, at: At, bus: Bus | None) -> Fold:
    stores = Stores(database, at)
    await stores.create_indexes()
    tell = bus.publish if bus else tell_nothing
    return Recounting(stores.contacts, stores.agents, stores.intervals, tell)


PROJECTIONS = Rebuildable(
    service="analytics",
    group=GROUP,
    topics=tuple(sorted({fact.topic() for fact in READ})),
    kept=(
        Kept(CONTACTS.name, state_of),
        Kept(AGENTS.name, state_of),
        Kept(INTERVALS.name, counts_of, numbers_of, {"ix.dimension": "tenant"}),
    ),
    fold=_fold,
)
