"""Records of topics as rows of Parquet files, and back to the same bytes."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from libs import objects
from libs.wire import Record

ROOT = "archive"
UNKNOWN = "_unknown"  # the tenant of records that name none: dead letters of foreign make
SUFFIX = ".parquet"
FIRST_DAY = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MS = 253_370_764_800_000  # the year 9999
ATTRIBUTES = ("id", "type", "source", "subject", "correlationid", "causationid", "traceparent")

SCHEMA = pa.schema(
    [
        ("ordinal", pa.int64()),  # the order in which the archive read them: per partition, the topic's own
        ("record_id", pa.binary(16)),  # the same for the same bytes under the same key of the same topic
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", pa.timestamp("ms", "UTC")),
        ("key", pa.string()),
        ("tenant", pa.string()),
        ("time", pa.timestamp("ms", "UTC")),
        ("sequence", pa.int64()),
        *((name, pa.string()) for name in ATTRIBUTES),
        ("data", pa.string()),
        ("raw_key", pa.binary()),  # where the key is no UTF-8
        ("raw_data", pa.binary()),  # where the value is no UTF-8
        ("headers", pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())]))),
    ]
)


class Place(NamedTuple):
    """The folder of a row: one tenant's day of one topic."""

    tenant: str
    topic: str
    day: str

    @property
    def folder(self) -> str:
        tenant, topic = objects.part(self.tenant), objects.part(self.topic)
        return f"{ROOT}/tenant={tenant}/topic={topic}/day={self.day}"


class Row(NamedTuple):
    """A record with its id, as it is about to be archived."""

    record_id: bytes
    record: Record


class Archived(NamedTuple):
    """A record as it comes out of the archive."""

    ordinal: int
    record_id: bytes
    record: Record


def row_of(record: Record) -> Row:
    """
    Return the row of a record.

    The id is made from all that readers see except place and time, so what is told again, delivered again or
    refilled has it again; a repaired event of the same event id, which differs, has not.
    """
    digest = hashlib.blake2b(digest_size=16)
    for piece in (record.topic.encode(), record.key, record.value):
        _feed(digest, piece)
    for name, value in record.headers:
        _feed(digest, name.encode())
        _feed(digest, value)
    return Row(digest.digest(), record)


def _feed(digest: Any, piece: bytes | None) -> None:
    digest.update(b"-" if piece is None else b"%d:" % len(piece))
    digest.update(piece or b"")


def place_of(record: Record) -> Place:
    """Return where the record is archived."""
    tenant = dict(record.headers).get("ce_tenant") or b""
    return Place(_text(tenant) or UNKNOWN, record.topic, f"{happened_at(record):%Y-%m-%d}")


def happened_at(record: Record) -> datetime:
    """Return the event's own time, for a record without one when it was written."""
    return _moment(_text(dict(record.headers).get("ce_time"))) or _time(record.timestamp_ms)


def file_name(first: int, last: int, record_ids: Sequence[bytes]) -> str:
    """Return the name of a file: its place in the order of the archive, and what is in it."""
    digest = hashlib.blake2b(b"".join(record_ids), digest_size=6).hexdigest()
    return f"part-{first:020d}-{last:020d}-{digest}{SUFFIX}"


def span_of(key: str) -> tuple[int, int] | None:
    """Return the first and last ordinal in a file, None where it is no file of ours."""
    name = key.rpartition("/")[2]
    words = name.removesuffix(SUFFIX).split("-")
    if not name.endswith(SUFFIX) or len(words) != 4 or not (words[1] + words[2]).isdigit():
        return None
    return int(words[1]), int(words[2])


def table_of(rows: Sequence[tuple[int, Row]]) -> pa.Table:
    """Return numbered rows as a table."""
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    for ordinal, (record_id, record) in rows:
        headers = {name: value or b"" for name, value in record.headers}
        key, raw_key = _readable(record.key)
        data, raw_data = _readable(record.value)
        values = {
            "ordinal": ordinal,
            "record_id": record_id,
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record.timestamp_ms,
            "key": key,
            "tenant": _text(headers.get("ce_tenant")),
            "time": _moment(_text(headers.get("ce_time"))),
            "sequence": _number(_text(headers.get("ce_sequence"))),
            "data": data,
            "raw_key": raw_key,
            "raw_data": raw_data,
            "headers": [{"name": name, "value": value} for name, value in record.headers],
        }
        for name in ATTRIBUTES:
            values[name] = _text(headers.get(f"ce_{name}"))
        for name, value in values.items():
            columns[name].append(value)
    return pa.table(columns, schema=SCHEMA)


def parquet_of(table: pa.Table) -> bytes:
    """Return the content of a file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", write_statistics=["ordinal", "timestamp", "type", "id"])
    return sink.getvalue()


def table_in(content: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the rows of a file."""
    return pq.read_table(io.BytesIO(content), columns=list(columns) if columns else None, partitioning=None)


def archived_in(content: bytes, at_once: int = 2000) -> Iterator[Archived]:
    """Yield the records of a file in order, reading as little ahead as possible."""
    file = pq.ParquetFile(io.BytesIO(content))
    for batch in file.iter_batches(at_once):
        plain = {name: batch.column(name).to_pylist() for name in SIMPLE}
        stamps = batch.column("timestamp").cast(pa.int64()).to_pylist()
        headers = batch.column("headers")
        ends = headers.offsets.to_pylist()
        pairs = headers.values  # not flattened, so that the offsets speak of it
        names, values = pairs.field("name").to_pylist(), pairs.field("value").to_pylist()
        for row, ordinal in enumerate(plain["ordinal"]):
            some = slice(ends[row], ends[row + 1])
            record = Record(
                plain["topic"][row],
                _bytes(plain["key"][row], plain["raw_key"][row]),
                _bytes(plain["data"][row], plain["raw_data"][row]),
                tuple(zip(names[some], values[some], strict=True)),
                plain["partition"][row],
                plain["offset"][row],
                stamps[row],
            )
            yield Archived(ordinal, plain["record_id"][row], record)


SIMPLE = ("ordinal", "record_id", "topic", "partition", "offset", "key", "raw_key", "data", "raw_data")


def _readable(value: bytes | None) -> tuple[str | None, bytes | None]:
    if value is None:
        return None, None
    try:
        return value.decode(), None
    except UnicodeDecodeError:
        return None, value


def _bytes(text: str | None, raw: bytes | None) -> bytes | None:
    return raw if text is None else text.encode()


def _text(value: bytes | None) -> str | None:
    return value.decode("utf-8", "replace") if value is not None else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 19 else None


def _moment(text: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(text or "")
        return time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _time(stamp_ms: int) -> datetime:
    return FIRST_DAY + timedelta(milliseconds=min(max(stamp_ms, 0), LAST_MS))
