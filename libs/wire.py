"""Events as CloudEvents 1.0: the Kafka binding in binary mode, and the structured JSON form."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from libs.events.base import AnyEvent, Event, Fact
from libs.events.catalogue import BY_TYPE

SCHEMA_PREFIX = "urn:trunkline:schema:"
NOTHING: Mapping[str, type[Fact]] = {}
MAX_EVENT_BYTES = 256 * 1024
LONGEST_ID = 128
Headers = tuple[tuple[str, bytes], ...]


class Record(NamedTuple):
    """
    A record of a topic as it is on the wire.

    Before it is written, `partition` and `offset` are -1, and `timestamp_ms` 0 means the time of writing.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int = -1
    offset: int = -1
    timestamp_ms: int = 0

    @property
    def timestamp(self) -> int:
        """Return the time by the name that Kafka's clients give it."""
        return self.timestamp_ms


class Unreadable(Exception):
    """A record that is no event of ours; `reason` is a short code, `detail` never shows its content."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


_VALIDATE: dict[bytes, Callable[[bytes], Fact]] = {
    name.encode(): fact.__pydantic_validator__.validate_json for name, fact in BY_TYPE.items()
}
_TOPIC = {name: fact.topic() for name, fact in BY_TYPE.items()}
_tuple = tuple.__new__  # makes an Event or a Record without the call that would name its parts
_FIXED: dict[str, tuple[tuple[str, bytes], ...]] = {
    name: (
        ("ce_specversion", b"1.0"),
        ("content-type", b"application/json"),
        ("ce_type", name.encode()),
        ("ce_dataschema", f"{SCHEMA_PREFIX}{name}".encode()),
    )
    for name in BY_TYPE
}


def format_time(time: datetime) -> str:
    """Return RFC 3339 with milliseconds, in UTC."""
    return _time_bytes(time).decode()


def _time_bytes(time: datetime) -> bytes:
    if time.tzinfo is not UTC:
        time = time.astimezone(UTC)
    text = orjson.dumps(
        time, None, orjson.OPT_UTC_Z
    )  # in quotes, six digits or none; quicker than isoformat()
    return text[1:24] + b"Z" if len(text) > 24 else text[1:20] + b".000Z"


def parse_time(text: str) -> datetime:
    """
    Return the time, cut to milliseconds: what the store keeps, so that nothing changes by being stored.

    :raises ValueError: no RFC 3339 time, or one without offset.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("time has no offset")
    spare = time.microsecond % 1000
    return time.replace(microsecond=time.microsecond - spare) if spare else time


def encode(event: AnyEvent) -> Record:
    """
    Return the record of an event, in binary content mode.

    Its time on the broker is when it is written: retention and order go by that, also for old events.
    """
    data = event.data
    key = data.key.encode()
    headers = (
        *_FIXED[data.type],
        ("ce_id", event.id.encode()),
        ("ce_source", _bytes(event.source or "/trunkline")),
        ("ce_subject", key),
        ("ce_time", _time_bytes(event.time)),
        ("ce_tenant", _bytes(event.tenant)),
        ("ce_correlationid", event.journey_id.encode()),
        ("ce_causationid", event.caused_by.encode()),
        ("ce_sequence", b"%d" % event.sequence),
        ("ce_traceparent", event.traceparent.encode()),
    )
    return _tuple(Record, (_TOPIC[data.type], key, to_json(data), headers, -1, -1, 0))


def to_json(data: Fact) -> bytes:
    """Return the data as JSON, without what stands at its default."""
    return data.__pydantic_serializer__.to_json(data, exclude_defaults=True)


def type_of(headers: Headers) -> bytes:
    """Return the CloudEvents type of a record, empty where it has none."""
    for name, value in headers:
        if name == "ce_type":
            return value
    return b""


