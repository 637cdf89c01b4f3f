"""People of the journey tests: somebody who reads his frames and can be asked what he saw."""

import asyncio
from contextlib import suppress
from typing import Any

from deploy.dev.demo.door import Door, NewId, Socket


class Person:
    """Somebody at a socket; every frame he ever got is kept in order."""

    def __init__(self, door: Door, path: str, token: str, name: str) -> None:
        self.socket = Socket(door, path, token, NewId("it", name))
        self.frames: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for frame in self.socket.frames():
            self.frames.append(frame)
            self._news.set()

    async def do(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a command; it must be taken."""
        answer = await self.socket.command(kind, **fields)
        assert answer["type"] == "ack", answer
        return answer

    async def sees(self, kind: str, within_s: float = 20, **data: Any) -> dict[str, Any]:
        """Return the first frame of a kind whose data holds these values, waiting for it."""
        async with asyncio.timeout(within_s):
            while True:
                self._news.clear()
                for frame in self.frames:
                    if frame["type"] == kind and all(
                        frame["data"].get(name) == v for name, v in data.items()
                    ):
                        return frame
                if self._reading.done():
                    await self._reading
                await self._news.wait()

    async def leave(self) -> None:
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading


async def eventually(ask: Any, within_s: float = 30) -> Any:
    """Return the first answer that is not empty."""
    async with asyncio.timeout(within_s):
        while not (answer := await ask()):  # noqa: ASYNC110 - the answer comes over HTTP
            await asyncio.sleep(0.2)
        return answer
