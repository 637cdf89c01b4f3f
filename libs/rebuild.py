"""
Computes a projection anew from the topics, beside the live one, while its service runs; then exchanges them.

1. Everything is folded from the beginning into collections of their own ("contacts.rebuilt"), by the code of
   the service; what the service told of them is read back from its own topic, and nothing is told.
2. The service's processes hold still for a moment (libs/pause.py). What the dead have left untold is told;
   what came since is folded into both, so that both have seen the same events.
3. Both are compared. Where they are equal, or where it is forced, the new collections take the place of the
   live ones. Their versions lie beyond all that the live ones had: who slept through it is refused.
"""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from libs.archived import Spans
from libs.bus_following import Follow, Place, committed, follow
from libs.comparing import Difference, compare, differing
from libs.mongo import Database, Document, guarded
from libs.pause import quiet
from libs.projections import Fold, Rebuildable
from libs.reading import Bus
from libs.settings import Settings
from libs.wire import Record

Say = Callable[[str], None]

BESIDE = ".rebuilt"
LOG = "_applied"
SMALL = 2_000  # records that may come while the service holds still
PASSES = 20
SHOWN = 20


class Unsure(Exception):
    """The rebuild was given up, and nothing has changed; the text says why."""


def live_name(name: str) -> str:
    return name


def beside(name: str) -> str:
    return f"{name}{BESIDE}"


