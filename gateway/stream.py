"""A stream of numbered frames: its end in one document, what went before in pages that are kept a while."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar

from gateway.frames import IS_KEPT_FOR_EVER, Frame, numbered, text_of
from libs.events.base import AnyEvent, Fact, Facts, Tick, after

PAGE_FRAMES = 64
PAGE_CHARACTERS = 128_000
MOST_FRAMES = 500_000  # of one stream, however fresh: 550 a second for a quarter of an hour
MOST_CHARACTERS = 256_000_000
RESUME_FOR = timedelta(minutes=30)  # what is promised is a quarter of an hour
HEAD_KEPT_FOR = timedelta(days=8)  # a day longer than the conversation, so that numbers never begin anew


class PageClosed(Fact):
    """Frames have left the end of their stream for a page; it never leaves the gateway."""

    type: ClassVar[str] = "trunkline.gateway.page_closed.v1"
    stream: str
    first: int
    frames: tuple[str, ...]
    characters: int  # of all pages of the stream up to this one

    @property
    def key(self) -> str:
        return f"{self.stream}/{self.first}"

    @property
    def last(self) -> int:
        return self.first + len(self.frames) - 1


@dataclass(frozen=True, slots=True)
class Stream:
    """
    The frames `first`, `first` + 1, ... of one stream, as JSON without their numbers.

    Numbers begin at 1 and have no gaps. Those up to `paged` are in pages as well, `characters` of them; the
    last ones stay here too, for readers who keep up. `stale_at` is when the youngest frame may be forgotten.
    """

    first: int = 1
    frames: tuple[str, ...] = ()
    paged: int = 0
    characters: int = 0
    stale_at: datetime | None = None
    kept_until: datetime | None = None

    @property
    def last(self) -> int:
        return self.first + len(self.frames) - 1

    def since(self, seen: int) -> list[tuple[int, str]]:
        """Return the frames here after a number, ready to be sent."""
        return since(self.first, self.frames, seen)


Decide = Callable[[Stream, AnyEvent, datetime], tuple[Stream, Facts]]


def since(first: int, frames: tuple[str, ...], seen: int) -> list[tuple[int, str]]:
    """Return those frames whose numbers, counted from `first`, are greater than one, ready to be sent."""
    start = max(0, seen + 1 - first)
    rest = enumerate(frames[start:], first + start)
    return [(seq, numbered(seq, text)) for seq, text in rest]


def deciding(resume_for: timedelta) -> Decide:
    """Return the decisions of streams whose frames are kept that long."""
    return partial(_decide, resume_for)


def _decide(resume_for: timedelta, stream: Stream, event: AnyEvent, now: datetime) -> tuple[Stream, Facts]:
    match event.data:
        case Tick():
            return _forget(stream, now), ()
        case Frame() as told:
            return _append(resume_for, stream, event, told, now)
    raise AssertionError(f"a stream knows nothing of {event.type}")


def _append(
    resume_for: timedelta, stream: Stream, event: AnyEvent, told: Frame, now: datetime
) -> tuple[Stream, Facts]:
    """Return the stream with one frame more, and the page that this fills."""
    frames = (*stream.frames, text_of(told))
    last = stream.last + 1
    paged, characters = max(stream.paged, stream.first - 1), stream.characters
    facts: Facts = ()
    waiting = frames[paged + 1 - stream.first :]
    size = sum(map(len, waiting))
    if len(waiting) >= PAGE_FRAMES or size >= PAGE_CHARACTERS:
        characters += size
        page = PageClosed(stream=told.stream, first=paged + 1, frames=waiting, characters=characters)
        facts, paged = (after(event, now, page),), last
    first, frames = _end_of(stream.first, frames, paged)
    kept = None if told.stream.startswith(IS_KEPT_FOR_EVER) else now + HEAD_KEPT_FOR
    stale_at = now + resume_for
    return replace(
        stream,
        first=first,
        frames=frames,
        paged=paged,
        characters=characters,
        stale_at=stale_at,
        kept_until=kept,
    ), facts


def _end_of(first: int, frames: tuple[str, ...], paged: int) -> tuple[int, tuple[str, ...]]:
    """Return the frames to keep at hand: all that are in no page yet, and a few of the others."""
    dropped, size = 0, sum(map(len, frames))
    while first + dropped <= paged and (len(frames) - dropped > PAGE_FRAMES or size > PAGE_CHARACTERS):
        size -= len(frames[dropped])
        dropped += 1
    return first + dropped, frames[dropped:]


def _forget(stream: Stream, now: datetime) -> Stream:
    """Return the stream without its frames, once the youngest is old enough; its numbers go on."""
    if stream.stale_at is None or now < stream.stale_at:
        return stream
    return replace(stream, first=stream.last + 1, frames=(), paged=stream.last, stale_at=None)
