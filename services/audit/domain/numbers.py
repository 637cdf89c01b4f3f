"""Whose numbers a fact carries, and which of the numbers 1..n of one teller have been seen."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from libs.events.base import AnyEvent

Name = Callable[[dict[str, Any]], str]


# The aggregate that numbers a topic's facts, where all it tells is told on the bus. Left out: crm_context,
# whose numbers also count what it hands on inside its process; adapters, who count as they like.
_AGGREGATE: dict[str, Name] = {
    "trunkline.session": lambda data: f"session {data['session_id']}",
    "trunkline.queue": lambda data: f"session {data['session_id']}" if "session_id" in data else "",
    "trunkline.routing": lambda data: f"pool {data['pool_id']}",
    "trunkline.agent": lambda data: f"pool {data['pool_id']}",
    "trunkline.ivr": lambda data: f"dialogue {data['interaction_id']}",
    "trunkline.workflow": lambda data: f"ticket {data['ticket_id']}",
    "trunkline.recording": lambda data: f"recording {data['recording_id']}",  # and who of two tells it
    "trunkline.analytics": lambda data: (
        f"interval {data['dimension']}.{data['id']}.{data['interval_start']:%Y%m%dT%H%M}"
        if "interval_start" in data
        else ""
    ),
}
# Facts that an aggregate tells on another topic than its own: by whom, and which field names him.
_ELSEWHERE = {
    "trunkline.interaction": (("/trunkline/routing/", ("pool", "pool_id")),),
    "trunkline.queue": (("/trunkline/ivr/", ("dialogue", "continues_id")),),
}
# Facts that do not say which aggregate told them: a context is a session's or a journey's, and each access
# to a recording is one by itself.
POOLS = ("trunkline.routing", "trunkline.agent")
NAMELESS = ("trunkline.session.context_changed.v1", "trunkline.recording.recording_accessed.v1")


def aggregate_of(event: AnyEvent) -> str:
    """Return the aggregate whose numbers the event carries, "" where none can be told."""
    topic = event.data.topic()
    for source, fields in _ELSEWHERE.get(topic, ()):
        if event.source.startswith(source):
            aggregate, field_ = fields
            return f"{aggregate} {event.data.__dict__.get(field_, '')}" if event.sequence > 0 else ""
    name = _AGGREGATE.get(topic)
    if name is None or event.type in NAMELESS or (event.sequence <= 0 and topic not in POOLS):
        return ""
    found = name(event.data.__dict__)
    if topic == "trunkline.recording":
        return f"{found} in {event.source.rpartition('/')[2]}"
    return found


@dataclass(frozen=True, slots=True)
class Numbers:
    """
    The numbers seen of one aggregate, as rising ranges that neither touch nor overlap.

    Whole, there is one range, and it begins at 1.
    """

    ranges: tuple[tuple[int, int], ...] = field(default=())

    def __contains__(self, number: int) -> bool:
        return any(first <= number <= last for first, last in self.ranges)

    def add(self, number: int) -> "Numbers":
        """Return the numbers with one more."""
        first = last = number
        kept: list[tuple[int, int]] = []
        for low, high in self.ranges:
            if high < first - 1 or low > last + 1:
                kept.append((low, high))
            else:
                first, last = min(first, low), max(last, high)
        return replace(self, ranges=tuple(sorted([*kept, (first, last)])))

    @property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        """Return the ranges that are missing between 1 and the highest number seen."""
        ends = [0, *(last for _, last in self.ranges)]
        return tuple(
            (before + 1, first - 1)
            for before, (first, _) in zip(ends, self.ranges, strict=False)
            if first > before + 1
        )

    @property
    def last(self) -> int:
        return self.ranges[-1][1] if self.ranges else 0


def in_words(gap: tuple[int, int]) -> str:
    """Return what is missing: "number 3", "numbers 3 to 7"."""
    first, last = gap
    return f"number {first}" if first == last else f"numbers {first} to {last}"
