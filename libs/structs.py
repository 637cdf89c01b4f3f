"""Between Python values and the well-known messages of gRPC contracts."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

EXACT = 2**53  # whole numbers beyond are not exact in a Struct and go as text


def struct_of(plain: Mapping[str, Any]) -> Struct:
    """Return JSON values as a Struct."""
    return json_format.ParseDict({str(name): _safe(value) for name, value in plain.items()}, Struct())


def value_of(plain: object) -> Value:
    """Return a JSON value as a Value."""
    return json_format.ParseDict(_safe(plain), Value())


def plain_of(message: Struct | Value) -> Any:  # JSON is of any type
    """Return what a Struct or Value holds. :raises ValueError: a number that JSON does not have."""
    try:
        plain = json_format.MessageToDict(message)
    except json_format.SerializeToJsonError as error:
        raise ValueError("holds a number that JSON does not have") from error
    return _whole(plain)


def stamp(time: datetime | None) -> Timestamp | None:
    """Return the time as a message, None where there is none."""
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time.astimezone(UTC))
    return message


def time_of(message: Timestamp) -> datetime:
    """Return the time of a message. :raises ValueError: it is out of range."""
    return message.ToDatetime(tzinfo=UTC)


def _safe(plain: object) -> Any:
    match plain:
        case bool() | None | str():
            return plain
        case int():
            return plain if -EXACT <= plain <= EXACT else str(plain)
        case float():
            return plain if math.isfinite(plain) else None
        case Mapping():
            return {str(name): _safe(value) for name, value in plain.items()}
        case list() | tuple():
            return [_safe(value) for value in plain]
    return str(plain)


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
