"""One example of every fact, made from its fields: the same each time, so that it can be committed."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from libs.events.base import AnyEvent, Event, Fact, follow_id

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # noon in Shanghai

# What a field of this name holds in a demo; other fields take something that fits their type.
_BY_NAME: dict[str, Any] = {
    "interaction_id": "chat-7f3a",
    "contact_id": "chat-7f3a",
    "session_id": "session-51c2",
    "visitor_id": "visitor-19be",
    "customer_id": "customer-1001",
    "callback_id": "callback-3d10",
    "merged_customer_id": "customer-1002",
    "agent_id": "agent1",
    "chosen_agent_id": "agent1",
    "preferred_agent_id": "agent3",
    "pool_id": "main",
    "queue_id": "service",
    "strategy_id": "gold-service",
    "document": '{"queues": ["service"], "strategy_id": "gold-service"}',
    "to_queue_id": "sales",
    "overflow_queue_id": "service",
    "offer_id": "offer-88d0",
    "ticket_id": "ticket-2048",
    "recording_id": "recording-77aa",
    "flow_id": "demo-bank",
    "node_id": "main-menu",
    "entry_point": "web-chat",
    "url": "https://bank.example/cards/lost",
    "title": "卡片挂失",
    "query": "信用卡 挂失",
    "name": "Service",
    "name_zh": "客户服务",
    "display_name": "李雷",
    "language": "zh-CN",
    "text": "我的卡丢了",
    "label": "人工服务",
    "subject": "Card lost",
    "description": "The customer lost his card in Shanghai.",
    "channel": "chat",
    "media_type": "text/plain",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "estimate_errors_ms": (12_000, -3_000),
    "csat": 5,
    "reason": "card_lost",
    "value": "1",
}


def sample(fact: type[Fact]) -> AnyEvent:
    """Return an example event of a type."""
    data = fact.model_validate(_fill(fact))
    event_id = follow_id("example", fact.type)
    return Event(
        event_id,
        "demo",
        NOON,
        data,
        follow_id("demo/visitor/visitor-19be", "journey"),
        follow_id("example", "cause") if fact.topic() not in _FROM_OUTSIDE else "",
        f"/trunkline/{fact.topic().partition('.')[2]}",
        1,
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )


_FROM_OUTSIDE = ("trunkline.visitor", "trunkline.interaction")


def _fill(model: type[BaseModel]) -> dict[str, Any]:
    return {name: _value(name, field) for name, field in model.model_fields.items()}


def _value(name: str, field: FieldInfo) -> Any:
    kind = field.annotation
    if name in _BY_NAME and _takes(kind, _BY_NAME[name]):
        return _BY_NAME[name]
    if get_origin(kind) is tuple and _is_model(get_args(kind)[0]):
        return [_fill(get_args(kind)[0])]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _fill(kind)
    if field.default is not PydanticUndefined and field.default is not None:
        return field.default
    return _plain(name, kind)


def _takes(kind: Any, value: object) -> bool:
    return value in get_args(kind) if get_origin(kind) is Literal else not _is_model(kind)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _plain(name: str, kind: Any) -> Any:
    if get_args(kind) and type(None) in get_args(kind):
        kind = next(part for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is not None and get_args(kind):
        first = get_args(kind)[0]
        if get_origin(kind) is dict:
            return {}
        if get_origin(kind) is tuple:
            return [_plain(name, first)]
        return first if isinstance(first, str) else _plain(name, first)
    if name.endswith(("_at", "_due", "_until", "_start", "since", "deadline")):
        return NOON + timedelta(seconds=15)
    samples: dict[Any, Any] = {bool: True, int: 1, float: 1.5}
    return samples.get(kind, f"{name}-1".replace("_", "-"))
