"""Streams of numbered frames: what is kept, and what a reader who comes back gets."""

import json

import pytest

from gateway import stream
from gateway.frames import Frame
from gateway.stream import MOST_CHARACTERS, MOST_FRAMES, Stream
from gateway.tests.making import NOON, event


def told(number: int, **body: object) -> Frame:
    return Frame(
        stream="agent:ana", kind="message", event_id=f"e-{number}", event_type="t", event_time="x", body=body
    )


def after(count: int, **body: object) -> Stream:
    state = Stream()
    for number in range(1, count + 1):
        state, facts = stream.decide(state, event(told(number, **body), number=number), NOON)
        assert facts == ()
    return state


def test_it_numbers_frames_from_one() -> None:
    frames = [json.loads(text) for _, text in after(3).since(0)]

    assert [frame["seq"] for frame in frames] == [1, 2, 3]
    assert frames[0] == {
        "seq": 1, "type": "message", "time": "x", "event_id": "e-1", "event_type": "t", "data": {},
    }  # fmt: skip


@pytest.mark.parametrize(("seen", "missing"), [(0, [1, 2, 3]), (1, [2, 3]), (3, [])])
def test_it_gives_a_reader_what_he_has_not_seen(seen: int, missing: list[int]) -> None:
    assert [seq for seq, _ in after(3).since(seen)] == missing


def test_it_keeps_the_last_frames_and_their_numbers() -> None:
    state = after(MOST_FRAMES + 7)

    assert (state.first, state.last, len(state.frames)) == (8, MOST_FRAMES + 7, MOST_FRAMES)
    assert next(iter(state.since(0)))[0] == 8


def test_it_keeps_no_more_characters_than_it_may_but_always_the_last_frame() -> None:
    state = after(5, text="x" * (MOST_CHARACTERS // 3))
    huge = after(2, text="x" * (MOST_CHARACTERS + 1))

    assert sum(map(len, state.frames)) <= MOST_CHARACTERS
    assert (huge.first, huge.last) == (2, 2)


@pytest.mark.parametrize(("seen", "misses"), [(6, True), (7, False), (507, False), (508, True)])
def test_it_says_when_a_reader_has_missed_something(seen: int, misses: bool) -> None:
    assert after(MOST_FRAMES + 7).misses(seen) is misses
