"""The simulated stores: shelves that outlive every process, and the way of one process to them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from libs.errors import Unavailable
from libs.local import LocalStore
from libs.stored import Change, Key, Stored
from tests.simulation.world import Process

S = TypeVar("S")
Saved = Callable[["Shelf[Any]", Process, Key, Stored[Any] | None, Change[Any]], None]


class Shelf(LocalStore[S]):
    """
    Aggregates of one kind as the database keeps them, found quickly by deadline.

    `unique` names what only one aggregate may claim at a time: a second write that claims it is refused.
    """

    def __init__(
        self,
        service: str,
        name: str,
        blank: Callable[[Key], S],
        due: Callable[[S], datetime | None] = lambda state: None,
        unique: Callable[[S], Collection[str]] = lambda state: (),
    ) -> None:
        super().__init__(name, blank, due)
        self.service = service
        self.deadline = due
        self.waiting: dict[Key, datetime] = {}
        self.untold_at: dict[Key, datetime] = {}
        self.claims: dict[str, Key] = {}
        self.unique = unique
        self.changed: list[Callable[[Key], None]] = []

    def is_free(self, change: Change[S]) -> bool:
        """Return whether the change may be written: nobody else has written or claimed what it claims."""
        present = self.kept.get(change.key)
        if (present.version if present else 0) != change.base_version:
            return False
        return all(
            self.claims.get(f"{change.key.tenant}/{name}", change.key) == change.key
            for name in self.unique(change.stored.state)
        )

    def write(self, change: Change[S], now: datetime) -> None:
        key, stored = change.key, change.stored
        present = self.kept.get(key)
        for name in self.unique(present.state) if present else ():
            self.claims.pop(f"{key.tenant}/{name}", None)
        for name in self.unique(stored.state):
            self.claims[f"{key.tenant}/{name}"] = key
        self._log[key].update(change.evicted_ids)
        self.kept[key] = stored
        due = self.deadline(stored.state)
        if due is None:
            self.waiting.pop(key, None)
        else:
            self.waiting[key] = due
        if stored.untold:
            self.untold_at[key] = now
        else:
            self.untold_at.pop(key, None)
        for told in self.changed:
            told(key)

    def evicted(self, key: Key) -> set[str]:
        return self._log[key]


class SimStore(Generic[S]):
    """A shelf as one process reaches it: every call takes time, may fail, and may fail after it was done."""

    def __init__(self, shelf: Shelf[S], process: Process, saved: Saved) -> None:
        self.name = shelf.name
        self.shelf = shelf
        self.process = process
        self._saved = saved

    def blank(self, key: Key) -> S:
        return self.shelf.blank(key)

    async def load(self, keys: Collection[Key]) -> dict[Key, Stored[S]]:
        await self._ask("load")
        return await self.shelf.load(keys)

    async def get(self, key: Key) -> S | None:
        await self._ask("get")
        return await self.shelf.get(key)

    async def save(self, changes: Sequence[Change[S]]) -> set[Key]:
        """Write each change in full or not at all; one after the other, so a crash leaves some behind."""
        process = self.process
        fault = await process.wait(f"save {self.name}")
        most = process.dice.randrange(len(changes) + 1) if fault == "fail_after" else len(changes)
        refused: set[Key] = set()
        for number, change in enumerate(changes[:most]):
            if number and process.dice.random() < 0.2:
                await process.wait(f"save {self.name}, partly", can_fail=False)
            if not self.shelf.is_free(change):
                refused.add(change.key)
                continue
            before = self.shelf.kept.get(change.key)
            self.shelf.write(change, process.now())
            self._saved(self.shelf, process, change.key, before, change)
        if fault == "fail_after":
            raise Unavailable("simulated", "nobody knows what was saved")
        await process.wait(f"save {self.name} answered", can_fail=False)
        return refused

    async def logged(self, ids: Mapping[Key, Collection[str]]) -> dict[Key, set[str]]:
        await self._ask("logged")
        return await self.shelf.logged(ids)

    async def mark_told(self, versions: Mapping[Key, int]) -> None:
        if not versions:
            return
        await self._ask("mark_told")
        await self.shelf.mark_told(versions)
        for key in versions:
            stored = self.shelf.kept.get(key)
            if stored and not stored.untold:
                self.shelf.untold_at.pop(key, None)

    async def due(self, now: datetime, limit: int) -> list[tuple[Key, int]]:
        # Clocks ask all day long: the answer "nothing" takes no time here, or it would take most of it.
        if not any(due <= now for due in self.shelf.waiting.values()):
            return []
        await self._ask("due")
        ready = sorted((due, str(key), key) for key, due in self.shelf.waiting.items() if due <= now)
        return [(key, self.shelf.kept[key].version) for _, _, key in ready[:limit]]

    async def with_untold(self, before: datetime, limit: int) -> list[Key]:
        if not self.shelf.untold_at:
            return []
        await self._ask("with_untold")
        there = [key for key, at in self.shelf.untold_at.items() if at <= before]
        return sorted(there, key=str)[:limit]

    async def _ask(self, what: str) -> None:
        if await self.process.wait(f"{what} {self.name}") == "fail_after":
            raise Unavailable("simulated", "the answer was lost")
