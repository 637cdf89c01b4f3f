"""That a record comes out of the archive as it went in."""

from typing import Any

import pytest

from libs import wire
from libs.clock import now
from libs.events import visitor
from libs.events.base import Event
from libs.wire import Record
from services.analytics.archive import files_of
from services.analytics.archive_rows import archived_in, place_of, row_of, span_of, table_in

ODD = (("ce_id", b"1"), ("ce_id", b"2"), ("ce_tenant", b"\xff"), ("", b""), ("ce_time", b"noon"))
RECORDS = [
    wire.encode(Event("e-1", "acme", now(), visitor.PageViewed(visitor_id="v", url="/á"), "j"))._replace(
        partition=2, offset=17
    ),
    Record("t", b"key", b'{"a": 1}', (), 0, 0, 1_700_000_000_123),
    Record("t", None, None, ODD, 1, 5, 0),
    Record("t", b"\xff\x00", b"\x00\xfe", (("ce_sequence", b"-"),), 0, 1, -1),
    Record(
        "t", b"", b"", (("ce_tenant", b"a/../b"), ("ce_time", b"0001-01-01T00:00:00+23:00")), 0, 2, 10**17
    ),
]


@pytest.mark.parametrize("record", RECORDS)
def test_it_gives_back_the_same_bytes(record: Record) -> None:
    ((_, content),) = files_of([row_of(record)], 7).items()

    (archived,) = archived_in(content)

    assert archived.record == record
    assert (archived.ordinal, archived.record_id) == (7, row_of(record).record_id)


def test_it_reads_long_files_in_pieces() -> None:
    records = [
        Record("t", b"k%d" % n, b"v" * (n % 7), tuple((f"h{m}", b"%d" % m) for m in range(n % 4)), 0, n, n)
        for n in range(1000)
    ]
    ((_, content),) = files_of([row_of(record) for record in records], 0).items()

    assert [archived.record for archived in archived_in(content, at_once=64)] == records


def test_it_files_records_by_tenant_topic_and_day() -> None:
    files = files_of([row_of(record) for record in RECORDS], 100)

    places = {key.rpartition("/")[0]: span_of(key) for key in files}
    assert places["archive/tenant=_unknown/topic=t/day=2023-11-14"] == (101, 101)
    assert places["archive/tenant=%EF%BF%BD/topic=t/day=1970-01-01"] == (102, 102)
    assert places["archive/tenant=_unknown/topic=t/day=1970-01-01"] == (103, 103)
    assert places["archive/tenant=a%2F..%2Fb/topic=t/day=9999-01-01"] == (104, 104)
    assert place_of(RECORDS[0]).tenant == "acme"


def test_it_shows_the_envelope_in_columns() -> None:
    ((_, content),) = files_of([row_of(RECORDS[0])], 0).items()

    (row,) = table_in(content).to_pylist()

    shown = {name: row[name] for name in ("topic", "partition", "offset", "key", "tenant", "id", "sequence")}
    assert shown == {
        "topic": "trunkline.visitor",
        "partition": 2,
        "offset": 17,
        "key": "v",
        "tenant": "acme",
        "id": "e-1",
        "sequence": 0,
    }
    assert (row["type"], row["data"]) == ("trunkline.visitor.page_viewed.v1", '{"visitor_id":"v","url":"/á"}')


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"partition": 9, "offset": 9, "timestamp_ms": 9}, True),
        ({"topic": "u"}, False),
        ({"key": None}, False),
        ({"value": b'{"a": 2}'}, False),
        ({"value": None}, False),
        ({"headers": (("ce_time", b"now"),)}, False),
    ],
)
def test_it_knows_a_record_again_by_what_readers_see(change: dict[str, Any], same: bool) -> None:
    record = RECORDS[1]

    assert (row_of(record._replace(**change)).record_id == row_of(record).record_id) is same


@pytest.mark.parametrize("key", ["a/b.parquet", "part-1-2.parquet", "part-x-y-z.parquet", "part-1-2-z.json"])
def test_it_leaves_files_of_others_alone(key: str) -> None:
    assert span_of(key) is None
