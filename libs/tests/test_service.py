"""A process that is told to end says so first, goes on for a while, and finishes what it has in hand."""

import asyncio
import os
import signal

import httpx

from deploy.dev.ports import free_ports
from libs import service


async def _always() -> None:
    """Be ready."""


async def test_it_says_that_it_is_not_ready_before_it_ends() -> None:
    (port,) = free_ports(1)
    ended = asyncio.Event()

    async def job() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    running = asyncio.create_task(service.run("tested", port, job(), ready=_always, drain_s=0.5))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        before = await _status(http)
        os.kill(os.getpid(), signal.SIGTERM)
        while (after := await _status(http)) == 200:  # noqa: ASYNC110 - the news come over HTTP
            await asyncio.sleep(0.01)

        assert (before, after, ended.is_set()) == (200, 503, False)
        await asyncio.wait_for(running, 5)
        assert ended.is_set()


async def _status(http: httpx.AsyncClient) -> int:
    while True:
        try:
            return (await http.get("/readyz")).status_code
        except httpx.ConnectError:  # it is only just starting
            await asyncio.sleep(0.01)
