"""What waits for a socket beside its stream: answers and snapshots, bounded in number and in size."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

MOST_FRAMES = 256
MOST_CHARACTERS = 4_000_000


class Overfull(Exception):
    """The other side asks faster than it reads."""


class Outbox:
    """Frames in the order they were put."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        self._characters = 0

    def put(self, text: str) -> None:
        """Let a frame wait. :raises Overfull: too many do."""
        if self._waiting.qsize() >= MOST_FRAMES or self._characters > MOST_CHARACTERS:
            raise Overfull
        self._characters += len(text)
        self._waiting.put_nowait(text)

    @asynccontextmanager
    async def next(self) -> AsyncIterator[str]:
        """Yield the first frame as soon as there is one; it has left when the body ends."""
        text = await self._waiting.get()
        try:
            yield text
        finally:
            self._characters -= len(text)
            self._waiting.task_done()

    async def is_empty(self) -> None:
        """Return when nothing waits."""
        await self._waiting.join()
