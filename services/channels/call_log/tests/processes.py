"""Services as processes, for tests that need them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from libs.settings import Settings


@asynccontextmanager
async def service(module: str, settings: Settings, log: Path) -> AsyncIterator[None]:
    """Run a process of the platform with these settings until the body is left."""
    env = {
        f"TRUNKLINE_{key.upper()}": str(value)
        for key, value in settings.model_dump(exclude_defaults=True).items()
    }
    with log.open("ab") as output:
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, env={**os.environ, **env}, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            running.terminate()
        await running.wait()
