"""HTTP by hand, for what no client would send."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Heard:
    """What came back on one connection, and whether the server has closed it."""

    text: str
    closed: bool

    @property
    def statuses(self) -> list[int]:
        lines = [line for line in self.text.split("\r\n") if line.startswith("HTTP/1.1 ")]
        return [int(line.split(" ")[1]) for line in lines]


async def say(url: str, *pieces: bytes, pause_s: float = 0.0, wait_s: float = 3.0) -> Heard:
    """Send pieces as they are and return what is heard until the end, or until nothing comes any more."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    heard, closed = b"", False
    try:
        with suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause_s)
        with suppress(TimeoutError):
            while not closed:
                async with asyncio.timeout(wait_s):
                    try:
                        piece = await reader.read(65536)
                    except ConnectionError:
                        piece = b""
                heard += piece
                closed = not piece
    finally:
        writer.close()
    return Heard(heard.decode("latin-1"), closed)