class Rebuild:
    """One rebuild of one service; `older` yields the archive's records of a topic where they stood."""

    def __init__(
        self,
        what: Rebuildable,
        settings: Settings,
        database: Database,
        bus: Bus,
        older: Callable[[str], AsyncGenerator[list[Record]]],
        say: Say = print,
        opened: Follow = follow,
    ) -> None:
        """Read topics by what `opened` gives; a test lets it give less than the broker has."""
        self._what = what
        self._settings = settings
        self._database = database
        self._bus = bus
        self._say = say
        self._older = older
        self._opened = opened
        self._archived = Spans()
        self._count = 0

    async def run(self, *, force: bool = False, archive: bool = False) -> bool:
        """
        Compute anew, compare and exchange; return whether the rebuilt state is in force.

        The archive is read first where topics begin late, with `archive` in any case. Where neither has the
        first records, what differs is kept as it lives, even with `force`: it knows more.

        :raises Unsure: nothing has changed, since it could not be done without risk.
        :raises NotQuiet: a process of the service did not hold still.
        """
        await self._drop()
        fold = await self._what.fold(self._database, beside, None)
        live = await self._what.fold(self._database, live_name, self._bus)
        async with self._opened(self._settings, self._what.topics, None) as follower:
            for topic in self._what.topics if archive else follower.begins_late:
                self._say(f"{topic}: what the broker no longer has is read from the archive")
                await self._pass(fold, self._seen(self._older(topic)))
            gone = self._archived.missing(follower.firsts)
            for each in gone:
                self._say(f"{each} are neither with the broker nor in the archive")
            for _ in range(PASSES):
                if await self._pass(fold, follower.rest()) <= SMALL:
                    break
            lag = await self._lag(await follower.positions())
            if lag > SMALL:
                raise Unsure(f"the service is {lag:,} records behind: let it catch up first")
            self._say(f"{self._count:,} records folded; comparing")
            await self._raise_versions()
            for touched in fold.touched.values():
                touched.clear()
            suspects = {
                kept.name: await differing(self._database, kept, beside(kept.name))
                for kept in self._what.kept
            }
            async with quiet(self._database, f"rebuild-{time.time_ns()}") as still:
                began = time.monotonic()
                await live.sweep()  # what the dead have left untold is told, and so read below
                await self._pass(fold, follower.rest())
                await self._catch_up(live, await follower.positions())
                found = {
                    kept.name: await compare(
                        self._database,
                        kept,
                        beside(kept.name),
                        suspects[kept.name] | fold.touched[kept.name] | live.touched[kept.name],
                    )
                    for kept in self._what.kept
                }
                equal = not any(each.differing for each in found.values())
                exchanging = equal or (force and not gone)
                if exchanging:
                    await self._raise_versions()
                    if not still():
                        raise Unsure("it took too long, and the service has gone on")
                    await self._exchange()
                held_s = time.monotonic() - began
        await self._drop()
        self._report(found, exchanged=exchanging, whole=not gone, held_s=held_s)
        return exchanging

    async def _seen(self, batches: AsyncGenerator[list[Record]]) -> AsyncGenerator[list[Record]]:
        """Yield the archive's records, and take note of where they stood."""
        async with aclosing(batches):
            async for records in batches:
                self._archived.see(records)
                yield records

    async def _pass(self, fold: Fold, batches: AsyncGenerator[list[Record]]) -> int:
        count, said_at = 0, time.monotonic()
        async with aclosing(batches):
            async for records in batches:
                await fold.take(records)
                count += len(records)
                if time.monotonic() - said_at >= 1:
                    self._say(f"  {self._count + count:,} records")
                    said_at = time.monotonic()
        await fold.finish()
        self._count += count
        return count

    async def _lag(self, ends: Mapping[Place, int]) -> int:
        """Return how many records the service has not read yet; of partitions that it has begun."""
        come = await committed(self._settings, self._what.group, self._what.topics)
        return sum(max(0, end - come[place]) for place, end in ends.items() if come.get(place))

    async def _catch_up(self, live: Fold, ends: Mapping[Place, int]) -> None:
        """Fold into the live collections what is not committed yet, as far as the new ones go."""
        come = await committed(self._settings, self._what.group, self._what.topics)
        async with self._opened(self._settings, self._what.topics, come) as tail:
            async for records in tail.until(ends):
                await live.take(records)
        await live.finish()

    async def _raise_versions(self) -> None:
        """Lift the new documents' versions beyond all that a writer of the live ones may hold."""
        base = int(time.time()) * 1_000_000
        low: Document = {"v": {"$lt": base // 2}}
        lifted = [{"$set": {"v": {"$add": ["$v", {"$literal": base}]}}}]
        with guarded():
            for kept in self._what.kept:
                await self._database[beside(kept.name)].update_many(low, lifted)

    async def _exchange(self) -> None:
        """Put the new collections in the place of the live ones, each at once."""
        with guarded():
            there = set(await self._database.list_collection_names())
            for name, new in self._names():
                if new not in there:
                    await self._database.create_collection(new)
                await self._database[new].rename(name, dropTarget=True)

    async def _drop(self) -> None:
        with guarded():
            for _, new in self._names():
                await self._database[new].drop()

    def _names(self) -> list[tuple[str, str]]:
        """Return each collection and its log of applied ids, with the names of those beside them."""
        logs = [kept for kept in self._what.kept if kept.has_log]
        return [
            *((f"{kept.name}{LOG}", f"{beside(kept.name)}{LOG}") for kept in logs),
            *((kept.name, beside(kept.name)) for kept in self._what.kept),
        ]

    def _report(
        self, found: Mapping[str, Difference], *, exchanged: bool, whole: bool, held_s: float
    ) -> None:
        for name, each in found.items():
            state = f"{len(each.differing):,} DIFFER" if each.differing else "equal"
            self._say(f"{name}: {each.live:,} documents live, {each.rebuilt:,} rebuilt, {state}")
            for number, (live, rebuilt) in each.numbers.items():
                self._say(f"  {number}: {live:,} live, {rebuilt:,} rebuilt")
            for document in sorted(each.differing)[:SHOWN]:
                self._say(f"  differs: {document}")
        if exchanged:
            done = "the rebuilt state is in force"
        elif whole:
            done = "the live state was kept; FORCE=1 exchanges it"
        else:
            done = "the live state was kept: without the records that are gone the new one cannot be equal"
        self._say(f"{done}; the service held still for {held_s:.1f} s")
