"""A client that costs little beside the server: requests as ready bytes over connections that stay open."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import cast

from deploy.dev.processes import LOOPBACK

CONNECTIONS = 64
GIVE_UP_S = 60.0
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class RequestRefused(Exception):
    """A request was not answered by 202; the message shows the answer."""


def post(body: bytes, token: str, media_type: str) -> bytes:
    """Return the bytes of a request."""
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: {LOOPBACK}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def rate_of(port: int, requests: Sequence[bytes]) -> float:
    """Send the requests over 64 connections, one at a time on each, and return how many a second."""
    left = iter(requests)
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: _Connection(left, loop.create_future()), LOOPBACK, port)
        for _ in range(CONNECTIONS)
    ]
    began = perf_counter()
    try:
        for _, connection in opened:
            connection.send_next()
        async with asyncio.timeout(GIVE_UP_S):
            await asyncio.gather(*(connection.done for _, connection in opened))
        return len(requests) / (perf_counter() - began)
    finally:
        for transport, _ in opened:
            transport.close()


class _Connection(asyncio.Protocol):
    """Sends the next request when the last one is answered."""

    def __init__(self, left: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self.done = done
        self._left = left
        self._transport: asyncio.WriteTransport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def send_next(self) -> None:
        request = next(self._left, None)
        if request is None:
            self._finish(None)
        elif self._transport is not None:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(received, 0, end)
        if length is None or len(received) < end + 4 + int(length[1]):
            return
        self._received = b""
        if received.startswith(b"HTTP/1.1 202"):
            self.send_next()
        else:
            self._finish(RequestRefused(received[:500].decode("latin-1")))

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(RequestRefused("the connection was closed"))

    def _finish(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
