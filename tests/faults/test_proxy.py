"""The proxy lets through, cuts one way or both, holds back, and delivers all once it heals."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from deploy.dev.processes import LOOPBACK
from tests.faults.proxy import Direction, Proxy


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Proxy, asyncio.StreamReader, asyncio.StreamWriter, list[bytes]]]:
    """Give a proxy before a server that echoes, a connection through it, and what the server got."""
    got: list[bytes] = []
    served: list[asyncio.StreamWriter] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(writer)
        while data := await reader.read(1000):
            got.append(data)
            writer.write(data)

    server = await asyncio.start_server(echo, LOOPBACK, 0)
    async with server:
        with Proxy(server.sockets[0].getsockname()[1]).running() as proxy:
            reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
            yield proxy, reader, writer, got
            for each in (writer, *served):
                each.close()
                with suppress(ConnectionError):
                    await each.wait_closed()


async def test_lets_through_what_is_sent_both_ways() -> None:
    async with echoing() as (_, reader, writer, _got):
        writer.write(b"hello")

        assert await asyncio.wait_for(reader.read(5), 5) == b"hello"


@pytest.mark.parametrize(
    ("direction", "reaches_the_server"), [("both", False), ("to_server", False), ("from_server", True)]
)
async def test_cuts_and_delivers_after_healing(direction: Direction, reaches_the_server: bool) -> None:
    async with echoing() as (proxy, reader, writer, got):
        writer.write(b"one")
        await asyncio.wait_for(reader.read(3), 5)

        proxy.cut(direction=direction)
        writer.write(b"two")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(3), 0.2)
        seen = got[-1] == b"two"
        proxy.heal()

        assert await asyncio.wait_for(reader.read(3), 5) == b"two"
        assert seen == reaches_the_server


async def test_cuts_only_the_processes_named() -> None:
    async with echoing() as (proxy, reader, writer, got):
        proxy.cut(pids=[1])
        writer.write(b"one")
        assert await asyncio.wait_for(reader.read(3), 5) == b"one"

        proxy.cut(pids=[os.getpid()])
        writer.write(b"two")
        await asyncio.sleep(0.2)

        assert got == [b"one"]


async def test_ends_every_connection_when_severed() -> None:
    async with echoing() as (proxy, reader, writer, _got):
        writer.write(b"one")
        await asyncio.wait_for(reader.read(3), 5)

        proxy.sever()

        assert await asyncio.wait_for(reader.read(3), 5) == b""
