"""What a row says of a call."""

from datetime import UTC, datetime

import pytest

from libs.events.base import Identity
from services.channels.call_log import domain
from services.channels.call_log.domain import Call, SetAside, call_of
from services.channels.call_log.tests.rows import AT_ONCE, GONE, LEFT_MENU, MAPPING, SERVED

Row = dict[str, str]


def utc(hour: int, minute: int, second: int, day: int = 4) -> datetime:
    return datetime(2026, 5, day, hour, minute, second, tzinfo=UTC)


def read(row: Row) -> Call:
    call = call_of(row, MAPPING)
    assert call is not None
    return call


def test_it_reads_a_call_that_waited_and_was_answered() -> None:
    call = read(SERVED)

    assert call == Call(
        id="shop-7-04.05.2026",
        arrived_at=utc(8, 0, 0),
        queued_at=utc(8, 0, 8),
        left_at=utc(8, 0, 38),
        served_s=120,
        agent_id="ana",
        queue_id="sales",
        priority=2,
        context={"line": "S"},
        identities=(Identity(kind="card", value="4711"),),
    )
    assert (call.kind, call.waited_s, call.ended_at) == ("answered", 30, utc(8, 2, 38))


@pytest.mark.parametrize(
    ("row", "kind", "waited_s", "served_s"),
    [
        (SERVED, "answered", 30, 120),
        (AT_ONCE, "answered", 0, 120),
        (GONE, "abandoned", 30, None),
        (GONE | {"queue_left": "10:00:08", "wait_s": "0"}, "abandoned", 0, None),
        (LEFT_MENU, "left_in_self_service", 0, None),
    ],
)
def test_it_tells_the_lives_of_calls_apart(row: Row, kind: str, waited_s: int, served_s: int | None) -> None:
    call = read(row)

    assert (call.kind, call.waited_s, call.served_s) == (kind, waited_s, served_s)


def test_it_ignores_rows_whose_outcome_means_so_whatever_else_they_say() -> None:
    assert call_of(SERVED | {"what": "TEST", "came": "never"}, MAPPING) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"what": "LOST"}, domain.UNKNOWN_OUTCOME),
        ({"day": "31.02.2026"}, domain.NO_DATE),
        ({"came": "ten"}, domain.NO_DATE),
        ({"came": "-"}, domain.NO_DATE),
        ({"menu_left": "25:00:00"}, domain.UNREADABLE),
        ({"queued": "-"}, domain.UNREADABLE),
        ({"wait_s": ""}, domain.UNREADABLE),
        ({"prio": "high"}, domain.UNREADABLE),
        ({"menu_left": "09:59:50", "menu_s": "-10"}, domain.BACKWARDS),
        ({"queue_left": "10:00:07", "wait_s": "-1"}, domain.BACKWARDS),
        ({"queued": "10:00:02", "wait_s": "36"}, domain.BACKWARDS),
        ({"talk_to": "10:00:36", "talk_s": "-1"}, domain.BACKWARDS),
        ({"menu_s": "9"}, domain.OTHER_LENGTH),
        ({"wait_s": "31"}, domain.OTHER_LENGTH),
        ({"talk_s": "119"}, domain.OTHER_LENGTH),
        ({"talk_from": "-", "talk_to": "-", "talk_s": "0"}, domain.UNSERVED),
        ({"what": "GONE"}, domain.SERVED),
    ],
)
def test_it_sets_aside_what_contradicts_itself(change: Row, reason: str) -> None:
    with pytest.raises(SetAside) as refused:
        call_of(SERVED | change, MAPPING)

    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("change", "notes"),
    [
        ({"who": "nobody"}, (domain.NAMELESS,)),
        ({"talk_from": "10:00:20", "talk_to": "10:02:20"}, (domain.EARLY,)),
        ({"talk_from": "10:00:50", "talk_to": "10:02:50"}, (domain.LATE,)),
        ({"talk_from": "10:00:36", "talk_to": "10:02:36"}, ()),
        ({"talk_to": "10:00:37", "talk_s": "0"}, (domain.AT_ONCE,)),
        ({"queued": "10:00:10", "wait_s": "28"}, (domain.GAP,)),
    ],
)
def test_it_notes_what_is_odd_and_keeps_wait_and_service_as_logged(
    change: Row, notes: tuple[str, ...]
) -> None:
    row = SERVED | change

    call = read(row)

    assert call.notes == notes
    assert (call.waited_s, call.served_s) == (int(row["wait_s"]), int(row["talk_s"]))
    assert call.agent_id == ("" if domain.NAMELESS in notes else "ana")


def test_it_follows_a_call_past_midnight() -> None:
    call = read(
        SERVED
        | {"came": "23:59:50", "menu_left": "23:59:58", "queued": "23:59:58", "queue_left": "00:00:28"}
        | {"talk_from": "00:00:27", "talk_to": "00:02:27"}
    )

    assert (call.queued_at, call.left_at, call.ended_at) == (utc(21, 59, 58), utc(22, 0, 28), utc(22, 2, 28))
    assert call.notes == (domain.MIDNIGHT,)


def test_it_follows_a_service_that_begins_just_before_a_midnight_wait_ends() -> None:
    call = read(
        SERVED
        | {"came": "23:59:00", "menu_left": "23:59:08", "queued": "23:59:08", "queue_left": "00:00:00"}
        | {"wait_s": "52", "talk_from": "23:59:59", "talk_to": "00:01:59"}
    )

    assert (call.waited_s, call.served_s, call.left_at) == (52, 120, utc(22, 0, 0))


def test_it_counts_seconds_on_while_clocks_are_changed() -> None:
    call = read(  # on 29 March 2026 clocks went from 2:00 to 3:00 in Paris
        SERVED
        | {"day": "29.03.2026", "came": "01:59:50", "menu_left": "01:59:58", "queued": "01:59:58"}
        | {"queue_left": "02:00:28", "talk_from": "02:00:28", "talk_to": "02:02:28"}
    )

    assert call.left_at == datetime(2026, 3, 29, 1, 0, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "identities"), [({"card": "0"}, ()), ({"card": "1"}, (Identity(kind="card", value="1"),))]
)
def test_it_knows_who_called_only_where_the_log_does(change: Row, identities: tuple[Identity, ...]) -> None:
    assert read(SERVED | change).identities == identities


def test_it_gives_every_call_an_id_that_can_be_one() -> None:
    odd = SERVED | {"no": "7/ü"}

    assert read(odd).id == read(odd).id != read(SERVED | {"no": "7/u"}).id
    assert "/" not in read(odd).id
    assert read(SERVED | {"line": "X"}).queue_id == "rest"
