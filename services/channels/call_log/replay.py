"""Let events happen: in time order, as fast as the door takes them or at a pace of the log's clock."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from libs.errors import Unavailable
from libs.events.base import AnyEvent

WINDOW = 2000
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
GIVE_UP_AFTER = 20


class Door(Protocol):
    """Where events go in: the gateway, or the bus itself."""

    async def publish(self, events: Sequence[AnyEvent]) -> None:
        """Return when they are durable. :raises Unavailable: trying again is safe."""
        ...


async def replay(
    events: Iterable[AnyEvent],
    door: Door,
    done: Callable[[int], None],
    *,
    speed: float = 0,
    waiting: Callable[[str], None] = lambda why: None,
) -> None:
    """
    Publish window by window; `speed` is how many seconds of the log pass in one, 0: no waiting.

    `done` is told how many events are in, `waiting` why none are taken for now. A window is durable before
    the next begins, so no event overtakes one of an earlier window.
    """
    began: tuple[datetime, float] | None = None
    for window in windows(events, speed):
        if speed and began is None:
            began = (window[0].time, time.monotonic())
        if speed and began is not None:
            due = began[1] + (window[0].time - began[0]).total_seconds() / speed
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await publish(window, door, waiting)
        done(len(window))


def windows(events: Iterable[AnyEvent], speed: float) -> Iterator[list[AnyEvent]]:
    """Yield runs of events; at a pace, a run spans a tenth of a second of ours at most."""
    window: list[AnyEvent] = []
    for each in events:
        too_long = speed and window and (each.time - window[0].time).total_seconds() > speed / 10
        if too_long or len(window) >= WINDOW:
            yield window
            window = []
        window.append(each)
    if window:
        yield window


async def publish(window: Sequence[AnyEvent], door: Door, waiting: Callable[[str], None]) -> None:
    """Publish a window, again where the other side cannot take it now. :raises Unavailable: for too long."""
    for attempt in range(GIVE_UP_AFTER):
        try:
            await door.publish(window)
            return
        except Unavailable as error:
            if attempt == GIVE_UP_AFTER - 1:
                raise
            waiting(error.text)
            await asyncio.sleep(error.retry_after_s or RETRY_S[min(attempt, len(RETRY_S) - 1)])
