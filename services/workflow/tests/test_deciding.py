"""What tickets make of commands and time: tables without network, clock or store."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.errors import AlreadyExists, Conflict, Invalid, NotFound, Refusal, Refused
from libs.events import ivr, workflow
from libs.events.base import AnyEvent, Event, Fact, Tick
from services.workflow.domain.commands import (
    Assign,
    Close,
    Command,
    Comment,
    Escalate,
    Open,
    Reopen,
    Resolve,
)
from services.workflow.domain.deciding import decide
from services.workflow.domain.policy import Policy
from services.workflow.domain.ticket import MOST_COMMENTS, Ticket, due

NINE = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # Monday 09:00 in Shanghai
POLICY = Policy.model_validate(
    {
        "calendar": {
            "time_zone": "Asia/Shanghai",
            "weekly": {day: [{"start": "09:00", "end": "18:00"}] for day in range(5)},
        },
        "promises": {
            "low": {"first_response": 240, "resolution": 2000},
            "normal": {"first_response": 60, "resolution": 480},
            "high": {"first_response": 30, "resolution": 240},
            "urgent": {"first_response": 20, "resolution": 120},
        },
        "groups": {"fault": "technicians"},
    }
)
T = "t-1"
OPEN = Open(
    ticket_id=T, by="ana", ticket_type="fault", priority="urgent", subject="No light", customer_id="c-1"
)
ASSIGN = Assign(ticket_id=T, by="ana", agent_id="bob")
PUBLIC = Comment(ticket_id=T, by="bob", text="We are on it", public=True)
INTERNAL = Comment(ticket_id=T, by="bob", text="Again...")
BY_CUSTOMER = Comment(ticket_id=T, by="c-1", text="Thanks", by_customer=True)
RESOLVE = Resolve(ticket_id=T, by="bob", resolution="New bulb")
REOPEN = Reopen(ticket_id=T, by="c-1", reason="dark again")
CLOSE = Close(ticket_id=T, by="c-1", confirmed_by_customer=True)
ESCALATE = Escalate(ticket_id=T, by="ana", reason="angry")
TICK = Tick(of=T)


class Story:
    """Takes facts one after the other and keeps what followed."""

    def __init__(self, *facts: Fact) -> None:
        self.ticket = Ticket(T)
        self.events: list[AnyEvent] = []
        self._count = 0
        for fact in facts:
            self.take(fact)

    def take(self, data: Fact, at: datetime = NINE) -> "Story":
        self._count += 1
        event: AnyEvent = Event(f"e-{self._count}", "acme", at, data, "")
        self.ticket, facts = decide(self.ticket, event, at, POLICY)
        self.events.extend(facts)
        return self

    @property
    def told(self) -> list[str]:
        return [type(event.data).__name__.removeprefix("Ticket") for event in self.events]


@pytest.mark.parametrize(
    ("facts", "status", "told"),
    [
        ([OPEN], "open", ["Opened"]),
        ([OPEN.model_copy(update={"agent_id": "bob"})], "assigned", ["Opened", "Assigned"]),
        ([OPEN, ASSIGN], "assigned", ["Opened", "Assigned"]),
        ([OPEN, ASSIGN, INTERNAL], "assigned", ["Opened", "Assigned", "Commented"]),
        ([OPEN, ASSIGN, PUBLIC], "waiting", ["Opened", "Assigned", "Commented"]),
        ([OPEN, ASSIGN, PUBLIC, BY_CUSTOMER], "assigned", ["Opened", "Assigned", "Commented", "Commented"]),
        ([OPEN, PUBLIC], "open", ["Opened", "Commented"]),
        ([OPEN, RESOLVE], "resolved", ["Opened", "Resolved"]),
        ([OPEN, RESOLVE, CLOSE], "closed", ["Opened", "Resolved", "Closed"]),
        ([OPEN, RESOLVE, REOPEN], "open", ["Opened", "Resolved", "Reopened"]),
        (
            [OPEN, ASSIGN, RESOLVE, CLOSE, REOPEN],
            "assigned",
            ["Opened", "Assigned", "Resolved", "Closed", "Reopened"],
        ),
        ([OPEN, ESCALATE], "open", ["Opened", "Escalated"]),
        (
            [OPEN, ESCALATE.model_copy(update={"agent_id": "eve"})],
            "assigned",
            ["Opened", "Escalated", "Assigned"],
        ),
    ],
)
def test_goes_from_status_to_status(facts: Sequence[Fact], status: str, told: list[str]) -> None:
    story = Story(*facts)

    assert (story.ticket.status, story.told) == (status, told)
    assert story.ticket.version == len(story.ticket.history)
    assert len({event.id for event in story.events}) == len(story.events)
    assert len({event.journey_id for event in story.events} - {""}) == 1


@pytest.mark.parametrize(
    ("facts", "command", "refusal"),
    [
        ([], ASSIGN, NotFound),
        ([OPEN], OPEN, AlreadyExists),
        ([OPEN], CLOSE, Refused),
        ([OPEN], REOPEN, Refused),
        ([OPEN, RESOLVE], RESOLVE, Refused),
        ([OPEN, RESOLVE], ASSIGN, Refused),
        ([OPEN, RESOLVE], ESCALATE, Refused),
        ([OPEN, RESOLVE, CLOSE], CLOSE, Refused),
        ([OPEN, RESOLVE, CLOSE], PUBLIC, Refused),
        ([OPEN, ASSIGN], PUBLIC.model_copy(update={"expected_version": 1}), Conflict),
        ([OPEN], Assign(ticket_id=T, by="ana"), Invalid),
        ([OPEN, *[INTERNAL] * MOST_COMMENTS], INTERNAL, Refused),
    ],
)
def test_refuses_what_its_status_does_not_allow(
    facts: Sequence[Fact], command: Command, refusal: type[Refusal]
) -> None:
    story = Story(*facts)
    before = story.ticket

    with pytest.raises(refusal):
        story.take(command)

    assert story.ticket == before


def test_is_due_by_the_business_calendar() -> None:
    ticket = Story().take(OPEN, NINE + timedelta(hours=8)).ticket  # 17:00

    assert ticket.first_response_due == NINE + timedelta(hours=8, minutes=20)
    assert ticket.resolution_due == NINE + timedelta(days=1, hours=1)


def test_reminds_is_overdue_and_escalates_once_each() -> None:
    story = Story(OPEN)
    fired: list[tuple[int, str]] = []
    while (at := due(story.ticket)) is not None:
        told = len(story.events)
        story.take(TICK, at)
        fired += [((at - NINE) // timedelta(minutes=1), each) for each in story.told[told:]]

    assert fired == [
        (15, "DueSoon"),
        (20, "Overdue"),
        (90, "DueSoon"),
        (120, "Overdue"),
        (120, "Escalated"),
    ]
    assert (story.ticket.overdue, story.ticket.level) == (("first_response", "resolution"), 1)
    assert story.take(TICK, NINE + timedelta(days=9)).told[-1] == "Escalated"
    assert len(story.events) == 6


def test_fires_all_that_was_missed_while_nobody_looked() -> None:
    story = Story(OPEN).take(TICK, NINE + timedelta(days=3))

    assert story.told == ["Opened", "DueSoon", "Overdue", "DueSoon", "Overdue", "Escalated"]
    assert len({event.id for event in story.events}) == 6


@pytest.mark.parametrize(
    ("facts", "left"),
    [
        ([OPEN, INTERNAL], {"first_response", "resolution"}),
        ([OPEN, BY_CUSTOMER], {"first_response", "resolution"}),
        ([OPEN, PUBLIC], {"resolution"}),
        ([OPEN, RESOLVE], set()),
        ([OPEN, RESOLVE, CLOSE], set()),
        ([OPEN, RESOLVE, REOPEN], {"resolution"}),
    ],
)
def test_stops_the_clock_of_what_was_done(facts: Sequence[Fact], left: set[str]) -> None:
    assert {timer.target for timer in Story(*facts).ticket.timers} == left


@pytest.mark.parametrize(("hours", "in_time"), [(1, True), (2, True), (3, False)])
def test_says_whether_it_was_resolved_in_time(hours: int, in_time: bool) -> None:
    story = Story(OPEN).take(RESOLVE, NINE + timedelta(hours=hours))

    resolved = story.events[-1].data
    assert isinstance(resolved, workflow.TicketResolved)
    assert resolved.within_target is in_time


def requested(**others: Any) -> ivr.TicketRequested:
    usual = {"ticket_id": T, "subject": "Lost card", "ticket_type": "fault", "priority": "high"}
    return ivr.TicketRequested.model_validate(
        {"session_id": "s-1", "interaction_id": "i-1", **usual, **others}
    )


def test_opens_what_self_service_asks_for_once() -> None:
    story = Story(requested()).take(requested(subject="Other"))

    opened = story.events[0].data
    assert isinstance(opened, workflow.TicketOpened)
    assert (opened.ticket_id, opened.interaction_id, opened.group) == (T, "i-1", "technicians")
    assert (story.told, story.ticket.subject, story.ticket.priority) == (["Opened"], "Lost card", "high")


def test_takes_a_priority_it_does_not_know_as_normal() -> None:
    assert Story(requested(priority="whatever")).ticket.priority == "normal"


def test_ignores_a_tick_for_a_ticket_that_does_not_exist() -> None:
    assert Story(TICK).ticket == Ticket(T)
