"""The simulated broker: partitions, consumer groups, rebalances, members that lost what they hold."""

import asyncio
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

from libs import wire
from libs.bus_reading import merge
from libs.errors import Unavailable
from libs.events.base import AnyEvent, Fact
from libs.reading import RETRY_S, Handle, HandleRecords, Reading
from libs.wire import Record
from tests.simulation.world import Process, World

Place = tuple[str, int]  # topic, partition
SESSION_S = 4.0  # after that a member that says nothing is taken for dead


class Group:
    """A consumer group: who is in it, who reads what, and how far it is known to have come."""

    def __init__(self, name: str, broker: "Broker") -> None:
        self.name = name
        self.broker = broker
        self.topics: set[str] = set()
        self.members: list[Member] = []
        self.owner: dict[Place, Member] = {}
        self.committed: dict[Place, int] = defaultdict(int)
        self.joining = False  # members are asked to finish what they have in hand and to come again
        self.generation = 0

    def rebalance(self) -> None:
        """Ask all members to hand back what they have, and share it out anew when they have done so."""
        self.joining = True
        for member in self.members:
            member.wake()

    def share_out(self) -> None:
        """Give each partition to one member; begins a new generation."""
        self.joining = False
        self.generation += 1
        members = self.members
        self.owner = {}
        for number, place in enumerate(self.places()):
            if members:
                self.owner[place] = members[(number + self.generation) % len(members)]
        for member in members:
            member.generation = self.generation
            member.ready = False
            member.positions = {
                place: self.committed[place] for place, owner in self.owner.items() if owner is member
            }
            member.wake()

    def places(self) -> list[Place]:
        return [(topic, number) for topic in sorted(self.topics) for number in range(self.broker.partitions)]

    def drop(self, member: "Member") -> None:
        """Take a member for dead; the others go on with what was his while he may still be at work on it."""
        if member not in self.members:
            return
        self.members.remove(member)
        member.generation = -1
        member.wake()
        if not self.members:
            self.owner = {}
            return
        left = [place for place, owner in self.owner.items() if owner is member]
        for number, place in enumerate(left):
            heir = self.members[(number + self.generation) % len(self.members)]
            self.owner[place] = heir
            heir.positions[place] = self.committed[place]
            heir.wake()
        self._all_ready()

    def arrive(self, member: "Member") -> None:
        """Note that a member has nothing in hand; the last one to come starts the next generation."""
        member.ready = True
        self._all_ready()

    def _all_ready(self) -> None:
        if self.joining and all(each.ready for each in self.members):
            self.share_out()

    def behind(self) -> int:
        """Return how many records the group has not dealt with; a lost commit alone does not count."""
        return sum(len(self.broker.log(place)) - self._reached(place) for place in self.places())

    def _reached(self, place: Place) -> int:
        owner = self.owner.get(place)
        return owner.positions.get(place, 0) if owner else self.committed[place]


class Member:
    """One consumer of one process."""

    def __init__(self, group: Group, process: Process) -> None:
        self.group = group
        self.process = process
        self.generation = -1
        self.ready = False
        self.positions: dict[Place, int] = {}
        self.done: dict[Place, int] = {}
        self._news = asyncio.Event()

    def wake(self) -> None:
        self._news.set()

    async def news(self) -> None:
        """Wait until there may be something to do."""
        await self._news.wait()
        self._news.clear()

    @property
    def is_current(self) -> bool:
        return self.generation == self.group.generation and self in self.group.members


