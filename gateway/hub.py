"""Gives the sockets of this process the frames of their streams, wherever these were written."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

from gateway.pages import LocalPages, Page, Pages
from gateway.stream import PageClosed, Stream, since
from libs.errors import Unavailable
from libs.mongo import MongoStore
from libs.stored import Key, Store, Stored

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0  # the database says at once what is new; this is for what it may have failed to say
AGAIN_S = 0.5
AHEAD_S = 2.0  # a store that has just changed its primary may say for a moment less than it has said before


@dataclass(frozen=True, slots=True)
class Missed:
    """Frames nobody can give any more; `why` is expired, or unknown: the stream never came that far."""

    first: int
    last: int
    why: str


@dataclass(frozen=True, slots=True)
class Portion:
    """What follows a number: frames in order without a gap, or, first, what is missing of them."""

    frames: list[tuple[int, str]]
    missed: Missed | None = None


NOTHING: Stored[Stream] = Stored(Stream())


class Reader:
    """One socket's view of one stream."""

    def __init__(self, hub: "Hub", key: Key) -> None:
        self.key = key
        self._hub = hub
        self._news = asyncio.Event()

    def wake(self) -> None:
        self._news.set()

    async def last(self) -> int:
        """Return the number of the stream's last frame."""
        return (await self._hub.head(self.key)).state.last

    def has_more_than(self, seen: int) -> bool:
        """Return whether frames after a number are known of already."""
        head = self._hub.known(self.key)
        return head is not None and head.state.last > seen

    async def after(self, seen: int) -> Portion:
        """Return some of what follows a number, as soon as there is something."""
        while True:
            self._news.clear()
            try:
                head = await self._hub.head(self.key)
                if head.state.last < seen and not await self._catches_up(seen):
                    last = self._last_known()
                    return Portion([], Missed(1, last, "unknown"))
                if head.state.last > seen:
                    return await self._portion(head, seen)
            except Unavailable:
                await asyncio.sleep(AGAIN_S)
                continue
            await self._news.wait()

    async def _portion(self, head: Stored[Stream], seen: int) -> Portion:
        stream = head.state
        if seen >= stream.first - 1:
            return Portion(stream.since(seen))
        # The head was read before the pages: what had left it by then is in one of the two.
        kept = await self._hub.pages.after(self.key, seen)
        return walk(stream, [*kept, *_closed(head)], seen)

    async def _catches_up(self, seen: int) -> bool:
        """Return whether the stream comes to have that number after all."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + AHEAD_S
        while loop.time() < give_up:
            await self._hub.refresh([self.key])
            if self._last_known() >= seen:
                return True
            await asyncio.sleep(0.1)
        return False

    def _last_known(self) -> int:
        return (self._hub.known(self.key) or NOTHING).state.last


def walk(stream: Stream, pages: Collection[Page], seen: int) -> Portion:
    """Return what follows a number without a gap, given the end of a stream and pages from before it."""
    frames: list[tuple[int, str]] = []
    reached = seen
    for page in sorted(pages, key=lambda page: page.first):
        if page.last <= reached:
            continue
        if page.first > reached + 1:
            return Portion(frames) if frames else Portion([], Missed(seen + 1, page.first - 1, "expired"))
        frames.extend(since(page.first, page.frames, reached))
        reached = page.last
    if frames:
        return Portion(frames)
    return Portion([], Missed(seen + 1, stream.first - 1, "expired"))


def _closed(head: Stored[Stream]) -> list[Page]:
    """Return the pages that were closed but are not known to be kept yet."""
    return [
        Page(each.data.first, each.data.frames) for each in head.untold if isinstance(each.data, PageClosed)
    ]


class Hub:
    """Knows which sockets of this process read which streams, and the ends of these."""

    def __init__(self, store: Store[Stream], pages: Pages | None = None) -> None:
        self.pages: Pages = pages if pages is not None else LocalPages()
        self._store = store
        self._readers: dict[Key, set[Reader]] = defaultdict(set)
        self._heads: dict[Key, Stored[Stream]] = {}
        self._stale: set[Key] = set()
        self._is_stale = asyncio.Event()

    @contextmanager
    def reading(self, key: Key) -> Iterator[Reader]:
        """Yield a reader of a stream; it is told of news until the block is left."""
        reader = Reader(self, key)
        self._readers[key].add(reader)
        try:
            yield reader
        finally:
            self._readers[key].discard(reader)
            if not self._readers[key]:
                del self._readers[key]
                self._heads.pop(key, None)

    def known(self, key: Key) -> Stored[Stream] | None:
        """Return the end of a stream as far as it is known here."""
        return self._heads.get(key)

    async def head(self, key: Key) -> Stored[Stream]:
        """Return the end of a stream that somebody reads here."""
        if key not in self._heads:
            await self.refresh([key])
        return self._heads.get(key, NOTHING)

    def offer(self, heads: Mapping[Key, Stored[Stream]]) -> None:
        """Take over newer ends of streams, and wake who reads these."""
        for key, stored in heads.items():
            readers = self._readers.get(key)
            known = self._heads.get(key)
            if readers is None or (known is not None and known.version >= stored.version):
                continue
            self._heads[key] = stored
            for reader in readers:
                reader.wake()

    async def refresh(self, keys: Collection[Key]) -> None:
        """Read the ends of streams as they are stored now, one query for all."""
        wanted = [key for key in keys if key in self._readers]
        if wanted:
            self.offer(dict.fromkeys(wanted, NOTHING) | await self._store.load(wanted))

    def heard(self, key: Key, version: int) -> None:
        """Take note that a stream was written somewhere."""
        known = self._heads.get(key)
        if key in self._readers and (known is None or known.version < version):
            self._stale.add(key)
            self._is_stale.set()

    def doubt(self, versions: Mapping[Key, int]) -> None:
        """Take note of how streams stand."""
        for key, version in versions.items():
            self.heard(key, version)

    @property
    def watched(self) -> list[Key]:
        """Return the streams that are read here."""
        return list(self._readers)

    async def keep_fresh(self) -> None:
        """Read what was written elsewhere; for ever. What comes meanwhile is read together."""
        while True:
            await self._is_stale.wait()
            self._is_stale.clear()
            keys, self._stale = self._stale, set()
            try:
                await self.refresh(keys)
            except Unavailable as error:
                log.warning("streams not read", extra={"why": error.text})
                self._stale |= keys
                self._is_stale.set()
                await asyncio.sleep(AGAIN_S)


async def watch(store: MongoStore[Stream], hub: Hub) -> None:
    """Let the hub know what any gateway writes; for ever."""
    async with asyncio.TaskGroup() as group:
        group.create_task(hub.keep_fresh())
        group.create_task(_look(store, hub))
        await _follow(store, hub)


async def _follow(store: MongoStore[Stream], hub: Hub) -> None:
    while True:
        try:
            async with aclosing(store.changes()) as changes:
                async for change in changes:
                    if change is None:
                        hub.doubt(await store.versions(hub.watched))
                    else:
                        hub.heard(*change)
        except Unavailable as error:
            log.warning("streams not followed", extra={"why": error.text})
        await asyncio.sleep(AGAIN_S)


async def _look(store: MongoStore[Stream], hub: Hub) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            hub.doubt(await store.versions(hub.watched))
        except Unavailable as error:
            log.warning("streams not looked at", extra={"why": error.text})
