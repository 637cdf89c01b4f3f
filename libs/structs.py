"""Between Python values and the well-known messages of gRPC contracts."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from libs.errors import Invalid, Violation

EXACT = 2**53  # whole numbers beyond are not exact in a Struct and go as text
DEEPEST = 24  # levels of nesting: protobuf reads 100, of which each of ours takes up to three


class Unfit(Invalid):
    """JSON that cannot travel in a message; what it is stays unsaid, since it may be personal."""


def struct_of(plain: Mapping[str, Any]) -> Struct:
    """Return JSON values as a Struct. :raises Unfit: they are nested too deeply, or hold half a character."""
    return json_format.ParseDict(_safe(plain), Struct())


def value_of(plain: object) -> Value:
    """Return a JSON value as a Value. :raises Unfit: as `struct_of` does."""
    return json_format.ParseDict(_safe(plain), Value())


def plain_of(message: Struct | Value) -> Any:  # JSON is of any type
    """Return what a Struct or Value holds. :raises ValueError: a number that JSON does not have."""
    try:
        plain = json_format.MessageToDict(message)
    except json_format.SerializeToJsonError as error:
        raise ValueError("holds a number that JSON does not have") from error
    return _whole(plain)


def stamp(time: datetime | None) -> Timestamp | None:
    """Return the time as a message, None where there is none. :raises Unfit: it is out of range."""
    if time is None:
        return None
    message = Timestamp()
    try:
        message.FromDatetime(time.astimezone(UTC))
    except OverflowError:  # the calendar's first and last day, seen from the other side of the earth
        raise Unfit(Violation("time", "is out of range")) from None
    return message


def time_of(message: Timestamp) -> datetime:
    """Return the time of a message. :raises ValueError: it is out of range."""
    return message.ToDatetime(tzinfo=UTC)


def _safe(plain: object, depth: int = 0) -> Any:
    if depth > DEEPEST:
        raise Unfit(Violation("body", f"is nested more than {DEEPEST} levels deep", "too_deep"))
    match plain:
        case bool() | None:
            return plain
        case str():
            return _whole_text(plain)
        case int():
            return plain if -EXACT <= plain <= EXACT else str(plain)
        case float():
            return plain if math.isfinite(plain) else None
        case Mapping():
            return {_whole_text(str(name)): _safe(value, depth + 1) for name, value in plain.items()}
        case list() | tuple():
            return [_safe(value, depth + 1) for value in plain]
    return str(plain)


def _whole_text(text: str) -> str:
    """Return the text. :raises Unfit: it holds a surrogate, which no encoding can carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unfit(Violation("body", "holds half of a character", "bad_text")) from None
    return text


def _whole(plain: Any) -> Any:
    """Return JSON in which 3.0, all that a Struct can say of 3, is 3 again."""
    match plain:
        case float() if plain.is_integer() and abs(plain) <= EXACT:
            return int(plain)
        case dict():
            return {name: _whole(value) for name, value in plain.items()}
        case list():
            return [_whole(value) for value in plain]
    return plain
