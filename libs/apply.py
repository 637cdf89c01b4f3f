"""
The only way in which state changes: load, decide, save, tell - a batch at a time.

State, the ids of the events applied and the facts that followed are one write, guarded by a version. Facts
have ids that follow from their cause. So an event that comes again changes nothing, and a process that dies
between saving and telling leaves facts behind that its successor, or the sweeper, tells.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from libs import metrics, telemetry
from libs.backoff import Wait, at_once
from libs.errors import Unavailable
from libs.events.base import AnyEvent, Event, Facts, Tick, follow_id
from libs.hold import Hold
from libs.stored import REMEMBERED, Change, Key, Store, Stored

S = TypeVar("S")
Decide = Callable[[S, AnyEvent, datetime], tuple[S, Facts]]
Tell = Callable[[Sequence[AnyEvent]], Awaitable[None]]
Pairs = Iterable[tuple[Key, AnyEvent]]

ATTEMPTS = 8
SHARE = 100  # aggregates of a batch that are decided and saved together
UNTOLD_AFTER = timedelta(seconds=5)  # long past any batch in hand


class Apply(Generic[S]):
    """
    Applies events to the aggregates of one store and tells the facts that follow.

    `tell` publishes on the bus, or hands the facts to the next Apply of the same process.
    """

    def __init__(
        self,
        store: Store[S],
        decide: Decide[S],
        tell: Tell,
        source: str,
        remembered: int = 1000,
        wait: Wait = at_once,
    ) -> None:
        """
        Remember the latest `remembered` aggregates: the one writer of each need not load it again.

        `wait` is awaited between tries while another process keeps being quicker.
        """
        self._store = store
        self._decide = decide
        self._tell = tell
        self._source = f"{source}/{store.name}"  # whose numbers an event carries in `sequence`
        self._told: dict[Key, int] = {}  # versions whose facts are told, the store not yet informed
        self._hold = Hold()
        # As saved and told. Who is behind the store is found out by the version guard, and asks the store.
        self._recent: dict[Key, Stored[S]] = {}
        self._remembered = remembered
        self._wait = wait

    async def __call__(self, pairs: Pairs, now: datetime) -> dict[Key, Stored[S]]:
        """
        Apply events to the aggregates named with them, in the order given, and return these as they now are.

        :raises Unavailable: store or bus did not answer; applying the same again is safe.
        """
        with metrics.apply_seconds.labels(self._store.name).time():
            wanted: dict[Key, list[AnyEvent]] = {}
            for key, event in pairs:
                wanted.setdefault(key, []).append(event)
            if len(wanted) < 2 * SHARE:
                return await self._save_and_tell(wanted, now)
            # While the store writes one share of a large batch, another is decided.
            keys = list(wanted)
            shares = [
                {key: wanted[key] for key in keys[start : start + SHARE]}
                for start in range(0, len(keys), SHARE)
            ]
            done = await asyncio.gather(
                *(self._save_and_tell(share, now) for share in shares), return_exceptions=True
            )
            results: dict[Key, Stored[S]] = {}
            for each in done:
                if isinstance(each, BaseException):  # only now, when no share is being written any more
                    raise each
                results |= each
            return results

    async def _save_and_tell(self, wanted: dict[Key, list[AnyEvent]], now: datetime) -> dict[Key, Stored[S]]:
        results: dict[Key, Stored[S]] = {}
        for attempt in range(ATTEMPTS):
            if not wanted:
                return results
            if attempt > 1:  # the first refusal may only say that what was remembered is old
                await self._wait(attempt - 1)
            async with self._hold(wanted.keys()):
                recent = {key: self._recent.pop(key) for key in wanted if key in self._recent}
                try:
                    refused, facts = await self._attempt(wanted, recent, now, results)
                except Exception:
                    if not recent:
                        raise
                    continue  # it may have been decided on what is no longer so: ask the store
                if facts:
                    await self._tell(facts)
                self._note(results, wanted.keys() - refused)
            wanted = {key: events for key, events in wanted.items() if key in refused}
        if wanted:
            raise Unavailable("contended", "others keep changing the same aggregates")
        return results

    def _note(self, results: Mapping[Key, Stored[S]], done: Collection[Key]) -> None:
        """Remember what is saved and told."""
        for key in done:
            stored = results[key]
            if stored.untold:  # else the store has nothing to forget
                self._told[key] = stored.version
                stored = replace(stored, untold=())
            if stored.version:
                self._recent[key] = stored
        while len(self._recent) > self._remembered:
            del self._recent[next(iter(self._recent))]

    async def _attempt(
        self,
        wanted: Mapping[Key, Sequence[AnyEvent]],
        recent: Mapping[Key, Stored[S]],
        now: datetime,
        results: dict[Key, Stored[S]],
    ) -> tuple[set[Key], list[AnyEvent]]:
        told = {key: self._told[key] for key in wanted if key in self._told}  # `settle` may forget meanwhile
        unknown = [key for key in wanted if key not in recent]
        loaded = {**recent, **(await self._store.load(unknown) if unknown else {})}
        logged = await self._logged(wanted, loaded)
        applied = 0
        changes: list[Change[S]] = []
        to_tell: dict[Key, Sequence[AnyEvent]] = {}
        for key, events in wanted.items():
            stored = loaded.get(key) or Stored(self._store.blank(key))
            if told.get(key) == stored.version and stored.untold:
                stored = replace(stored, untold=())
            elif stored.untold:
                metrics.retold.labels(self._store.name).inc(len(stored.untold))
            base = stored.version
            after = self._apply(stored, events, logged.get(key, frozenset()), now)
            results[key] = after
            to_tell[key] = after.untold
            applied += len(after.applied) - len(stored.applied)
            if after is not stored:
                after, evicted = trim(after, len(stored.applied))
                results[key] = after = replace(after, version=base + 1)
                changes.append(Change(key, base, after, evicted))
        metrics.applied.labels(self._store.name).inc(applied)
        refused = await self._store.save(changes) if changes else set()
        metrics.conflicts.labels(self._store.name).inc(len(refused))
        # Where nothing was new, nothing was written, so no version was compared: the store may know better.
        refused |= {key for key, stored in recent.items() if results[key] is stored}
        facts = [fact for key, told in to_tell.items() if key not in refused for fact in told]
        return refused, facts

    def _apply(
        self, stored: Stored[S], events: Sequence[AnyEvent], logged: frozenset[str] | set[str], now: datetime
    ) -> Stored[S]:
        known = {*stored.applied, *logged}
        for event in events:
            if event.id in known:
                metrics.repeated.labels(self._store.name).inc()
                continue
            known.add(event.id)
            with telemetry.applying(event, self._store.name) as traceparent:
                state, facts = self._decide(stored.state, event, now)
            if not facts and state is stored.state and stored.version == 0 and not stored.applied:
                continue  # nothing is known of it and nothing came to be known
            if len(facts) > 1 and len({fact.id for fact in facts}) != len(facts):
                raise AssertionError(f"{event.type} led to two facts of one id; tell them apart by `what`")
            numbered = [
                self._stamp(fact, stored.sequence + place, traceparent) for place, fact in enumerate(facts, 1)
            ]
            stored = stored.then(state, event.id, numbered)
        return stored

    def _stamp(self, fact: AnyEvent, sequence: int, traceparent: str) -> AnyEvent:
        traceparent = telemetry.child(traceparent, fact.id) if traceparent else ""
        return Event(*fact[:6], self._source, sequence, traceparent)

    async def _logged(
        self, wanted: Mapping[Key, Sequence[AnyEvent]], loaded: Mapping[Key, Stored[S]]
    ) -> dict[Key, set[str]]:
        ask = {
            key: [event.id for event in events if event.id not in loaded[key].applied]
            for key, events in wanted.items()
            if key in loaded and loaded[key].evicted
        }
        ask = {key: ids for key, ids in ask.items() if ids}
        return await self._store.logged(ask) if ask else {}

    async def tick(self, now: datetime, limit: int = 500) -> int:
        """Tell every aggregate whose deadline has come that it has, and return how many these were."""
        due = await self._store.due(now, limit)
        pairs = [
            (
                key,
                Event(
                    follow_id(f"{self._store.name}/{key}/{version}", "tick"),
                    key.tenant,
                    now,
                    Tick(of=key.id),
                    "",
                ),
            )
            for key, version in due
        ]
        if pairs:
            await self(pairs, now)
        return len(pairs)

    async def sweep(self, now: datetime, limit: int = 200) -> int:
        """Tell the facts that a dead process has left behind, and return of how many aggregates."""
        keys = await self._store.with_untold(now - UNTOLD_AFTER, limit)
        async with self._hold(keys):
            told = dict(self._told)
            loaded = await self._store.load(keys) if keys else {}
            left = [
                fact
                for key, stored in loaded.items()
                if told.get(key) != stored.version
                for fact in stored.untold
            ]
            if left:
                metrics.retold.labels(self._store.name).inc(len(left))
                await self._tell(left)
            self._told.update({key: stored.version for key, stored in loaded.items()})
        return len(loaded)

    async def settle(self) -> None:
        """Inform the store of what has been told; called every second or so, off everybody's path."""
        told = dict(self._told)
        await self._store.mark_told(told)
        for key, version in told.items():
            if self._told.get(key) == version:
                del self._told[key]


def trim(stored: Stored[S], saved: int) -> tuple[Stored[S], tuple[str, ...]]:
    """
    Return the aggregate with at most 2 x REMEMBERED ids, and those pushed out; in blocks, so seldom.

    Only the first `saved` ids may go, which the store has. The log of ids is written before the aggregate: an
    id of the batch in hand would be known there although nothing came of it, if the process died in between.
    """
    count = min(len(stored.applied) - REMEMBERED, saved) if len(stored.applied) > 2 * REMEMBERED else 0
    if count <= 0:
        return stored, ()
    evicted = stored.applied[:count]
    return replace(stored, applied=stored.applied[count:], evicted=True), evicted
