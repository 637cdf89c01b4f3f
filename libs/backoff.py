"""How long to wait before trying again what another process was quicker at."""

import asyncio
from collections.abc import Awaitable, Callable

FIRST_S = 0.004  # about what a write takes
MOST_S = 0.1

Wait = Callable[[int], Awaitable[None]]  # is given how many tries have failed


class Backoff:
    """
    Waits a random part of a span that doubles with every failed try, up to a limit.

    Several who were refused at once do not come again at once: `draw` gives each another number of 0 to 1.
    """

    def __init__(self, draw: Callable[[], float], first_s: float = FIRST_S, most_s: float = MOST_S) -> None:
        self._draw = draw
        self._first_s = first_s
        self._most_s = most_s

    def span_s(self, failed: int) -> float:
        """Return the longest wait after so many failed tries, seconds."""
        return float(min(self._most_s, self._first_s * 2 ** min(failed, 30)))

    async def __call__(self, failed: int) -> None:
        await asyncio.sleep(self._draw() * self.span_s(failed))


async def at_once(failed: int) -> None:
    """Do not wait: for the only writer, and for tests."""
