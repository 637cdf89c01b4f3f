"""The writer under a bus that stands still, or code that is wrong: bounded, and nobody waits for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from libs import bus_writing
from libs.bus_writing import Writer
from libs.errors import Unavailable
from libs.wire import Record

RECORD = Record("trunkline.visitor", b"key", b"value", ())


class Batch:
    """Takes everything."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def append(self, *, key: bytes, value: bytes, timestamp: int, headers: list[Any]) -> object:
        self.values.append(value)
        return object()

    def close(self) -> None:
        """Be full."""


class StandingStill:
    """A client of a broker that does not answer before it is told to."""

    def __init__(self) -> None:
        self.goes_on = asyncio.Event()
        self.written: list[bytes] = []

    async def partitions_for(self, topic: str) -> set[int]:
        return {0}

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, partition: int) -> asyncio.Future[None]:
        await self.goes_on.wait()
        self.written += batch.values
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


class Wrong(StandingStill):
    """A client with a bug."""

    async def partitions_for(self, topic: str) -> set[int]:
        raise RuntimeError("a bug")


@asynccontextmanager
async def writing(client: Any, patience_s: float | None = None) -> AsyncIterator[Writer]:
    writer = Writer(client, patience_s)
    task = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_it_does_not_write_what_nobody_waits_for_any_more() -> None:
    client = StandingStill()
    async with writing(client) as writer:
        first = asyncio.create_task(writer.write([RECORD]))
        await asyncio.sleep(0.01)  # it is on its way
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await writer.write([RECORD._replace(value=b"given up")])
        last = asyncio.create_task(writer.write([RECORD._replace(value=b"last")]))
        client.goes_on.set()

        await asyncio.gather(first, last)

        assert client.written == [b"value", b"last"]


async def test_it_tells_those_who_have_waited_too_long() -> None:
    client = StandingStill()
    async with writing(client, patience_s=0.05) as writer:
        waiting = [asyncio.create_task(writer.write([RECORD])) for _ in range(2)]
        async with asyncio.timeout(5):
            told = await asyncio.gather(*waiting, return_exceptions=True)

        assert [type(each) for each in told] == [Unavailable, Unavailable]
        client.goes_on.set()
        async with asyncio.timeout(5):
            await writer.write([RECORD])  # who comes later has patience anew


async def test_it_refuses_more_than_it_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_writing, "MOST_WAITING", 2)
    client = StandingStill()
    async with writing(client) as writer:
        held = [asyncio.create_task(writer.write([RECORD]))]
        await asyncio.sleep(0.01)  # it is on its way, the next two wait
        held += [asyncio.create_task(writer.write([RECORD])) for _ in range(2)]
        await asyncio.sleep(0.01)

        with pytest.raises(Unavailable):
            await writer.write([RECORD])

        client.goes_on.set()
        await asyncio.gather(*held)
        assert len(client.written) == 3


async def test_it_raises_a_bug_in_whoever_waits() -> None:
    async with writing(Wrong()) as writer:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="a bug"):
                async with asyncio.timeout(1):
                    await writer.write([RECORD])
