"""
A moment of quiet: a service's readers and timers hold still while its collections are exchanged.

Every process of the service says in the database that it lives, and looks there whether somebody wants quiet.
When nothing is in hand any more it says so. It goes on when the wish is withdrawn, or has expired: whoever
asked for quiet and died holds nobody up for long.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Protocol, TypeVar

from libs.errors import Unavailable
from libs.mongo import Database, Document, DuplicateKeyError, guarded

log = logging.getLogger(__name__)

T = TypeVar("T")
WISH = "quiet"
LOOKED_EVERY_S = 0.25
SAID_EVERY_S = 1.0
ALIVE_FOR_MS = 4000  # who has not said so for longer is dead, or held up and refused by version guards
LONGEST_S = 30.0


class _Timed(Protocol):
    async def tick(self, now: datetime, limit: int = ...) -> int: ...

    async def sweep(self, now: datetime, limit: int = ...) -> int: ...

    async def settle(self) -> None: ...


class Pause:
    """The gate through which whatever changes a service's collections passes, in one process."""

    def __init__(self, database: Database, name: str) -> None:
        self._processes = database["processes"]
        self._name = f"{name}/{socket.gethostname()}/{os.getpid()}"
        self._open = asyncio.Event()
        self._open.set()
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._timed: list[_Timed] = []

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Run the body when nobody wants quiet; quiet begins only after it."""
        await self._open.wait()
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    def reader(
        self, handle: Callable[[Sequence[T]], Awaitable[None]]
    ) -> Callable[[Sequence[T]], Awaitable[None]]:
        """Return what takes batches, through the gate."""

        async def gated(batch: Sequence[T]) -> None:
            async with self.passing():
                await handle(batch)

        return gated

    def timed(self, apply: _Timed) -> "Timed":
        """Return what keeps an apply's time, through the gate; its store is informed before it is quiet."""
        self._timed.append(apply)
        return Timed(self, apply)

    async def watch(self) -> None:
        """Say that this process lives, and hold it still while somebody wants that; for ever."""
        said_at = 0.0
        try:
            while True:
                with suppress(Unavailable):
                    if await self._is_wanted():
                        await self._hold_still()
                        said_at = 0.0
                    elif time.monotonic() - said_at >= SAID_EVERY_S:
                        await self._say("")
                        said_at = time.monotonic()
                await asyncio.sleep(LOOKED_EVERY_S)
        finally:
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(2):
                    with guarded():
                        await self._processes.delete_one({"_id": self._name})

    async def _hold_still(self) -> None:
        log.info("holding still", extra={"who": self._name})
        until = time.monotonic() + LONGEST_S
        self._open.clear()
        try:
            wish = await self._is_wanted()
            async with asyncio.timeout(LONGEST_S):
                await self._empty.wait()
            for apply in self._timed:
                await apply.settle()  # what is untold from now on is so because its teller died
            while wish and time.monotonic() < until:
                with suppress(Unavailable):
                    await self._say(wish)
                    wish = await self._is_wanted()
                await asyncio.sleep(LOOKED_EVERY_S / 5)
        except TimeoutError:
            log.warning("did not come to rest", extra={"who": self._name})
        finally:
            self._open.set()
        log.info("going on", extra={"who": self._name})

    async def _is_wanted(self) -> str:
        where: Document = {"_id": WISH, "$expr": {"$gt": ["$until", "$$NOW"]}}
        with guarded():
            found = await self._processes.find_one(where)
        return str(found["by"]) if found else ""

    async def _say(self, still_for: str) -> None:
        with guarded():
            said = [{"$set": {"at": "$$NOW", "still_for": {"$literal": still_for}}}]
            await self._processes.update_one({"_id": self._name}, said, upsert=True)


class Timed:
    """Ticks, sweeps and settling of an apply, through the gate."""

    def __init__(self, pause: Pause, apply: _Timed) -> None:
        self._pause = pause
        self._apply = apply

    async def tick(self, now: datetime, limit: int = 500) -> int:
        async with self._pause.passing():
            return await self._apply.tick(now, limit)

    async def sweep(self, now: datetime, limit: int = 200) -> int:
        async with self._pause.passing():
            return await self._apply.sweep(now, limit)

    async def settle(self) -> None:
        async with self._pause.passing():
            await self._apply.settle()


class NotQuiet(Exception):
    """A process did not hold still in time, or somebody else wants quiet."""


@asynccontextmanager
async def quiet(database: Database, by: str, within_s: float = 10.0) -> AsyncIterator[Callable[[], bool]]:
    """
    Run the body while all living processes of a service hold still; yields whether that is still sure.

    :raises NotQuiet: one of them does not.
    """
    processes = database["processes"]
    until = time.monotonic() + LONGEST_S * 0.8
    wish: Document = {"$add": ["$$NOW", int(LONGEST_S * 1000)]}
    free: Document = {"_id": WISH, "$expr": {"$lte": ["$until", "$$NOW"]}}
    with guarded():
        await processes.delete_one(free)
        try:
            await processes.update_one({"_id": WISH, "by": by}, [{"$set": {"until": wish}}], upsert=True)
        except DuplicateKeyError:
            raise NotQuiet("somebody else is at it") from None
    try:
        give_up = time.monotonic() + within_s
        while late := await _not_still(database, by):
            if time.monotonic() > give_up:
                raise NotQuiet(f"{', '.join(late)} did not hold still within {within_s:.0f} s")
            await asyncio.sleep(0.05)
        yield lambda: time.monotonic() < until
    finally:
        with guarded():
            await processes.delete_one({"_id": WISH, "by": by})


async def _not_still(database: Database, by: str) -> list[str]:
    alive: Document = {"$expr": {"$gt": ["$at", {"$subtract": ["$$NOW", ALIVE_FOR_MS]}]}}
    with guarded():
        rows = await database["processes"].find({"_id": {"$ne": WISH}, **alive}).to_list(None)
    return [row["_id"] for row in rows if row.get("still_for") != by]
