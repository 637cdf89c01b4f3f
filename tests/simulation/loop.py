"""An event loop without files, threads or a real clock: time passes when everybody waits."""

import asyncio
from typing import Any

NOTHING: list[Any] = []


class Stuck(Exception):
    """Everybody waits for somebody else, and no time-out will end it."""


class _Sleeper:
    """Stands where a loop keeps its selector: instead of waiting it lets time pass."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Stuck("no task can go on")
        self._loop.now_s += timeout
        return NOTHING


class VirtualLoop(asyncio.BaseEventLoop):
    """
    Runs tasks in an order that follows from what they do alone.

    Timers go off in the order of their times, tasks that are ready in the order in which they became so:
    chance comes in only by how long the simulated bus and stores take.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._selector = _Sleeper(self)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self.now_s

    def _process_events(self, event_list: list[Any]) -> None:
        """Have nothing to do: there are no files."""

    def _write_to_self(self) -> None:
        """Have nobody to wake: there are no threads."""
