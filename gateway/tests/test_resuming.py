"""Readers who come and go, at two gateways that fail now and then, beside a model that is a plain list."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.conversation import Conversation
from gateway.feed import Feed
from gateway.frames import numbered, text_of
from gateway.hub import Hub, Missed, Reader, walk
from gateway.pages import LocalPages, Page
from gateway.stream import PAGE_FRAMES, Stream
from gateway.tests.making import Clock, event
from gateway.tests.test_stream import told
from libs.errors import Unavailable
from libs.events.base import AnyEvent
from libs.local import LocalStore
from libs.stored import Key

ANA = Key("demo", "agent:ana")


class FailingPages(LocalPages):
    """Pages that cannot be kept for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.are_down = False

    async def keep(self, closed: Sequence[AnyEvent]) -> None:
        if self.are_down:
            raise Unavailable("store_unreachable", "the store does not answer")
        await super().keep(closed)


@dataclass
class Client:
    """Somebody with one socket after the other: what he has seen, and whom he reads from now."""

    reader: Reader
    frames: list[tuple[int, str]] = field(default_factory=list)

    @property
    def seen(self) -> int:
        return self.frames[-1][0] if self.frames else 0

    async def read(self) -> None:
        await self.reader.last()
        if self.reader.has_more_than(self.seen):
            portion = await self.reader.after(self.seen)
            assert portion.missed is None
            self.frames.extend(portion.frames)


class Houses:
    """Two gateways on one store, and all that was ever told as a plain list."""

    def __init__(self) -> None:
        self.store: LocalStore[Stream] = LocalStore("streams", lambda key: Stream())
        self.pages = FailingPages()
        self.model: list[tuple[int, str]] = []
        self._open_sockets = ExitStack()
        self._open()
        self.clients = [Client(self.reader(place)) for place in (0, 1, 1)]

    def _open(self) -> None:
        nothing: LocalStore[Conversation] = LocalStore("conversations", lambda key: Conversation(key.id))
        self.hubs = [Hub(self.store, self.pages) for _ in range(2)]
        self.feeds = [Feed(nothing, self.store, hub, Clock()) for hub in self.hubs]

    def reader(self, place: int) -> Reader:
        """Return a reader at one of the gateways; it is never left, as of a socket that nobody closed."""
        return self._open_sockets.enter_context(self.hubs[place].reading(ANA))

    async def tell(self, place: int, count: int) -> None:
        first = len(self.model) + 1
        frames = [told(number) for number in range(first, first + count)]
        self.model.extend((seq, numbered(seq, text_of(frame))) for seq, frame in enumerate(frames, first))
        events = [event(frame, number=seq) for seq, frame in enumerate(frames, first)]
        # Where it fails they are in the store: the sweeper, or whoever writes there next, tells what is left.
        with suppress(Unavailable):
            await self.feeds[place].tell(events)

    async def do(self, step: tuple[str, int, int]) -> None:
        what, place, number = step
        client = self.clients[number % len(self.clients)]
        match what:
            case "tell":
                await self.tell(place, number)
            case "hear":
                await self.hubs[place].refresh([ANA])
            case "read":
                await client.read()
            case "move":
                client.reader = self.reader(place)
            case "settle":
                await self.feeds[place].streams.settle()
            case "sweep":
                self.pages.are_down = False
                await self.feeds[place].streams.sweep(Clock()())
            case "break":
                self.pages.are_down = True
            case "restart":  # both at once: nothing is known but what is stored
                self._open()
                for each in self.clients:
                    each.reader = self.reader(place)


STEPS = st.tuples(
    st.sampled_from(["tell", "tell", "hear", "read", "read", "move", "settle", "sweep", "break", "restart"]),
    st.integers(0, 1),
    st.integers(1, 2 * PAGE_FRAMES + 5),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_it_shows_everybody_every_frame_once_and_in_order(steps: list[tuple[str, int, int]]) -> None:
    async def day() -> None:
        houses = Houses()
        for step in steps:
            await houses.do(step)
            for client in houses.clients:
                assert client.frames == houses.model[: len(client.frames)]
        await houses.do(("sweep", 0, 0))
        for place in (0, 1):
            await houses.do(("hear", place, 0))
        for client in houses.clients:
            for _ in range(len(houses.model)):
                await client.read()
            assert client.frames == houses.model

    asyncio.run(day())


def pages(*spans: tuple[int, int]) -> list[Page]:
    return [Page(first, ("{}",) * (last + 1 - first)) for first, last in spans]


HEAD = Stream(first=21, frames=("{}",) * 5, paged=20)


@pytest.mark.parametrize(
    ("spans", "seen", "numbers", "missed"),
    [
        ([(1, 10), (11, 20)], 0, range(1, 21), None),
        ([(1, 10), (11, 20)], 7, range(8, 21), None),
        ([(11, 20), (1, 10)], 10, range(11, 21), None),
        ([(1, 10), (1, 10), (11, 20)], 3, range(4, 21), None),  # kept, and not known to be
        ([(11, 20)], 3, [], Missed(4, 10, "expired")),
        ([(1, 10)], 3, range(4, 11), None),  # the hole is told when it is reached
        ([(1, 10)], 10, [], Missed(11, 20, "expired")),
        ([], 3, [], Missed(4, 20, "expired")),
    ],
)
def test_it_gives_what_there_is_and_says_what_there_is_not(
    spans: list[tuple[int, int]], seen: int, numbers: Sequence[int], missed: Missed | None
) -> None:
    portion = walk(HEAD, pages(*spans), seen)

    assert [seq for seq, _ in portion.frames] == list(numbers)
    assert portion.missed == missed


async def test_it_tells_a_reader_who_was_further_than_the_stream_ever_came() -> None:
    houses = Houses()
    await houses.tell(0, 3)

    portion = await houses.reader(1).after(9)

    assert portion.missed == Missed(1, 3, "unknown")


async def test_it_believes_a_reader_who_has_seen_more_at_another_gateway() -> None:
    houses = Houses()
    await houses.tell(0, 3)
    await houses.do(("hear", 1, 0))
    await houses.tell(0, 3)

    portion = await houses.reader(1).after(5)

    assert ([seq for seq, _ in portion.frames], portion.missed) == ([6], None)
