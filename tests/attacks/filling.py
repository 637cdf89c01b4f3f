"""How to ask a route or an RPC a sensible question about given ids; what cannot be filled is named."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from libs import clock
from tests.attacks.surface import Route, Rpc

Ids = Mapping[str, str]
FREE = frozenset({"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.Timestamp"})
# Names of ids that say whose they are by the field that they stand in.
SAME = {
    "source_customer_id": "customer_id",
    "target_customer_id": "customer_id",
    "preferred_agent_id": "agent_id",
    "to_queue_id": "queue_id",
    "overflow_queue_id": "queue_id",
    "to_agent_id": "agent_id",
    "merged_id": "customer_id",
    "group_id": "team_id",
    "contact_id": "interaction_id",
    "subject": "agent_id",
}
# Of the asker's own choosing.
MADE_UP = frozenset(
    {"request_id", "message_id", "participant_id", "access_id"}
)  # of the asker's own choosing


TEXTS = frozenset({"subject", "channel"})  # of bodies: a ticket's subject is no id


class Unfillable(Exception):
    """Nobody has said what to put there: add it to World.ids, or to the tables of this module."""


@dataclass(frozen=True)
class Request:
    """One request, ready to be sent."""

    method: str
    url: str
    content: bytes | None = None
    media_type: str = ""

    @property
    def sent(self) -> dict[str, Any]:
        headers = {"content-type": self.media_type} if self.media_type else {}
        return {"method": self.method, "url": self.url, "content": self.content, "headers": headers}


def request_of(route: Route, ids: Ids, *, ask_all: bool = False) -> Request:
    """Return a request of a route about these ids; `ask_all` fills every filter by an id as well."""
    path = path_of(route, ids)
    query = query_of(route, ids, ask_all=ask_all)
    url = f"{path}?{urlencode(query, doseq=True)}" if query else path
    media_type, sample = route.sample
    if not media_type:
        return Request(route.method, url)
    filled = body_of(sample, ids)
    content = filled if isinstance(filled, str) else json.dumps(filled)
    return Request(route.method, url, content.encode(), media_type)


def path_of(route: Route, ids: Ids) -> str:
    path = route.path
    for parameter in route.parameters:
        if parameter["in"] == "path":
            name = parameter["name"]
            path = path.replace(f"{{{name}}}", quote(_id(name, ids, str(route)), safe=""))
    return path


def query_of(route: Route, ids: Ids, *, ask_all: bool = False) -> dict[str, str]:
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    plain = {
        "from": (hour - timedelta(hours=1)).isoformat(),
        "to": (hour + timedelta(hours=2)).isoformat(),
        "started_at": hour.isoformat(),
        "ended_at": (hour + timedelta(minutes=1)).isoformat(),
        "kind": "phone",
        "value": ids.get("phone", "+8613900000000"),
    }
    found: dict[str, str] = {}
    for parameter in route.parameters:
        name = parameter["name"]
        if parameter["in"] != "query":
            continue
        if parameter.get("required"):
            found[name] = plain[name] if name in plain else _id(name, ids, str(route))
        elif ask_all and (name.endswith("_id") or name in SAME):
            found[name] = _id(name, ids, str(route))
    return found


def body_of(sample: Any, ids: Ids) -> Any:
    """Return a sample body with the ids in it replaced."""
    if isinstance(sample, list):
        return [body_of(each, ids) for each in sample]
    if not isinstance(sample, dict):
        return sample
    found: dict[str, Any] = {}
    for name, value in sample.items():
        known = None if name in TEXTS else ids.get(SAME.get(str(name), str(name)))
        found[name] = known if known and isinstance(value, str) else body_of(value, ids)
    return found


def _id(name: str, ids: Ids, where: str) -> str:
    name = SAME.get(name, name)
    if name not in ids:
        raise Unfillable(f"{where}: nothing is known to put into {name}")
    return ids[name]


def messages_of(rpc: Rpc, ids: Ids) -> Iterator[Message]:
    """Yield a request for each way of asking: one, or one per choice of a oneof."""
    choices = [group for group in rpc.descriptor.input_type.oneofs if not group.name.startswith("_")]
    if not choices:
        message = rpc.request()
        fill(message, ids, rpc.name, depth=0)
        yield message
        return
    for chosen in choices[0].fields:
        message = rpc.request()
        fill(message, ids, rpc.name, depth=0, chosen=chosen.name)
        yield message


def fill(message: Message, ids: Ids, where: str, depth: int, chosen: str = "") -> None:
    for field in message.DESCRIPTOR.fields:
        group = field.containing_oneof
        if (
            group is not None
            and not group.name.startswith("_")
            and field.name != (chosen or group.fields[0].name)
        ):
            continue
        _fill(message, field, ids, where, depth)


def _fill(message: Message, field: Any, ids: Ids, where: str, depth: int) -> None:
    name = field.name
    kind = field.message_type
    if kind is not None:
        if kind.full_name in FREE or kind.GetOptions().map_entry or kind.name == "PageRequest" or depth > 2:
            return
        part = getattr(message, name).add() if field.is_repeated else getattr(message, name)
        part.SetInParent()
        fill(part, ids, where, depth + 1)
        return
    if field.cpp_type != FieldDescriptor.CPPTYPE_STRING or field.type == FieldDescriptor.TYPE_BYTES:
        return
    value = _text(name.removesuffix("s") if field.is_repeated else name, ids, where)
    if not value:
        return
    if field.is_repeated:
        getattr(message, name).append(value)
    else:
        setattr(message, name, value)


def _text(name: str, ids: Ids, where: str) -> str:
    if name in MADE_UP:
        return uuid4().hex
    if name.endswith("_id") or name == "key":
        return _id(name, ids, where)
    return {
        "kind": "phone",
        "value": ids.get("phone", "+8613900000000"),
        "reason": "why",
        "text": "said",
    }.get(name, "")
