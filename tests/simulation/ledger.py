"""What must hold at every step: after each save, each publication, each commit."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from libs import wire
from libs.events.base import AnyEvent
from libs.stored import Change, Key, Stored
from libs.wire import Record
from tests.simulation.rules import Watch
from tests.simulation.stores import Shelf
from tests.simulation.world import Process, World

Told = tuple[str, Key, int]  # store, aggregate, number
PRIVATE = ("trunkline.private.", "trunkline.command.", "trunkline.gateway.")


class Ledger:
    """The checker's own books: every fact that was saved, in its aggregate's order, and every one told."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.facts: dict[str, tuple[Told, AnyEvent]] = {}
        self.told: Counter[str] = Counter()
        self.applied: dict[tuple[str, Key], set[str]] = defaultdict(set)
        self.numbers: dict[tuple[str, Key], int] = defaultdict(int)
        self.from_outside: dict[str, AnyEvent] = {}
        self.watch = Watch(world)
        # Which aggregate of a group's service must know an event once its offset is committed.
        self.bound_to: dict[str, Callable[[AnyEvent], tuple[Shelf[Any], Key] | None]] = {}

    def saved(
        self, shelf: Shelf[Any], process: Process, key: Key, before: Stored[Any] | None, change: Change[Any]
    ) -> None:
        """Check a write that has just been done."""
        after, world = change.stored, self.world
        earlier = before or Stored(None)
        place = f"{shelf.name} {key}"
        world.note(process.name, f"saved {place} v{after.version} seq={after.sequence}")
        self._hold("I2 one writer", after.version == earlier.version + 1, f"{place}: version {after.version}")
        known = self.applied[shelf.name, key]
        fresh = [each for each in (*change.evicted_ids, *after.applied) if each not in known]
        repeated = len(after.applied) != len(set(after.applied))
        remembered = len(after.applied) + len(change.evicted_ids)
        expected = len(earlier.applied) + len(fresh)
        self._hold(
            "I5 applied once",
            not repeated and remembered == expected,
            f"{place}: ids applied are repeated or forgotten ({remembered}, not {expected})",
        )
        known.update(fresh)
        count = after.sequence - self.numbers[shelf.name, key]
        self.numbers[shelf.name, key] = after.sequence
        new = after.untold[len(after.untold) - count :] if count > 0 else ()
        self._hold("I4 sequence", count >= 0 and len(new) == count, f"{place}: {count} new, {len(new)} kept")
        for number, fact in enumerate(new, after.sequence - count + 1):
            self._hold(
                "I4 sequence", fact.sequence == number, f"{place}: {fact.type} is {fact.sequence} of {number}"
            )
            self._hold(
                "I5 one effect", fact.id not in self.facts, f"{place}: {fact.type} {fact.id} was saved before"
            )
            self._hold("I8 tenants", fact.tenant == key.tenant, f"{place}: {fact.type} is of {fact.tenant}")
            self.facts[fact.id] = ((shelf.name, key, number), fact)
            self.watch.fact(key, fact)
        self.watch.state(shelf.name, key, after.state)

    def appended(self, record: Record) -> None:
        """Check what has just been written to a topic."""
        if record.topic.endswith("-dlq"):
            return
        try:
            event = wire.decode(record.headers, record.value)
        except wire.Unreadable:
            return
        if event.sequence == 0:
            self.from_outside.setdefault(event.id, event)
            return
        self.told[event.id] += 1
        there = self.facts.get(event.id)
        self._hold(
            "I1 saved before told", there is not None, f"{event.type} {event.id} was told before it was saved"
        )
        if there is not None:
            fact = there[1]
            same = (fact.type, fact.key, fact.tenant, fact.sequence) == (
                event.type, event.key, event.tenant, event.sequence
            )  # fmt: skip
            self._hold("I5 one fact", same, f"{event.type} {event.id} was told otherwise than it was saved")

    def committed(self, group: str, rows: Sequence[Record]) -> None:
        """Check that what a group has committed is in the state that was stored."""
        find = self.bound_to.get(group)
        if find is None:
            return
        for record in rows:
            try:
                event = wire.decode(record.headers, record.value)
            except wire.Unreadable:
                continue
            found = find(event)
            if found is None:
                continue
            shelf, key = found
            self._hold(
                "I11 offset <= state",
                event.id in self.applied[shelf.name, key],
                f"{group} committed {record.topic}/{record.partition}@{record.offset} {event.type}, "
                f"which {shelf.name} {key} does not know",
            )

    def untold(self) -> list[AnyEvent]:
        """Return the facts that were saved and never told."""
        return [
            fact
            for fact_id, (_, fact) in self.facts.items()
            if not self.told[fact_id] and not fact.type.startswith(PRIVATE)
        ]

    def _hold(self, rule: str, holds: bool, text: str) -> None:
        self.world.checked[rule] += 1
        if not holds:
            self.world.fail(rule, text)
