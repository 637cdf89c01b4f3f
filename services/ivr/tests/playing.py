"""
Plays tests of flows, written beside the flows as YAML.

A test names a language and what look-ups answer; its steps say, press, stay silent or leave, and expect words
in what the customer is then told; `ends` says what must have come of it.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from libs.events import ivr
from libs.events.base import Channel
from services.ivr.domain import checking
from services.ivr.domain.flow import Flow
from services.ivr.domain.rehearsing import Rehearsal

ACTS: tuple[str, ...] = ("say", "press", "silence", "leave")
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # a Monday, 12:00 in Shanghai


@dataclass(frozen=True)
class FlowTest:
    """One customer's way that a flow must go."""

    name: str
    flow: Flow
    language: str = ""
    channel: Channel = "chat"
    look_ups: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    ends: dict[str, Any] = field(default_factory=dict)
    at: datetime = NOON


def flow_tests_in(file: Path) -> list[FlowTest]:
    """Return the tests of a file."""
    document = yaml.safe_load(file.read_text("utf-8"))
    flow, problems = checking.read((file.parent / document["flow"]).read_text("utf-8"))
    assert flow is not None, problems
    return [FlowTest(flow=flow, **each) for each in document["tests"]]


def play(test: FlowTest) -> None:
    """Go through a flow as the test says. :raises AssertionError: it went another way."""
    rehearsal = Rehearsal(
        test.flow, at=test.at, look_ups=test.look_ups, channel=test.channel, language=test.language
    )
    place = 0
    for number, step in enumerate(test.steps, 1):
        act = next((each for each in ACTS if each in step), "")
        if act:
            assert not rehearsal.is_over, f"step {number}: the dialogue is over"
            place = len(rehearsal.facts)
        match act:
            case "say":
                rehearsal.say(step["say"])
            case "press":
                rehearsal.press(step["press"])
            case "silence":
                for _ in range(step["silence"]):
                    rehearsal.keep_silent()
            case "leave":
                rehearsal.leave()
        told = "\n".join(rehearsal.prompts_since(place))
        for words in step.get("expect", ()):
            assert words in told, f"step {number}: {words!r} is not in {told!r}"
    came = {
        "outcome": rehearsal.dialogue.outcome,
        "reason": rehearsal.dialogue.reason,
        "queue_id": rehearsal.dialogue.queue_id,
        "tickets": sum(isinstance(fact, ivr.TicketRequested) for fact in rehearsal.facts),
    }
    for what, wanted in test.ends.items():
        assert came[what] == wanted, f"{what} is {came[what]!r}, not {wanted!r}"
