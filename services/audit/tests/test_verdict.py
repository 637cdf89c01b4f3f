"""The verdict on whole histories: clean ones, and each with one thing wrong."""

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.events import interaction, routing, session
from libs.events.base import AnyEvent
from services.audit.domain.verdict import audit
from services.audit.tests.making import Day, about, at, clean, external

Wrong = Callable[[], Sequence[AnyEvent]]


@pytest.mark.parametrize("day", [clean, external, Day], ids=["clean", "external", "empty"])
def test_it_finds_nothing_where_all_is_right(day: Callable[[], Day]) -> None:
    assert audit(day().events) == []


def called_back() -> Day:
    """Return a day on which somebody who waited was called back: routing began the call."""
    day = Day().agent().begins("c-1").queues("c-1")
    where = {"session_id": "s-c-1", "contact_id": "c-1", "pool_id": "main", "queue_id": "service"}
    day.tell(
        routing.ContactDiverted.model_validate(
            {**where, "channel": "chat", "to": "callback", "waited_ms": 9000, "callback_id": "c-2"}
        )
    )
    day.routing_begins("c-2")
    day.tell(routing.CallbackStarted(callback_id="c-2", pool_id="main", queue_id="service"))
    day.closes("c-1", "overflowed")
    return day.queues("c-2").serves("c-2").withdraws("c-2").released("c-2").closes("c-2")


def test_it_finds_nothing_wrong_with_a_callback_and_misses_what_is_lost_of_it() -> None:
    assert audit(called_back().events) == []
    assert audit(called_back().without(interaction.Started, "c-2"))
    assert audit(called_back().without(routing.ContactDiverted, "c-1"))


def open_contact() -> Sequence[AnyEvent]:
    return Day().agent().begins("c-1").queues("c-1").serves("c-1").events


def lost_start() -> Sequence[AnyEvent]:
    return clean().without(interaction.Started, "c-1")


def lost_session() -> Sequence[AnyEvent]:
    day = Day()
    day.tell(interaction.Started(interaction_id="c-1", channel="chat", entry_point="web"))
    return day.events


def closed_twice() -> Sequence[AnyEvent]:
    return Day().agent().handled("c-1").closes("c-1", "failed").events


def closed_as_something_else() -> Sequence[AnyEvent]:
    day = Day().agent().begins("c-1").queues("c-1").serves("c-1").withdraws("c-1").released("c-1")
    return day.closes("c-1", "failed").events


def closed_without_routing() -> Sequence[AnyEvent]:
    return Day().agent().begins("c-1").queues("c-1").closes("c-1", "handled").events


def assigned_twice() -> Sequence[AnyEvent]:
    day = Day().agent("ana").agent("ben").begins("c-1").queues("c-1").serves("c-1")
    day.assigned("c-1", "ben").withdraws("c-1").released("c-1", "ben").closes("c-1")
    return day.events


def more_than_he_can_hold() -> Sequence[AnyEvent]:
    day = Day().agent("ana", chat=1)
    for name in ("c-1", "c-2"):
        day.begins(name).queues(name).serves(name)
    for name in ("c-1", "c-2"):
        day.withdraws(name).released(name).closes(name)
    return day.events


def offered_while_served() -> Sequence[AnyEvent]:
    day = Day().agent().begins("c-1").queues("c-1").serves("c-1").offered("c-1", "ana", "o-2")
    return day.events


def answered_after_it_lapsed() -> Sequence[AnyEvent]:
    day = Day().agent().begins("c-1").queues("c-1").offered("c-1")
    day.tell(routing.OfferExpired(**about("c-1"), offer_id="o-c-1", agent_id="ana"))
    return day.assigned("c-1").events


def assigned_after_the_end() -> Sequence[AnyEvent]:
    return Day().agent().handled("c-1").serves("c-1").events


def connected_after_the_end() -> Sequence[AnyEvent]:
    day = Day().agent().handled("c-1")
    day.tell(
        session.Connected(
            session_id="s-c-1", interaction_id="c-1", agent_id="ana", queue_id="service", waited_ms=0
        )
    )
    return day.events


def wrapped_up_by_another() -> Sequence[AnyEvent]:
    return Day().agent().handled("c-1").wraps_up("c-1", "ben").events


def lost_routing_fact() -> Sequence[AnyEvent]:
    return clean().without(routing.ContactReleased, "c-1")


def number_told_twice() -> Sequence[AnyEvent]:
    day = Day().agent().handled("c-1")
    day.tell(
        session.SurveyRequested(session_id="s-c-1", interaction_id="c-1", channel="chat", expires_in_s=60),
        number=1,
    )
    return day.events


def miscounted() -> Sequence[AnyEvent]:
    return Day().agent().handled("c-1").counted(offered=1, answered=0).events


def not_counted() -> Sequence[AnyEvent]:
    day = Day().agent().handled("c-1").counted(offered=1, answered=1)
    return day.abandoned("c-2").quiet().events


