"""The wrong clock is off by what it is told, and jumps from second to second."""

from datetime import UTC, datetime, timedelta

from tests.faults.skewing import wrong

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_it_is_ahead_all_the_time() -> None:
    now = wrong(lambda: NOON, (8.0,), iter((0.0, 1.0, 2.5)).__next__)
    times = [now() for _ in range(3)]

    assert times == [NOON + timedelta(seconds=8)] * 3


def test_it_jumps_forth_and_back_every_second() -> None:
    at = iter((0.5, 1.5, 2.5))
    now = wrong(lambda: NOON, (8.0, -8.0), lambda: next(at))

    assert [now() - NOON for _ in range(3)] == [timedelta(seconds=each) for each in (8, -8, 8)]
