"""Messages of the services as JSON: their values, their schemas, and examples of both."""

import base64
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from libs.structs import plain_of, time_of
from libs.wire import format_time

TIMESTAMP = "google.protobuf.Timestamp"
FREE = frozenset({"google.protobuf.Struct", "google.protobuf.Value"})
_TYPES = {
    FieldDescriptor.CPPTYPE_STRING: "string",
    FieldDescriptor.CPPTYPE_BOOL: "boolean",
    FieldDescriptor.CPPTYPE_FLOAT: "number",
    FieldDescriptor.CPPTYPE_DOUBLE: "number",
}
# What stands in examples, by the end of a field's name.
_EXAMPLES: tuple[tuple[str, str], ...] = (
    ("customer_id", "cu-1001"), ("session_id", "se-1001"), ("interaction_id", "in-1001"),
    ("ticket_id", "T-7K2M"), ("recording_id", "re-1001"), ("journey_id", "jo-1001"), ("flow_id", "demo-bank"),
    ("queue_id", "service"), ("agent_id", "agent1"), ("pool_id", "main"), ("decision_id", "de-1001"),
    ("channel", "chat"), ("language", "zh-CN"), ("entry_point", "web-chat"), ("media_type", "audio/wav"),
    ("sha256", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    ("status", "open"), ("priority", "normal"), ("presence", "ready"), ("dimension", "queue"),
    ("section", "skills"), ("item_id", "service"), ("change", "changed"), ("field", "name"),
    ("kind", "phone"), ("value", "+8613800000001"), ("en", "Customer service"), ("zh", "客户服务"),
)  # fmt: skip


def plain(message: Message) -> dict[str, Any]:
    """
    Return a message as JSON values.

    Fields are called as in the contract; whole numbers stay numbers (clients get them exactly up to 2**53);
    a message or optional field that is not set is left out.
    """
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        name = field.name
        if _is_map(field):
            found[name] = dict(getattr(message, name))
        elif field.is_repeated:
            found[name] = [_value(each) for each in getattr(message, name)]
        elif not field.has_presence or message.HasField(name):
            found[name] = _value(getattr(message, name))
    return found


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if not isinstance(value, Message):
        return value
    if isinstance(value, Timestamp):
        return format_time(time_of(value))
    if value.DESCRIPTOR.full_name in FREE:
        return plain_of(value)  # type: ignore[arg-type]  # the name says that it is one of these
    return plain(value)


def _is_map(field: Any) -> bool:
    kind = field.message_type
    return kind is not None and kind.GetOptions().map_entry


def name_of(descriptor: Descriptor) -> str:
    """Return the name of a message's schema, e.g. "routing.Queue"."""
    service = descriptor.full_name.split(".")[1]
    return f"{service}.{descriptor.name}"


def reference(descriptor: Descriptor) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name_of(descriptor)}"}


def add_schema(descriptor: Descriptor, schemas: dict[str, Any]) -> dict[str, Any]:
    """Add the schema of a message and of those within it, and return a reference to it."""
    name = name_of(descriptor)
    if name not in schemas:
        entry: dict[str, Any] = {"type": "object", "title": descriptor.name, "properties": {}}
        schemas[name] = entry
        for field in descriptor.fields:
            entry["properties"][field.name] = _field_schema(field, schemas)
        required = [field.name for field in descriptor.fields if field.is_repeated or not field.has_presence]
        if required:
            entry["required"] = required
        entry["examples"] = [example(descriptor)]
    return reference(descriptor)


def _field_schema(field: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    if _is_map(field):
        value = field.message_type.fields_by_name["value"]
        return {"type": "object", "additionalProperties": _one_schema(value, schemas)}
    one = _one_schema(field, schemas)
    return {"type": "array", "items": one} if field.is_repeated else one


def _one_schema(field: FieldDescriptor, schemas: dict[str, Any]) -> dict[str, Any]:
    kind = field.message_type
    if kind is None:
        return {"type": _TYPES.get(field.cpp_type, "integer")}
    if kind.full_name == TIMESTAMP:
        return {"type": "string", "format": "date-time"}
    if kind.full_name in FREE:
        return {"type": "object"} if kind.name == "Struct" else {}
    return add_schema(kind, schemas)


def example(descriptor: Descriptor, depth: int = 0) -> dict[str, Any]:
    """Return an example of a message, the same every time."""
    return {field.name: _field_example(field, depth) for field in descriptor.fields if _shown(field, depth)}


def _shown(field: FieldDescriptor, depth: int) -> bool:
    return depth < 2 or field.message_type is None or field.message_type.full_name == TIMESTAMP


def _field_example(field: FieldDescriptor, depth: int) -> Any:
    if _is_map(field):
        return {"asa_ms": 8400.0} if field.name == "figures" else {}
    one = _one_example(field, depth)
    return [one] if field.is_repeated else one


def _one_example(field: Any, depth: int) -> Any:
    kind = field.message_type
    if kind is not None:
        if kind.full_name == TIMESTAMP:
            return "2026-03-02T09:30:00.000Z"
        return {} if kind.full_name in FREE else example(kind, depth + 1)
    match _TYPES.get(field.cpp_type, "integer"):
        case "boolean":
            return False
        case "number":
            return 0.5
        case "integer":
            return 1500 if field.name.endswith("_ms") else 1
    if field.containing_type.name == "Words":
        return dict(_EXAMPLES)[field.name]
    name = field.name.removesuffix("s") if field.is_repeated else field.name
    return next((text for end, text in _EXAMPLES if name.endswith(end) and len(end) > 2), field.name)