class Broker:
    """All topics and groups of the simulated day; what was written here is never lost."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.partitions = world.script.partitions
        self._logs: dict[Place, list[Record]] = defaultdict(list)
        self.groups: dict[str, Group] = {}
        self.on_append: list[Callable[[Record], None]] = []
        self.on_commit: list[Callable[[str, Sequence[Record]], None]] = []

    def log(self, place: Place) -> list[Record]:
        return self._logs[place]

    def records(self) -> list[Record]:
        """Return all records, topic by topic."""
        return [record for place in sorted(self._logs) for record in self._logs[place]]

    def place_of(self, record: Record) -> Place:
        return record.topic, zlib.crc32(record.key or b"") % self.partitions

    def append(self, place: Place, records: Sequence[Record], time_ms: int) -> None:
        log = self._logs[place]
        for record in records:
            kept = record._replace(
                partition=place[1], offset=len(log), timestamp_ms=record.timestamp_ms or time_ms
            )
            log.append(kept)
            for told in self.on_append:
                told(kept)
        for group in self.groups.values():
            if place in group.owner:
                group.owner[place].wake()

    def group(self, name: str) -> Group:
        if name not in self.groups:
            self.groups[name] = Group(name, self)
        return self.groups[name]

    def join(self, group: Group, process: Process, topics: Collection[str]) -> Member:
        """Let a consumer of a process into its group."""
        member = Member(group, process)
        group.topics.update(topics)
        group.members.append(member)
        process.on_death.append(lambda: self._lose(group, member))
        group.rebalance()
        return member

    def _lose(self, group: Group, member: Member) -> None:
        """Find out some time later that a member is dead."""
        self.world.loop.call_later(SESSION_S * member.process.dice.random(), group.drop, member)


class SimBus:
    """The bus as one process sees it; the interface of the real one."""

    def __init__(self, broker: Broker, process: Process, source: str) -> None:
        self.source = source
        self._broker = broker
        self._process = process
        self._world = broker.world

    async def publish(self, events: Sequence[AnyEvent]) -> None:
        await self.publish_records([wire.encode(event) for event in events])

    async def publish_records(self, records: Sequence[Record]) -> None:
        """Write records, partition by partition in any order; one call of a process at a time, as there."""
        if not records:
            return
        process = self._process
        batches: dict[Place, list[Record]] = {}
        for record in records:
            batches.setdefault(self._broker.place_of(record), []).append(record)
        order = list(batches)
        process.dice.shuffle(order)
        async with process.writing:
            fault = await process.wait("publish")
            written = process.dice.randrange(len(order) + 1) if fault == "fail_after" else len(order)
            for place in order[:written]:
                self._write(place, batches[place], again=fault == "twice")
                if len(order) > 1 and process.dice.random() < 0.3:
                    await process.wait("publish, partly", can_fail=False)
            if fault == "fail_after":
                raise Unavailable("simulated", "nobody knows what was written")
            await process.wait("publish answered", can_fail=False)

    def _write(self, place: Place, records: Sequence[Record], *, again: bool) -> None:
        if not self._process.alive:
            raise asyncio.CancelledError
        time_ms = int(self._process.now().timestamp() * 1000)
        for record in records:
            self._world.note(self._process.name, f"{place[0]}/{place[1]} < {_shown(record)}")
        self._broker.append(place, records, time_ms)
        if again:
            self._broker.append(place, records, time_ms)

    async def consume(
        self,
        group: str,
        wanted: Collection[type[Fact]],
        handle: Handle,
        *,
        keeps_dead_letters_of: Collection[str] = (),
        tenants: Collection[str] = (),
        batch: int = 500,
        patient: bool = False,
    ) -> None:
        reading = Reading(wanted, frozenset(keeps_dead_letters_of), frozenset(tenants), group)

        async def handle_records(records: Sequence[Record]) -> None:
            events, letters = reading.sort_out(records)
            await self.publish_records(letters)
            if events:
                await handle(events)

        await self.consume_records(group, reading.topics, handle_records, batch=batch)

    async def consume_records(
        self,
        group: str,
        topics: Collection[str],
        handle: HandleRecords,
        *,
        batch: int = 500,
        patient: bool = False,
    ) -> None:
        of = self._broker.group(group)
        while True:
            member = self._broker.join(of, self._process, topics)
            await self._read(of, member, handle, batch)

    async def _read(self, group: Group, member: Member, handle: HandleRecords, batch: int) -> None:
        """Read as a member until it finds that it is none any more."""
        process = self._process
        while member in group.members:
            if group.joining:
                await self._commit(group, member)
                if member in group.members:
                    group.arrive(member)
            taken = {} if group.joining else self._take(group, member, batch)
            if not taken:
                await self._commit(group, member)
                await member.news()
                await process.wait("poll", can_fail=False)
                continue
            await self._handle(merge(taken), handle)
            for place, rows in taken.items():
                ends = rows[-1].offset + 1
                member.done[place] = ends
                if group.owner.get(place) is member:
                    member.positions[place] = max(ends, member.positions.get(place, 0))
            if process.dice.random() < 0.5:
                await self._commit(group, member)

    def _take(self, group: Group, member: Member, batch: int) -> dict[Place, list[Record]]:
        """Return some of what there is, of some partitions: how topics overtake each other is chance."""
        dice, calm = self._process.dice, self._world.calm
        there = [
            place
            for place, owner in group.owner.items()
            if owner is member and len(self._broker.log(place)) > member.positions.get(place, 0)
        ]
        chosen = there if calm else [place for place in there if dice.random() < 0.75] or there[:1]
        taken: dict[Place, list[Record]] = {}
        for place in chosen:
            start = member.positions.get(place, 0)
            most = batch if calm or dice.random() < 0.6 else 1 + dice.randrange(4)
            taken[place] = self._broker.log(place)[start : start + most]
        if len(chosen) < len(there):
            member.wake()
        return taken

    async def _handle(self, rows: Sequence[Record], handle: HandleRecords) -> None:
        attempt = 0
        while True:
            try:
                await self._process.wait("batch", can_fail=False)
                await handle(rows)
                return
            except Unavailable:
                await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
                attempt += 1

    async def _commit(self, group: Group, member: Member) -> None:
        """Commit what was done; refused for what is no longer ours, lost where the broker does not answer."""
        done = dict(member.done)
        member.done.clear()
        if not done:
            return
        fault = await self._process.wait("commit", can_fail=False)
        if fault in ("fail", "fail_after"):
            return
        for place, offset in done.items():
            if group.owner.get(place) is member and offset > group.committed[place]:
                rows = self._broker.log(place)[group.committed[place] : offset]
                for told in self._broker.on_commit:
                    told(group.name, rows)
                group.committed[place] = offset


def _shown(record: Record) -> str:
    headers = dict(record.headers)
    kind = headers.get("ce_type", b"?").decode("utf-8", "replace").removeprefix("trunkline.")
    key = (record.key or b"").decode("utf-8", "replace")
    number = headers.get("ce_sequence", b"0").decode("utf-8", "replace")
    return f"{kind} {key} seq={number} id={headers.get('ce_id', b'').decode('utf-8', 'replace')[:8]}"
