"""Reading customers from CSV."""

import time
from collections.abc import Mapping

import pytest

from libs.errors import Invalid
from libs.events.base import Identity
from services.crm_context.domain.customer import Customer
from services.crm_context.importing import LARGEST_FILE, Row, read
from services.crm_context.records import apart, change_of, says_nothing

HEADER = "name,identity.phone,identity.email,vip_level,tags,profile.city,language\n"
PHONE = Identity(kind="phone", value="+8613800138000")
NO_COLUMNS: Mapping[str, str] = {}


def test_it_reads_what_a_row_says() -> None:
    (row,), errors = read(f"{HEADER}张伟,138 0013 8000,,3,gold；fund,西安,zh-CN\n".encode(), NO_COLUMNS)

    assert errors == []
    assert row == Row(2, (PHONE,), "张伟", 3, "zh-CN", ("gold", "fund"), {"city": "西安"})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
def test_it_reads_what_chinese_spreadsheets_write(encoding: str) -> None:
    (row,), _ = read(
        "姓名,手机\n张伟,13800138000\n".encode(encoding), {"姓名": "name", "手机": "identity.phone"}
    )

    assert (row.name, row.identities) == ("张伟", (PHONE,))


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        ("x,12,,,,,", "identity.phone", "bad_phone"),
        ("x,,nobody,,,,", "identity.email", "bad_email"),
        ("x,13800138000,,11,,,", "vip_level", "bad_number"),
        ("x,13800138000,,00000000011,,,", "vip_level", "bad_number"),
        ("x,13800138000,,³,,,", "vip_level", "bad_number"),
        ("x,13800138000,,-1,,,", "vip_level", "bad_number"),
        ("x,13800138000,,,,,中文", "language", "bad_language"),
        ("=cmd()|x,13800138000,,,,,", "name", "formula"),
        ("@x,13800138000,,,,,", "name", "formula"),
        ("x,13800138000,,,,+A1,", "profile.city", "formula"),
        ("x,13800138000,,,=x,,", "tags", "formula"),
        (f"{'x' * 257},13800138000,,,,,", "name", "too_long"),
        ("x\x01y,13800138000,,,,,", "name", "bad_character"),
        ("x,,,,,,", "", "no_identity"),
        ("x,13800138000,,,,,,,,", "", "too_many_columns"),
    ],
)
def test_it_says_what_is_wrong_with_a_row_and_takes_the_others(line: str, column: str, reason: str) -> None:
    rows, (error,) = read(f"{HEADER}{line}\ny,13900139000,,,,,\n".encode(), NO_COLUMNS)

    assert (error.row, error.column, error.reason) == (2, column, reason)
    assert [row.number for row in rows] == [3]


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (b"", {}),
        (b"\n", {}),
        (b"name\nx\n", {}),
        (b"name,identity.fax\nx,1\n", {}),
        (b"name,$where,identity.phone\nx,1,1\n", {}),
        (b"name,name,identity.phone\nx,y,1\n", {}),
        (b"a,b\nx,1\n", {"c": "identity.phone"}),
        (b"a,b\nx,1\n", {"b": "identity.phone", "a": "password"}),
        (b'name,identity.phone\n"x,13800138000\n', {}),
        (b"\xff\xff\xff", {}),
        (b"x" * (LARGEST_FILE + 1), {}),
    ],
)
def test_it_refuses_a_file_it_cannot_read(content: bytes, columns: Mapping[str, str]) -> None:
    with pytest.raises(Invalid):
        read(content, columns)


def test_it_skips_empty_lines_and_fills_short_ones() -> None:
    rows, errors = read(f"{HEADER}\n,,,,,,\nx,13800138000\n".encode(), NO_COLUMNS)

    assert ([row.number for row in rows], errors) == ([4], [])


def test_it_keeps_rows_of_one_person_apart() -> None:
    mail = Identity(kind="email", value="a@b.c")
    rows = [Row(2, (PHONE,)), Row(3, (mail,)), Row(4, (mail, PHONE)), Row(5, (PHONE,))]

    parts = [[row.number for row in part] for part in apart(rows)]

    assert parts == [[2, 3], [4], [5]]


def test_it_knows_when_a_row_says_nothing_new() -> None:
    there = Customer("c-1", 1, "张伟", (PHONE,), '{"city": "西安"}', ("gold", "fund"))

    same = change_of(Row(2, (PHONE,), "张伟", tags=("fund",), profile={"city": "西安"}), there, "new")
    other = change_of(Row(2, (PHONE,), "张伟", vip_level=1), there, "new")

    assert says_nothing(same, there)
    assert not says_nothing(other, there)


def test_it_refuses_a_file_of_more_columns_than_a_table_has() -> None:
    started = time.process_time()
    header = ",".join(["identity.phone", *(f"c{number}" for number in range(100_000))])

    with pytest.raises(Invalid, match="columns at most"):
        read(f"{header}\n1\n".encode(), NO_COLUMNS)

    assert time.process_time() - started < 2  # looking for a name twice took a minute
