"""A TCP proxy that cuts connections, one way too, delays them, and heals: a network that can fail."""

import asyncio
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Literal, cast

import psutil
import uvloop

from deploy.dev.processes import LOOPBACK

Direction = Literal["both", "to_server", "from_server"]
BUFFER = 4 * 1024 * 1024  # of one direction, before the sender is held back


class Proxy:
    """
    Stands before one server, in a thread of its own.

    What is sent while a way is cut waits, as it would in the sender's system, and arrives once it heals.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._links: set[_Link] = set()
        self._cut_pids: frozenset[int] | None = None  # empty: everybody's
        self._cut: Direction = "both"
        self.delay_s = 0.0
        self.port = 0

    def cut(self, pids: Collection[int] = (), direction: Direction = "both") -> None:
        """Let nothing through any more: from and to the processes named, or everybody."""
        self._do(lambda: self._begin_cut(frozenset(pids), direction))

    def heal(self) -> None:
        """Let everything through again, also what has waited."""
        self._do(self._end_cut)

    def sever(self) -> None:
        """End every connection; new ones are welcome."""
        self._do(self._abort_all)

    def delay(self, seconds: float) -> None:
        """Hold back everything this long, until told otherwise."""
        self.delay_s = seconds

    def _do(self, act: Callable[[], object]) -> None:
        done = threading.Event()

        def run() -> None:
            act()
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait(5)

    def _abort_all(self) -> None:
        for link in list(self._links):
            link.abort()

    def _begin_cut(self, pids: frozenset[int], direction: Direction) -> None:
        self._cut_pids, self._cut = pids, direction
        theirs = ports_of(pids) if pids else set()
        for link in self._links:
            if not pids or link.client_port in theirs:
                link.block(direction)

    def _end_cut(self) -> None:
        self._cut_pids = None
        for link in list(self._links):
            link.unblock()

    def admit(self, link: "_Link") -> None:
        """Take note of a new connection; one that comes while it is cut gets nowhere."""
        self._links.add(link)
        pids = self._cut_pids
        if pids is not None and (not pids or link.client_port in ports_of(pids)):
            link.block(self._cut)

    def forget(self, link: "_Link") -> None:
        self._links.discard(link)

    async def _serve(self, ready: threading.Event, port: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        server = await self._loop.create_server(lambda: _Link(self, self._server_port), LOOPBACK, port)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stopped.wait()
        server.close()
        self._abort_all()

    @contextmanager
    def running(self, port: int = 0) -> Iterator["Proxy"]:
        """Run for as long as the body does."""
        ready = threading.Event()
        thread = threading.Thread(target=lambda: uvloop.run(self._serve(ready, port)), daemon=True)
        thread.start()
        if not ready.wait(10):
            raise TimeoutError("the proxy did not start")
        try:
            yield self
        finally:
            self._do(self._stopped.set)
            thread.join(10)


class _Way:
    """One direction of a connection."""

    def __init__(self, link: "_Link") -> None:
        self._link = link
        self._waiting: list[bytes] = []
        self._size = 0
        self.blocked = False
        self.source: asyncio.Transport | None = None
        self.target: asyncio.Transport | None = None

    def take(self, data: bytes) -> None:
        if self.blocked or self.target is None:
            self._waiting.append(data)
            self._size += len(data)
            if self._size > BUFFER and self.source is not None:
                self.source.pause_reading()
        elif self._link.delay_s:
            asyncio.get_running_loop().call_later(self._link.delay_s, self._write, data)
        else:
            self.target.write(data)

    def _write(self, data: bytes) -> None:
        if self.blocked or self.target is None:
            self._waiting.append(data)
        elif not self.target.is_closing():
            self.target.write(data)

    def open(self) -> None:
        """Let through what has waited, and what comes."""
        self.blocked = False
        waiting, self._waiting, self._size = self._waiting, [], 0
        if self.target is not None and not self.target.is_closing():
            for data in waiting:
                self.target.write(data)
            if self.source is not None and not self.source.is_closing():
                self.source.resume_reading()


class _Link(asyncio.Protocol):
    """One connection of a client; the server's half follows it."""

    def __init__(self, proxy: Proxy, server_port: int) -> None:
        self._proxy = proxy
        self._server_port = server_port
        self.client_port = 0
        self.up, self.down = _Way(self), _Way(self)
        self.is_over = False

    @property
    def delay_s(self) -> float:
        return self._proxy.delay_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        client = cast("asyncio.Transport", transport)
        self.client_port = client.get_extra_info("peername")[1]
        self.up.source = self.down.target = client
        self._proxy.admit(self)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: _ServerHalf(self), LOOPBACK, self._server_port
            )
        except OSError:
            self.abort()

    def server_made(self, transport: asyncio.Transport) -> None:
        self.up.target = self.down.source = transport
        if self.is_over:
            transport.abort()
        elif not self.up.blocked:
            self.up.open()

    def data_received(self, data: bytes) -> None:
        self.up.take(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.abort()

    def block(self, direction: Direction) -> None:
        self.up.blocked = self.up.blocked or direction != "from_server"
        self.down.blocked = self.down.blocked or direction != "to_server"

    def unblock(self) -> None:
        self.up.open()
        self.down.open()

    def abort(self) -> None:
        """End both halves."""
        self.is_over = True
        self._proxy.forget(self)
        for transport in (self.up.source, self.up.target):
            if transport is not None and not transport.is_closing():
                transport.close()


class _ServerHalf(asyncio.Protocol):
    """The half of a connection that the server sees."""

    def __init__(self, link: _Link) -> None:
        self._link = link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._link.server_made(cast("asyncio.Transport", transport))

    def data_received(self, data: bytes) -> None:
        self._link.down.take(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._link.abort()


def ports_of(pids: Collection[int]) -> set[int]:
    """Return the local ports of the TCP connections of some processes."""
    ports: set[int] = set()
    for pid in pids:
        try:
            ports |= {each.laddr.port for each in psutil.Process(pid).net_connections("tcp") if each.laddr}
        except psutil.Error:  # it is gone, or not ours
            continue
    return ports
