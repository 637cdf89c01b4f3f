"""What sockets are told: a frame as a private fact, addressed to one stream."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic_core import to_json

from libs.events.base import AnyEvent, Fact
from libs.wire import format_time

SUPERVISORS = "supervisors"
_AGENT = "agent:"
IS_KEPT_FOR_EVER = (SUPERVISORS, _AGENT)  # how streams are called whose numbers go on for ever
NO_ORIGIN: Mapping[str, Any] = {}


def agent_stream(agent_id: str) -> str:
    return f"{_AGENT}{agent_id}"


def interaction_stream(interaction_id: str) -> str:
    return f"interaction:{interaction_id}"


class Frame(Fact):
    """One frame for one stream; it never leaves the gateway as an event."""

    type: ClassVar[str] = "trunkline.gateway.frame_told.v1"
    stream: str
    kind: str
    event_id: str
    event_type: str
    event_time: str
    body: dict[str, Any] = {}  # noqa: RUF012  (pydantic copies a default)

    @property
    def key(self) -> str:
        return self.stream


def frame(stream: str, kind: str, event: AnyEvent, body: dict[str, Any]) -> Frame:
    """Return a frame that says what `event` means to the readers of a stream."""
    return Frame(
        stream=stream,
        kind=kind,
        event_id=event.id,
        event_type=event.type,
        event_time=format_time(event.time),
        body=body,
    )


def plain(data: Fact) -> dict[str, Any]:
    """Return a fact's data for a frame: all of it but personal data, defaults included."""
    return data.model_dump(mode="json", exclude={"pii"})


def text_of(told: Frame) -> str:
    """Return the frame as JSON, as it is sent, still without its number."""
    return _json(
        {
            "type": told.kind,
            "time": told.event_time,
            "event_id": told.event_id,
            "event_type": told.event_type,
            "data": told.body,
        }
    )


def _json(value: object) -> str:
    """Return JSON of whatever a fact may hold: numbers of any length, and null for what is none."""
    return to_json(value, inf_nan_mode="null").decode()


def numbered(seq: int, text: str) -> str:
    """Return a frame's text with its number in front."""
    return f'{{"seq":{seq},{text[1:]}'


def unnumbered(kind: str, body: Mapping[str, Any], origin: Mapping[str, Any] = NO_ORIGIN) -> str:
    """Return a frame that is no part of the stream; `origin` is the frame it completes, if it does."""
    named = {name: origin[name] for name in ("time", "event_id", "event_type") if name in origin}
    return _json({"type": kind, **named, "data": body})
