"""Connections that never come to the point, against a real server on a free loopback port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.patience import HEAD_BYTES, Patience
from libs.service import Server

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


class Hasty(Patience):
    """Waits as long as a test has time."""

    patience_s = 0.6


async def echo(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
async def port() -> AsyncIterator[int]:
    app = Starlette(routes=[Route("/", echo, methods=["POST"])])
    server = Server(uvicorn.Config(app, port=0, http=Hasty, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - it says so by an attribute only
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def answered(port: int, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """Return all that the server says until it closes the connection, be it before all was read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = asyncio.create_task(all_of(reader))  # at once: a reset takes back what was not read by then
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause_s)
        async with asyncio.timeout(5):
            return await heard
    finally:
        writer.close()


async def all_of(reader: asyncio.StreamReader) -> bytes:
    answer = b""
    with suppress(ConnectionResetError):
        while part := await reader.read(65536):
            answer += part
    return answer


@pytest.mark.parametrize("sent", [b"", b"P", HEAD, HEAD + b"X-Slow: "])
async def test_it_ends_a_head_that_does_not_come(port: int, sent: bytes) -> None:
    assert b" 408 Request Timeout" in await answered(port, sent)


async def test_it_ends_a_body_that_does_not_come(port: int) -> None:
    assert b" 408 Request Timeout" in await answered(port, HEAD + b"Content-Length: 9\r\n\r\nabc")


async def test_it_ends_a_second_request_that_does_not_come(port: int) -> None:
    answer = await answered(port, HEAD + b"Content-Length: 3\r\n\r\nabc" + HEAD)

    assert b"200 OK" in answer
    assert b" 408 Request Timeout" in answer


async def test_it_takes_a_body_that_comes_slowly_but_comes(port: int) -> None:
    pieces = [b"x" * 5000] * 12

    head = HEAD + b"Connection: close\r\nContent-Length: 60000\r\n\r\n"

    assert (await answered(port, head, *pieces, pause_s=0.1)).endswith(b"60000")


@pytest.mark.parametrize(
    "head", [b"X-Long: " + b"x" * (HEAD_BYTES + 1000), b"".join(b"X-%d: y\r\n" % n for n in range(6500))]
)
async def test_it_ends_a_head_that_does_not_end(port: int, head: bytes) -> None:
    pieces = [head[start : start + 50_000] for start in range(0, len(head), 50_000)]

    assert b" 431 Request Header" in await answered(port, HEAD, *pieces, pause_s=0.005)


async def test_it_does_not_listen_for_ever_to_a_body_it_has_answered(port: int) -> None:
    head = b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\n\r\n"

    assert b"404 Not Found" in await answered(port, head, *([b"x" * 60_000] * 10), pause_s=0.01)
    # What counts is that the connection was closed at all: `answered` reads to its end.