def decode(headers: Headers, value: bytes | None) -> AnyEvent:
    """
    Return the event of a record.

    Every record of every topic passes here: the order of things is the order of their cost.

    :raises Unreadable: with one of the reasons no_type, unknown_type, too_large, bad_data, bad_envelope.
    """
    attributes = dict(headers)
    type_name = attributes.get("ce_type")
    if type_name is None:
        raise Unreadable("no_type")
    validate = _VALIDATE.get(type_name)
    if validate is None:
        raise Unreadable("unknown_type", type_name.decode("utf-8", "replace")[:128])
    if value is None:
        raise Unreadable("bad_data", "empty")
    if len(value) > MAX_EVENT_BYTES:
        raise Unreadable("too_large", f"{len(value)} bytes")
    try:
        data = validate(value)
    except ValidationError as error:
        raise Unreadable("bad_data", _places(error)) from None
    optional = attributes.get
    try:
        event_id = attributes["ce_id"].decode()
        if not 0 < len(event_id) <= LONGEST_ID:
            raise Unreadable("bad_envelope", "id")
        return _tuple(
            Event,
            (
                event_id,
                _tenant(attributes["ce_tenant"]),
                parse_time(attributes["ce_time"].decode()),
                data,
                attributes["ce_correlationid"].decode(),
                optional("ce_causationid", b"").decode(),
                _text(optional("ce_source", b"")),
                _number(optional("ce_sequence", b"0")),
                optional("ce_traceparent", b"").decode(),
            ),
        )
    except KeyError as error:
        raise Unreadable("bad_envelope", f"{error.args[0]} is missing") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise Unreadable("bad_envelope", type(error).__name__) from None


@lru_cache(maxsize=4096)
def _tenant(name: bytes) -> str:
    """Return the tenant's name, one object for all its events."""
    tenant = name.decode()
    if not 0 < len(tenant) <= LONGEST_ID or "/" in tenant:
        raise Unreadable("bad_envelope", "tenant")
    return tenant


@lru_cache(maxsize=4096)
def _text(value: bytes) -> str:
    """Return text that is the same in many records."""
    return value.decode()


@lru_cache(maxsize=4096)
def _bytes(text: str) -> bytes:
    """Return the bytes of text that is the same in many records."""
    return text.encode()


_number = lru_cache(maxsize=4096)(int)


def _places(error: ValidationError) -> str:
    """Say where the data is wrong, never what stands there: it may be personal."""
    return "; ".join(
        f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in error.errors(include_input=False)[:5]
    )


def attributes_of(event: AnyEvent) -> dict[str, str]:
    """Return the CloudEvents attributes of an event by their names in JSON."""
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source or "/trunkline",
        "type": event.type,
        "subject": event.key,
        "time": format_time(event.time),
        "datacontenttype": "application/json",
        "dataschema": f"{SCHEMA_PREFIX}{event.type}",
        "tenant": event.tenant,
        "correlationid": event.journey_id,
        "causationid": event.caused_by,
        "sequence": str(event.sequence),
        "traceparent": event.traceparent,
    }


def to_structured(event: AnyEvent) -> dict[str, Any]:
    """Return the event in CloudEvents' structured JSON form."""
    return {**attributes_of(event), "data": event.data.model_dump(mode="json", exclude_defaults=True)}


def to_text(event: AnyEvent) -> str:
    """Return the structured JSON form as text; large whole numbers stay what they are."""
    attributes = orjson.dumps(attributes_of(event))[:-1].decode()
    return f'{attributes},"data":{to_json(event.data).decode()}}}'


def from_structured(document: dict[str, Any], private: Mapping[str, type[Fact]] = NOTHING) -> AnyEvent:
    """
    Return the event of a structured document; `private` adds types that never leave their service.

    :raises Unreadable: as `decode` does.
    """
    name = str(document.get("type", ""))
    known = BY_TYPE.get(name) or private.get(name)
    if known is None:
        raise Unreadable("unknown_type" if name else "no_type", name[:128])
    try:
        data = known.model_validate(document.get("data"))
        return Event(
            str(document["id"]),
            str(document["tenant"]),
            parse_time(str(document["time"])),
            data,
            str(document.get("correlationid") or ""),
            str(document.get("causationid") or ""),
            str(document.get("source") or ""),
            int(document.get("sequence") or 0),
            str(document.get("traceparent") or ""),
        )
    except ValidationError as error:
        raise Unreadable("bad_data", _places(error)) from None
    except KeyError as error:
        raise Unreadable("bad_envelope", f"{error.args[0]} is missing") from None
    except (TypeError, ValueError) as error:
        raise Unreadable("bad_envelope", type(error).__name__) from None
