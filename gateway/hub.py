"""Wakes the sockets of this process when their streams have news, wherever these were written."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from gateway.stream import Stream
from libs.errors import Unavailable
from libs.mongo import MongoStore, guarded, key_of
from libs.stored import Key, Store, Stored

log = logging.getLogger(__name__)

POLL_S = 5.0  # the change stream says at once what is new; this is for what it may have missed
BEGIN_AGAIN_S = 0.5


class Reader:
    """One socket's view of one stream."""

    def __init__(self, hub: "Hub", key: Key) -> None:
        self._hub = hub
        self.key = key
        self.stream = Stream()
        self._news = asyncio.Event()
        self._is_stale = True  # what is written elsewhere has to be loaded

    def offer(self, stream: Stream) -> None:
        """Take over a newer state of the stream."""
        if stream.last >= self.stream.last:
            self.stream = stream
            self._news.set()

    def wake(self) -> None:
        """Say that the stream may have changed elsewhere."""
        self._is_stale = True
        self._news.set()

    async def load(self) -> Stream:
        """Return the stream as it is stored now."""
        self._is_stale = False
        stored = (await self._hub.store.load([self.key])).get(self.key)
        if stored is not None:
            self.offer(stored.state)
        return self.stream

    async def after(self, seq: int) -> Stream:
        """Return the stream as soon as it has frames after `seq`."""
        while True:
            self._news.clear()
            if self._is_stale:
                await self.load()
            if self.stream.last > seq or self.stream.misses(seq):
                return self.stream
            try:
                async with asyncio.timeout(POLL_S):
                    await self._news.wait()
            except TimeoutError:
                self._is_stale = True


class Hub:
    """Knows which sockets of this process read which streams."""

    def __init__(self, store: Store[Stream]) -> None:
        self.store = store
        self._readers: dict[Key, set[Reader]] = defaultdict(set)
        self._whispers: dict[Key, set[asyncio.Queue[str]]] = defaultdict(set)

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

    @contextmanager
    def hearing(self, key: Key, outbox: asyncio.Queue[str]) -> Iterator[None]:
        """Let an outbox have what is whispered about a stream: frames nobody keeps."""
        self._whispers[key].add(outbox)
        try:
            yield
        finally:
            self._whispers[key].discard(outbox)
            if not self._whispers[key]:
                del self._whispers[key]

    def whisper(self, key: Key, text: str) -> None:
        """Tell the sockets of this process something that is not kept, such as that somebody types."""
        for outbox in self._whispers.get(key, ()):
            if not outbox.full():
                outbox.put_nowait(text)

    def offer(self, results: Mapping[Key, Stored[Stream]]) -> None:
        """Give readers the streams this process has just written."""
        for key, stored in results.items():
            for reader in self._readers.get(key, ()):
                reader.offer(stored.state)

    def wake(self, key: Key) -> None:
        """Wake the readers of a stream that was written somewhere."""
        for reader in self._readers.get(key, ()):
            reader.wake()

    def wake_all(self) -> None:
        for key in list(self._readers):
            self.wake(key)


async def watch(store: MongoStore[Stream], hub: Hub) -> None:
    """Wake readers of streams that other replicas write; for ever."""
    while True:
        try:
            with guarded():
                pipeline = [{"$project": {"documentKey": 1, "operationType": 1}}]
                async with store.collection.watch(pipeline) as changes:
                    hub.wake_all()  # what was written before the watch began
                    async for change in changes:
                        if "documentKey" in change:
                            hub.wake(key_of(change["documentKey"]["_id"]))
        except Unavailable as error:
            log.warning("streams not watched", extra={"why": error.text})
        await asyncio.sleep(BEGIN_AGAIN_S)