def backwards() -> Sequence[AnyEvent]:
    events = Day().agent().handled("c-1").events
    return [
        each._replace(time=at(-60)) if isinstance(each.data, routing.ContactReleased) else each
        for each in events
    ]


def answered_before_it_entered() -> Sequence[AnyEvent]:
    return [
        each._replace(time=at(-60)) if isinstance(each.data, interaction.MediaChanged) else each
        for each in external().events
    ]


WRONG: list[tuple[Wrong, str, str, str]] = [
    (open_contact, "I1", "c-1", "it has not reached a terminal state"),
    (lost_start, "I1", "c-1", "it was never started"),
    (lost_session, "I1", "c-1", "no session took it up"),
    (closed_twice, "I1", "c-1", "closed as failed after it was closed as handled"),
    (closed_as_something_else, "I1", "c-1", "routing released it and its session closed it as failed"),
    (closed_without_routing, "I1", "c-1", "its session closed it as handled and routing did not end it"),
    (assigned_twice, "I2", "c-1", "assigned to ben while ana holds it"),
    (more_than_he_can_hold, "I2", "ana", "holds 2 x chat, can hold 1"),
    (offered_while_served, "I3", "c-1", "agent_offered while assigned"),
    (answered_after_it_lapsed, "I3", "c-1", "offer o-c-1 accepted after it was expired"),
    (
        assigned_after_the_end,
        "I3",
        "c-1",
        "agent_offered while released",
    ),
    (connected_after_the_end, "I3", "c-1", "session.connected after the contact was closed"),
    (wrapped_up_by_another, "I3", "c-1", "wrapped up by ben, who had nothing to wrap up"),
    (lost_routing_fact, "I4", "pool main", "number 6 never came"),
    (number_told_twice, "I4", "session s-c-1", "number 1 was told twice"),
    (
        miscounted,
        "I6",
        "service@20260302T0900",
        "analytics says answered 0 instead of 1",
    ),
    (not_counted, "I6", "service@20260302T1015", "analytics told no figures of it"),
    (backwards, "I14", "c-1", "routing.contact_released is earlier than routing.contact_assigned before it"),
    (
        answered_before_it_entered,
        "I14",
        "x-1",
        "interaction.media_changed is earlier than interaction.queue_entered before it",
    ),
]


@pytest.mark.parametrize(
    ("wrong", "rule", "subject", "what"), WRONG, ids=[each[0].__name__ for each in WRONG]
)
def test_it_names_what_is_wrong(wrong: Wrong, rule: str, subject: str, what: str) -> None:
    found = audit(wrong())

    named = [each for each in found if (each.rule, each.subject, each.what) == (rule, subject, what)]
    assert len(named) == 1, found
    assert set(named[0].event_ids) <= {each.id for each in wrong()}


def test_it_calls_nothing_a_breach_that_may_yet_come() -> None:
    assert audit(open_contact(), ended=False) == []


def test_it_shows_the_events_of_a_breach() -> None:
    events = assigned_twice()
    assigned = [each.id for each in events if isinstance(each.data, routing.ContactAssigned)]

    (found,) = [each for each in audit(events) if each.rule == "I2" and each.subject == "c-1"]

    assert list(found.event_ids) == assigned


def shuffled(events: Sequence[AnyEvent], seed: int) -> list[AnyEvent]:
    """Return the events with their topics mixed anew, each in its order, and some of them twice or more."""
    dice = random.Random(seed)
    topics: dict[str, list[AnyEvent]] = {}
    for event in events:
        topics.setdefault(event.data.topic(), []).append(event)
    for log in topics.values():
        for _ in range(dice.randrange(4)):
            start = dice.randrange(len(log))
            end = dice.randrange(start, len(log)) + 1
            log[end:end] = log[start:end]  # a batch, read and told again
    mixed = [event.data.topic() for log in topics.values() for event in log]
    dice.shuffle(mixed)
    return [topics[name].pop(0) for name in mixed]


@given(st.integers(min_value=0))
@pytest.mark.parametrize("day", [clean, external])
def test_it_finds_nothing_in_any_order_of_topics_and_any_repeats(day: Callable[[], Day], seed: int) -> None:
    assert audit(shuffled(day().events, seed)) == []


@given(st.integers(min_value=0))
@pytest.mark.parametrize("wrong", [assigned_twice, closed_twice, lost_routing_fact, miscounted])
def test_it_finds_the_same_in_any_order_of_topics_and_any_repeats(wrong: Wrong, seed: int) -> None:
    events = wrong()

    found, expected = audit(shuffled(events, seed)), audit(events)
    assert {(each.rule, each.subject, each.what) for each in found} == {
        (each.rule, each.subject, each.what) for each in expected
    }


def test_it_lets_an_outside_contact_leave_its_queue_when_its_adapter_fell_silent() -> None:
    day = Day().begins("x-1", "external")
    day.tell(interaction.QueueEntered(interaction_id="x-1", queue_id="service"))
    day.closes("x-1", "failed").counted(offered=1, abandoned=1)

    assert audit(day.events) == []
