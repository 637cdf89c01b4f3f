"""Keys in hand: within a process, one batch at a time works on an aggregate, from loading to telling."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from contextvars import ContextVar

from libs.stored import Key

_holding: ContextVar[frozenset[int]] = ContextVar("_holding", default=frozenset())


class Hold:
    """
    Lets whoever wants a key that is in hand wait until it is free; a batch takes all its keys at once.

    Without it a tick that comes while a batch is being told would find its facts untold and tell them again.
    It spares repetition only: between processes, and for a caller that already holds keys here (an aggregate
    that tells another of its kind could wait for itself), the version guard decides.
    """

    def __init__(self) -> None:
        self._held: set[Key] = set()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def __call__(self, keys: Collection[Key]) -> AsyncIterator[None]:
        """Hold `keys` for as long as the body runs."""
        outer = _holding.get()
        if id(self) in outer:
            yield
            return
        while not self._held.isdisjoint(keys):
            await self._freed.wait()
        mine = frozenset(keys)
        self._held |= mine
        token = _holding.set(outer | {id(self)})
        try:
            yield
        finally:
            _holding.reset(token)
            self._held -= mine
            self._freed.set()
            self._freed = asyncio.Event()
