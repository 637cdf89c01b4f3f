"""Typing, told as a frame like any other, so that it crosses gateways and stands where it happened."""

from collections.abc import Iterable
from typing import Any

from gateway.frames import Frame
from gateway.sockets.commands import Typing
from gateway.sockets.link import Link
from libs.events.base import AnyEvent, Event, follow_id
from libs.wire import format_time

SAME_AGAIN_S = 3.0  # a client says it with every key; others need to know that it goes on, not more


class Typist:
    """Somebody who types in a conversation or two."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._said: dict[str, tuple[bool, float]] = {}  # by interaction: on or off, and when

    async def tell(
        self, command: Typing, streams: Iterable[str], journey_id: str, body: dict[str, Any]
    ) -> None:
        """Tell streams that somebody types, or has stopped; the same again is told now and then only."""
        now = self._link.parts.now()
        was_on, at = self._said.get(body["interaction_id"], (False, 0.0))
        if command.on == was_on and (not command.on or now.timestamp() - at < SAME_AGAIN_S):
            return
        self._said[body["interaction_id"]] = command.on, now.timestamp()
        cause = self._link.event_id(command)
        frames: list[AnyEvent] = []
        for stream in streams:
            event_id = follow_id(cause, f"typing/{stream}")
            frame = Frame(
                stream=stream,
                kind="typing",
                event_id=event_id,
                event_type=Frame.type,
                event_time=format_time(now),
                body=body | {"on": command.on},
            )
            frames.append(Event(event_id, self._link.principal.tenant, now, frame, journey_id))
        if frames:
            await self._link.parts.feed.tell(frames)
