"""What is known of one interaction while it lives: who serves it, and what was said."""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from libs.events.base import Identity

MOST_LINES = 200
MOST_CHARACTERS = 200_000
KEPT_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was said."""

    message_id: str
    time: str
    author: str
    agent_id: str
    text: str

    def plain(self) -> dict[str, Any]:
        return {
            "message_id": self.message_id,
            "time": self.time,
            "author": self.author,
            "agent_id": self.agent_id,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Conversation:
    """
    One interaction as the sockets need it. Facts of different topics come in any order.

    An agent is in at most one of `agents` (serves it) and `wrapping` (works after it). `offers` are all that
    were made, with their agents: who answers too late is told so by routing. Its lines are bounded.
    """

    interaction_id: str
    session_id: str = ""
    journey_id: str = ""
    channel: str = ""
    entry_point: str = ""
    language: str = ""
    visitor_id: str = ""
    customer_id: str = ""
    display_name: str = ""
    pool_id: str = ""
    queue_id: str = ""
    context: str = "{}"  # as JSON: its names and numbers may be none of the store's
    call_to: tuple[Identity, ...] = ()  # where a customer is to be called
    agents: tuple[str, ...] = ()
    wrapping: tuple[str, ...] = ()
    offered_to: str = ""
    offers: tuple[tuple[str, str], ...] = ()  # offer id, agent id
    lines: tuple[Line, ...] = ()
    ended_by: str = ""
    outcome: str = ""
    kept_until: datetime | None = None

    @property
    def is_known(self) -> bool:
        return self.kept_until is not None

    def summary(self) -> dict[str, Any]:
        """Return what an offer says of the contact."""
        return {
            "interaction_id": self.interaction_id,
            "session_id": self.session_id,
            "journey_id": self.journey_id,
            "channel": self.channel,
            "entry_point": self.entry_point,
            "language": self.language,
            "visitor_id": self.visitor_id,
            "customer_id": self.customer_id,
            "display_name": self.display_name,
            "queue_id": self.queue_id,
            "context": json.loads(self.context),
            "call_to": [{"kind": each.kind, "value": each.value} for each in self.call_to],
        }

    def whole(self, last: int = MOST_LINES) -> dict[str, Any]:
        """Return all that its agent sees: the summary, who takes part and what was said last."""
        return self.summary() | {
            "agents": list(self.agents),
            "ended_by": self.ended_by,
            "outcome": self.outcome,
            "lines": [line.plain() for line in sorted(self.lines, key=lambda line: line.time)[-last:]],
        }

    def said(self, line: Line) -> "Conversation":
        """Return the conversation with one line more; the oldest are dropped."""
        lines = (*self.lines, line)[-MOST_LINES:]
        size = sum(len(each.text) for each in lines)
        while size > MOST_CHARACTERS:
            size -= len(lines[0].text)
            lines = lines[1:]
        return replace(self, lines=lines)

    def without(self, agent_id: str) -> "Conversation":
        """Return the conversation in which the agent has no part any more."""
        return replace(
            self,
            agents=tuple(each for each in self.agents if each != agent_id),
            wrapping=tuple(each for each in self.wrapping if each != agent_id),
        )
