"""Contacts that an outside ACD serves: followed at the times it tells."""

from typing import Any

import pytest

from libs.events import interaction
from libs.events import session as told
from libs.events.base import AnyEvent
from libs.stored import Key
from services.session.domain.session import decider
from services.session.domain.state import Rules, Session, blank
from services.session.tests.making import NOON, at, ended, event, started, tick

LATER = at(10_000_000)  # the log is old when it is read


def begun() -> AnyEvent:
    return started(channel="voice", distribution="external")


def entered(seconds: float) -> AnyEvent:
    return event(interaction.QueueEntered(interaction_id="i-1", queue_id="NW"), seconds)


def answered(seconds: float, **said: Any) -> AnyEvent:
    return event(interaction.MediaChanged(interaction_id="i-1", change="answered", **said), seconds)


def replay(events: list[AnyEvent]) -> tuple[Session, list[AnyEvent]]:
    session = blank(Key("acme", "s-1"))
    facts: list[AnyEvent] = []
    for each in events:
        session, told_now = decider(Rules())(session, each, LATER)
        facts += told_now
    return session, facts


@pytest.mark.parametrize(
    ("events", "outcome", "queue_id", "agent_id", "reason"),
    [
        ([entered(30), answered(42, agent_id="LEA"), ended(100)], "handled", "NW", "LEA", "customer"),
        ([answered(42, agent_id="LEA", queue_id="PS"), ended(100)], "handled", "PS", "LEA", "customer"),
        ([answered(42), ended(100)], "handled", "unknown", "unknown", "customer"),
        ([entered(30), ended(40)], "abandoned_in_queue", "NW", "", "customer"),
        ([ended(20)], "self_served", "", "", ""),
        ([ended(20, by="system", reason="phantom")], "failed", "", "", "phantom"),
    ],
)
def test_it_closes_by_what_happened(
    events: list[AnyEvent], outcome: str, queue_id: str, agent_id: str, reason: str
) -> None:
    _, facts = replay([begun(), *events])

    (closed,) = [(each.time, each.data) for each in facts if isinstance(each.data, told.ContactClosed)]
    time, data = closed
    assert (data.outcome, data.queue_id, data.agent_id, data.reason) == (outcome, queue_id, agent_id, reason)
    assert time == events[-1].time


@pytest.mark.parametrize(
    ("events", "waited_ms"),
    [([entered(30), answered(42.5, agent_id="LEA")], 12_500), ([answered(42, agent_id="LEA")], 0)],
)
def test_it_measures_the_wait_by_the_adapters_clock(events: list[AnyEvent], waited_ms: int) -> None:
    _, facts = replay([begun(), *events])

    connected = [(each.data.waited_ms, each.time) for each in facts if isinstance(each.data, told.Connected)]
    assert connected == [(waited_ms, events[-1].time)]


def test_it_follows_a_transfer_without_counting_a_second_answer() -> None:
    _, facts = replay([begun(), answered(5, agent_id="LEA"), answered(9, agent_id="TOM"), ended(20)])

    kinds = [each.type.split(".")[2] for each in facts]
    assert kinds == [
        "started",
        "connected",
        "participant_joined",
        "participant_left",
        "participant_joined",
        "participant_left",
        "contact_closed",
    ]


def test_it_asks_for_no_survey_and_closes_at_the_time_of_the_log() -> None:
    _, facts = replay([begun(), answered(5, agent_id="LEA"), ended(20), tick(10_001_800)])

    assert facts[-1].type == told.Closed.type
    assert facts[-1].time == at(20 + 1800)
    assert facts[0].time == NOON
    assert not [each for each in facts if isinstance(each.data, told.SurveyRequested)]
