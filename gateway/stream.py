"""A stream of numbered frames, of which the last ones are kept for readers who come back."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.frames import Frame, numbered, text_of
from libs.events.base import AnyEvent, Facts

MOST_FRAMES = 500
MOST_CHARACTERS = 2_000_000
KEPT_FOR = timedelta(days=2)  # after the last frame


@dataclass(frozen=True, slots=True)
class Stream:
    """
    The frames `first`, `first` + 1, ... of one stream, as JSON without their numbers.

    Numbers begin at 1 and have no gaps; old frames are dropped, the last one never is.
    """

    first: int = 1
    frames: tuple[str, ...] = ()
    kept_until: datetime | None = None

    @property
    def last(self) -> int:
        return self.first + len(self.frames) - 1

    def misses(self, after: int) -> bool:
        """Return whether a reader who has seen `after` cannot be given all that followed."""
        return after < self.first - 1 or after > self.last

    def since(self, after: int) -> list[tuple[int, str]]:
        """Return the frames after a number, ready to be sent."""
        start = max(0, after + 1 - self.first)
        rest = enumerate(self.frames[start:], self.first + start)
        return [(seq, numbered(seq, text)) for seq, text in rest]


def decide(stream: Stream, event: AnyEvent, now: datetime) -> tuple[Stream, Facts]:
    """Return the stream with one frame more."""
    assert isinstance(event.data, Frame)
    frames = (*stream.frames, text_of(event.data))
    dropped = max(0, len(frames) - MOST_FRAMES)
    size = sum(map(len, frames[dropped:]))
    while size > MOST_CHARACTERS and dropped < len(frames) - 1:
        size -= len(frames[dropped])
        dropped += 1
    after = replace(stream, first=stream.first + dropped, frames=frames[dropped:], kept_until=now + KEPT_FOR)
    return after, ()
