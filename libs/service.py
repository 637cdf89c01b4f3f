"""Run a process of the platform: its jobs in one task group, signals, health, ticks."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from libs.clock import Now
from libs.errors import Unavailable

log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[None]]
TICK_S = 0.2
TICK_BATCH = 500
SETTLE_S = 1.0


class Ticked(Protocol):
    """What `keep_time` drives: an Apply."""

    async def tick(self, now: datetime, limit: int = ...) -> int: ...

    async def sweep(self, now: datetime, limit: int = ...) -> int: ...

    async def settle(self) -> None: ...


async def keep_time(applies: Sequence[Ticked], now: Now, tick_s: float = TICK_S) -> None:
    """
    Let deadlines come, tell what the dead have left behind, and inform stores of what was told; for ever.

    Several processes may do so at once: the version guard lets one of them win.
    """
    loop = asyncio.get_running_loop()
    settled_at = loop.time()
    while True:
        await asyncio.sleep(tick_s)
        try:
            for apply in applies:
                full = True
                while full:
                    full = await apply.tick(now(), TICK_BATCH) >= TICK_BATCH
            if loop.time() - settled_at >= SETTLE_S:
                for apply in applies:
                    await apply.settle()
                    await apply.sweep(now())
                settled_at = loop.time()
        except Unavailable as error:
            log.warning("time stood still", extra={"why": error.text})
            await asyncio.sleep(1)


class Readiness:
    """Whether work should be sent here: while the check holds, until the process is told to end."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._is_ending = False

    def end(self) -> None:
        self._is_ending = True

    async def __call__(self) -> None:
        """Return when ready. :raises Unavailable: not now, or not any more."""
        if self._is_ending:
            raise Unavailable("ending", "this process is ending; another one takes its place")
        await self._check()


async def run(
    name: str,
    health_port: int,
    *jobs: Coroutine[Any, Any, None],
    ready: Check,
    host: str = "127.0.0.1",
    drain_s: float = 0.0,
) -> None:
    """
    Run `jobs` until SIGTERM or SIGINT, then cancel them and return when they have finished what was in hand.

    A job that ends with an exception ends the process: its supervisor starts it anew. `ready` raises
    Unavailable while the process cannot do its work. Told to end, the process says first that it is not
    ready, and goes on for `drain_s`, in which whoever sends it work can learn that.
    """
    readiness = ready if isinstance(ready, Readiness) else Readiness(ready)
    spare_the_collector()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in (*jobs, serve_health(host, health_port, readiness))]
        log.info("started", extra={"service": name})
        await stopping.wait()
        log.info("stopping", extra={"service": name})
        readiness.end()
        await asyncio.sleep(drain_s)
        for task in tasks:
            task.cancel()


def spare_the_collector() -> None:
    """
    Leave what was loaded so far out of every garbage collection, and collect more seldom.

    Code and contracts stay for ever and events are soon gone: looking at them costs a third of all time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


async def serve_health(host: str, port: int, ready: Check) -> None:
    """Serve /livez, /readyz and /metrics until cancelled."""
    server = Server(
        uvicorn.Config(health_app(ready), host=host, port=port, log_config=None, access_log=False)
    )
    await server.serve()


class Server(uvicorn.Server):
    """
    An HTTP server that leaves the process's signals alone and stops when its task is cancelled.

    `before_closing` is awaited while it still serves.
    """

    def __init__(
        self, config: uvicorn.Config, before_closing: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        super().__init__(config)
        self._before_closing = before_closing

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().serve(sockets)
        except asyncio.CancelledError:
            if self._before_closing is not None:
                await self._before_closing()
            self.should_exit = True
            await self.shutdown(sockets)
            raise


def health_app(ready: Check) -> Starlette:
    """Return the HTTP application that probes and scrapers ask."""

    async def livez(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(request: Request) -> Response:
        try:
            async with asyncio.timeout(5):
                await ready()
        except (Unavailable, TimeoutError) as error:
            return JSONResponse({"status": "not ready", "why": str(error)}, status_code=503)
        return JSONResponse({"status": "ready"})

    async def scrape(request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", scrape)])
