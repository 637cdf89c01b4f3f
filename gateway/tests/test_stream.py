"""Streams of numbered frames: what stays at the end, what goes into pages, what is forgotten and when."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.frames import Frame
from gateway.stream import (
    HEAD_KEPT_FOR,
    PAGE_CHARACTERS,
    PAGE_FRAMES,
    RESUME_FOR,
    PageClosed,
    Stream,
    deciding,
)
from gateway.tests.making import NOON, event
from libs.events.base import Tick

decide = deciding(RESUME_FOR)


def told(number: int, stream: str = "agent:ana", body: dict[str, Any] | None = None) -> Frame:
    return Frame(
        stream=stream, kind="message", event_id=f"e-{number}", event_type="t", event_time="x", body=body or {}
    )


def after(count: int, now: datetime = NOON, **body: object) -> tuple[Stream, list[PageClosed]]:
    """Return a stream of so many frames, and the pages it has closed."""
    state, pages = Stream(), list[PageClosed]()
    for number in range(1, count + 1):
        state, facts = decide(state, event(told(number, body=body), number=number), now)
        pages.extend(fact.data for fact in facts if isinstance(fact.data, PageClosed))
    return state, pages


def numbers(frames: Iterable[tuple[int, str]]) -> list[int]:
    return [seq for seq, _ in frames]


def test_it_numbers_frames_from_one() -> None:
    frames = [json.loads(text) for _, text in after(3)[0].since(0)]

    assert [frame["seq"] for frame in frames] == [1, 2, 3]
    assert frames[0] == {
        "seq": 1, "type": "message", "time": "x", "event_id": "e-1", "event_type": "t", "data": {},
    }  # fmt: skip


@pytest.mark.parametrize(("seen", "missing"), [(0, [1, 2, 3]), (1, [2, 3]), (3, []), (4, [])])
def test_it_gives_a_reader_what_he_has_not_seen(seen: int, missing: list[int]) -> None:
    assert numbers(after(3)[0].since(seen)) == missing


@pytest.mark.parametrize("count", [PAGE_FRAMES - 1, PAGE_FRAMES, 5 * PAGE_FRAMES + 7])
def test_it_loses_no_frame_between_its_pages_and_its_end(count: int) -> None:
    state, pages = after(count)

    paged = [number for page in pages for number in range(page.first, page.last + 1)]
    assert paged == list(range(1, state.paged + 1))
    assert state.first <= state.paged + 1
    assert numbers(state.since(state.paged)) == list(range(state.paged + 1, count + 1))
    assert len(state.frames) < 2 * PAGE_FRAMES
    assert state.characters == sum(len(text) for page in pages for text in page.frames)


def test_it_closes_a_page_of_few_large_frames() -> None:
    state, pages = after(9, text="x" * (PAGE_CHARACTERS // 3))

    assert [(page.first, page.last) for page in pages] == [(1, 3), (4, 6), (7, 9)]
    assert sum(map(len, state.frames)) <= PAGE_CHARACTERS


def test_it_forgets_its_end_only_when_the_youngest_frame_is_old_enough() -> None:
    state, _ = after(3)

    early, _ = decide(state, event(Tick(of="x"), number=8), NOON + RESUME_FOR - timedelta(seconds=1))
    late, facts = decide(state, event(Tick(of="x"), number=9), NOON + RESUME_FOR)

    assert early is state
    assert (late.frames, late.last, late.stale_at, facts) == ((), 3, None, ())
    more, _ = decide(late, event(told(4), number=4), NOON + 2 * RESUME_FOR)
    assert numbers(more.since(0)) == [4]


@pytest.mark.parametrize(
    ("name", "kept_until"),
    [("interaction:in-1", NOON + HEAD_KEPT_FOR), ("agent:ana", None), ("supervisors", None)],
)
def test_it_never_lets_the_numbers_of_people_begin_anew(name: str, kept_until: datetime | None) -> None:
    state, _ = decide(Stream(), event(told(1, stream=name)), NOON)

    assert state.kept_until == kept_until


def test_it_goes_on_from_a_stream_that_was_kept_before_there_were_pages() -> None:
    old = Stream(first=438, frames=("{}",) * PAGE_FRAMES)

    state, (page,) = decide(old, event(told(1)), NOON)

    assert isinstance(page.data, PageClosed)
    assert (page.data.first, page.data.last, state.last) == (438, 502, 502)
