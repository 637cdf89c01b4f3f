"""Run one service as a process of its own, and wait for what it does."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from libs.errors import NotFound
from libs.settings import Settings


@asynccontextmanager
async def running(service: str, settings: Settings, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Keep `python -m services.<service>` running with these settings for as long as the body runs."""
    changed = settings.model_dump(exclude_defaults=True)
    env = {**os.environ, **{f"TRUNKLINE_{name.upper()}": str(value) for name, value in changed.items()}}
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"services.{service}", env=env, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def eventually(check: Callable[[], Awaitable[bool]] | Callable[[], bool], within_s: float = 20) -> None:
    """Return once `check` holds; what is not found yet may come to be."""
    async with asyncio.timeout(within_s):
        while True:
            with suppress(NotFound):
                answer = check()
                if answer if isinstance(answer, bool) else await answer:
                    return
            await asyncio.sleep(0.02)
