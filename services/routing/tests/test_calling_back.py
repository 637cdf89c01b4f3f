"""Callbacks: places that are kept, times that are kept, nobody called twice."""

from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.events import interaction, queue, routing
from libs.events.base import Fact, Identity
from services.routing.domain.strategy import checking
from services.routing.tests import cases
from services.routing.tests.cases import POOL, Floor, at, floor, hard, names

PHONE = Identity(kind="phone", value="+8613800000001")
HOUR = 3600.0
NINE_TO_TEN = {"time_zone": "UTC", "weekly": {day: [{"start": "09:00", "end": "10:00"}] for day in range(5)}}


def asked(callback_id: str = "cb", contact_id: str = "", **more: Any) -> Fact:
    given_ = {"queue_id": "service", "pii": {"identities": (PHONE,)}, "by": "customer", **more}
    return queue.CallbackRequested.model_validate(
        {"pool_id": POOL, "callback_id": callback_id, "contact_id": contact_id, **given_}
    )


def cancelled(callback_id: str = "cb") -> Fact:
    return queue.CallbackCancelled(pool_id=POOL, callback_id=callback_id, by="sue", reason="solved")


def calls(facts: list[Fact]) -> list[interaction.Started]:
    return [each for each in facts if isinstance(each, interaction.Started)]


def queue_up(pool: Floor, started: interaction.Started, seconds: float) -> list[Fact]:
    """Do what the session does: queue the call that has been begun."""
    return pool.tell(cases.queued(started.interaction_id, started.queue_id), seconds)


def waiting(*contact_ids: str, **more: Any) -> Floor:
    """Return a pool without agents in which contacts came one second after the other."""
    pool = floor(cases.service(wrap_up_s=0, **more))
    for second, contact_id in enumerate(contact_ids):
        pool.tell(cases.queued(contact_id, priority=2, needs=(hard("zh"),)), second)
    return pool


def test_it_keeps_the_place_of_who_leaves_the_queue_for_it() -> None:
    pool = waiting("c1", "c2", "c3")

    facts = pool.tell(asked(contact_id="c2"), 10)

    assert names(facts)[:3] == ["contact_diverted", "started", "callback_started"]
    (call,) = calls(facts)
    assert (call.interaction_id, call.channel, call.direction) == ("cb", "voice", "outbound")
    assert (call.queue_id, call.continues_id, call.pii.identities) == ("service", "c2", (PHONE,))
    assert "c2" not in pool.pool.contacts
    queue_up(pool, call, 11)
    pool.staff(ana={"zh": 3})
    assert pool.contact("c1").state == "offered"
    pool.accept("c1", 20)
    facts = pool.tell(cases.withdrawn("c1"), 30)

    (offer,) = [each for each in facts if isinstance(each, routing.AgentOffered)]
    assert (offer.contact_id, offer.callback) == ("cb", True)
    kept = pool.contact("cb")
    assert (kept.priority, kept.aged_since, kept.needs) == (2, at(1), (hard("zh"),))
    assert kept.since == at(11)  # its measured wait is its own


def test_it_takes_the_offer_back_from_who_rings() -> None:
    pool = floor(cases.service()).staff("ana")
    pool.tell(cases.queued("c1"), 1)

    facts = pool.tell(asked(contact_id="c1"), 3)

    assert names(facts)[:3] == ["offer_withdrawn", "contact_diverted", "started"]
    assert pool.state("ana") == "ready"


def test_it_starts_at_its_time_with_the_age_it_has_then() -> None:
    pool = waiting("c1")
    facts = pool.tell(asked(due_at=at(600), priority=5, customer_id="cu"), 10)
    (scheduled,) = facts
    assert isinstance(scheduled, routing.CallbackScheduled)
    assert (scheduled.due_at, scheduled.by) == (at(600), "customer")

    assert calls(pool.wait_until(599.9)) == []
    (call,) = calls(pool.wait_until(600))
    queue_up(pool, call, 601)

    assert (pool.contact("cb").priority, pool.contact("cb").aged_since) == (5, at(600))
    assert calls(pool.wait_until(2000)) == []


@pytest.mark.parametrize(
    ("due_s", "starts_s"),
    [
        (None, 0.0),
        (0.5 * HOUR, 0.5 * HOUR),
        (HOUR, 24 * HOUR),  # closed at ten; on the next day at nine
        (30 * HOUR, 48 * HOUR),
        (-HOUR, 0.0),
    ],
)
def test_it_calls_in_the_hours_of_the_queue(due_s: float | None, starts_s: float) -> None:
    pool = floor(cases.service())
    pool.tell(cases.strategy(hours={"calendar": NINE_TO_TEN}))

    facts = pool.tell(asked(due_at=None if due_s is None else at(due_s)))
    facts += pool.wait_until(60 * HOUR)

    assert len(calls(facts)) == 1
    (told,) = [each for each in pool.told if isinstance(each.data, interaction.Started)]
    assert told.time == at(starts_s)


def test_it_is_put_off_when_the_queue_has_closed_meanwhile() -> None:
    pool = floor(cases.service())
    pool.tell(asked(due_at=at(2 * HOUR)))
    pool.tell(cases.strategy(hours={"calendar": NINE_TO_TEN}), 60)

    facts = pool.wait_until(2 * HOUR)

    (again,) = facts
    assert isinstance(again, routing.CallbackScheduled)
    assert again.due_at == at(24 * HOUR)
    assert len(calls(pool.wait_until(24 * HOUR))) == 1


def test_a_queue_that_was_disabled_calls_nobody() -> None:
    pool = floor(cases.service())
    pool.tell(asked(due_at=at(60)))
    pool.tell(cases.service(enabled=False), 30)

    assert names(pool.wait_until(60)) == ["callback_cancelled"]
    assert pool.pool.callbacks == {}


def test_a_queue_that_is_no_more_calls_nobody() -> None:
    pool = floor(cases.service())
    pool.tell(asked(due_at=at(60)))
    pool.tell(queue.QueueRemoved(pool_id=POOL, queue_id="service"), 30)
    assert pool.pool.queues == {}

    (gone,) = pool.wait_until(60)

    assert isinstance(gone, routing.CallbackCancelled)
    assert (gone.by, gone.reason, pool.pool.callbacks) == ("system", "no_queue", {})


def test_a_full_and_deserted_queue_takes_a_callback_whose_place_was_kept() -> None:
    pool = waiting("c1", "c2", max_waiting=2)
    pool.tell(cases.strategy(limits={"nobody": {"instead": "voicemail"}}), 3)
    (call,) = calls(pool.tell(asked(contact_id="c1"), 5))
    pool.tell(cases.queued("late"), 6)

    facts = queue_up(pool, call, 7)

    assert names(facts)[0] == "contact_enqueued"
    assert pool.pool.finished["late"].outcome == "rejected"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (asked("other", due_at=at(900)), "callback_exists"),
        (asked("other", customer_id="cu", pii={}), "callback_exists"),
        (asked("other", continues_id="chat", pii={}), "callback_exists"),
        (asked("other", contact_id="nobody", pii={}), "unknown_contact"),
        (asked("other", contact_id="served", pii={}), "already_served"),
        (asked("other", queue_id="none", customer_id="x", pii={}), "unknown_queue"),
        (asked("other", pii={}), "nobody_to_call"),
        (asked("other", customer_id="x", pii={}, due_at=at(100 * 86_400)), "too_late"),
    ],
)
def test_it_refuses_what_cannot_be_or_is_there_already(request_: Fact, code: str) -> None:
    pool = floor(cases.service()).staff("ana")
    pool.tell(cases.queued("served"), 5)
    pool.accept("served", 6)
    pool.tell(asked(customer_id="cu", continues_id="chat", due_at=at(600)), 7)
    before = pool.pool

    (refused,) = pool.tell(request_, 8)

    assert isinstance(refused, routing.CallbackRefused)
    assert (refused.callback_id, refused.code) == ("other", code)
    assert pool.pool == before


def test_asking_twice_for_one_callback_changes_nothing() -> None:
    pool = floor(cases.service())
    pool.tell(asked(due_at=at(600)))
    before = pool.pool

    assert pool.tell(asked(due_at=at(700)), 5) == []
    assert pool.pool is before


def test_another_may_be_asked_for_once_it_is_over() -> None:
    pool = floor(cases.service()).staff("ana")
    (call,) = calls(pool.tell(asked(), 5))
    queue_up(pool, call, 6)
    pool.accept("cb", 7)
    assert "cb" in pool.pool.callbacks
    pool.tell(cases.withdrawn("cb"), 60)

    facts = pool.tell(asked("second"), 61)

    assert len(calls(facts)) == 1
    assert pool.tell(asked("cb"), 62) == []  # its id is used up


def test_cancelling_takes_it_from_wherever_it_is_but_from_an_agent() -> None:
    pool = floor(cases.service()).staff("ana")
    pool.tell(asked("later", due_at=at(600)), 3)
    assert names(pool.tell(cancelled("later"), 4)) == ["callback_cancelled"]

    (call,) = calls(pool.tell(asked("ringing"), 5))
    queue_up(pool, call, 6)
    facts = pool.tell(cancelled("ringing"), 7)
    assert names(facts)[:3] == ["offer_withdrawn", "contact_abandoned", "callback_cancelled"]
    assert pool.state("ana") == "ready"

    (call,) = calls(pool.tell(asked("under-way"), 8))
    pool.tell(cancelled("under-way"), 9)
    assert names(queue_up(pool, call, 10)) == ["contact_enqueued", "contact_abandoned"]

    (call,) = calls(pool.tell(asked("talking"), 11))
    queue_up(pool, call, 12)
    pool.accept("talking", 13)
    (refused,) = pool.tell(cancelled("talking"), 14)
    assert isinstance(refused, routing.CallbackRefused)
    assert refused.code == "already_served"
    (unknown,) = pool.tell(cancelled("later"), 15)
    assert isinstance(unknown, routing.CallbackRefused)
    assert unknown.code == "unknown_callback"


def test_who_waited_too_long_is_called_back_by_rule_and_no_second_time() -> None:
    pool = waiting("c1")
    ways = [{"after_s": 30, "instead": "callback"}, {"after_s": 40, "instead": "voicemail"}]
    pool.tell(cases.strategy(overflow=ways), 2)

    facts = pool.wait_until(30)
    (call,) = calls(facts)
    assert names(facts) == ["contact_diverted", "started", "callback_started"]
    assert (call.continues_id, call.pii.identities) == ("c1", ())
    queue_up(pool, call, 31)
    pool.wait_until(200)

    assert pool.contact(call.interaction_id).state == "waiting"
    assert pool.contact(call.interaction_id).aged_since == at(0)


def test_who_waited_too_long_may_leave_a_message_instead() -> None:
    pool = waiting("c1", "c2")
    away = {"after_s": 30, "instead": "voicemail", "when": "contact.priority > 1"}
    pool.tell(cases.strategy(overflow=[away]), 2)

    (gone, *_) = pool.wait_until(30)

    assert isinstance(gone, routing.ContactDiverted)
    assert (gone.contact_id, gone.to, gone.waited_ms) == ("c1", "voicemail", 30_000)
    assert pool.tell(cases.queued("c1"), 31) == []  # it has left, and does not come again
    assert pool.tell(cases.withdrawn("c1"), 32) == []


@pytest.mark.parametrize("way", [{"after_s": 5}, {"after_s": 5, "to": "vip", "instead": "callback"}])
def test_a_way_out_leads_to_one_thing(way: dict[str, Any]) -> None:
    _, problems = checking.examine({"strategy_id": "s", "queues": ["*"], "overflow": [way]})

    assert [each.path for each in problems if each.severity == "error"] == ["overflow.0"]


PEOPLE = tuple(Identity(kind="phone", value=f"+861380000000{number}") for number in range(3))
doings = st.lists(
    st.tuples(
        st.sampled_from(
            ("join", "ask", "ask", "later", "queue", "accept", "leave", "cancel", "wait", "staff")
        ),
        st.integers(0, 2),
        st.sampled_from((0.0, 1.0, 20.0, 400.0)),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(doings)
def test_nobody_is_called_twice_at_once_or_for_nothing(some: list[tuple[str, int, float]]) -> None:
    pool = floor(cases.service(wrap_up_s=0))
    seconds = 0.0
    begun: list[interaction.Started] = []
    whose: dict[str, int] = {}
    for number, (what, who, gap) in enumerate(some):
        seconds += gap
        facts = pool.wait_until(seconds)
        callback_id, contact_id = f"cb{number}", f"c{who}"
        open_ids = sorted(pool.pool.callbacks)
        match what:
            case "join":
                facts += pool.tell(cases.queued(contact_id), seconds)
            case "ask" | "later":
                whose[callback_id] = who
                there = contact_id if contact_id in pool.pool.contacts else ""
                due = at(seconds + 300) if what == "later" else None
                pii = {"identities": (PEOPLE[who],)}
                facts += pool.tell(asked(callback_id, there, due_at=due, pii=pii), seconds)
            case "queue" if begun:
                facts += queue_up(pool, begun.pop(0), seconds)
            case "accept":
                for contact in list(pool.pool.contacts.values()):
                    if contact.state == "offered":
                        facts += pool.accept(contact.contact_id, seconds)
            case "leave":
                for gone in (contact_id, *open_ids[:1]):
                    facts += pool.tell(cases.withdrawn(gone), seconds)
            case "cancel" if open_ids:
                facts += pool.tell(cancelled(open_ids[who % len(open_ids)]), seconds)
            case "staff":
                pool.tell(cases.configured("ana"), seconds)
                pool.tell(cases.signed_in("ana"), seconds)
                facts += pool.tell(cases.ready("ana"), seconds)
        begun += calls(facts)

        open_of = Counter(whose[each] for each in pool.pool.callbacks)
        assert max(open_of.values(), default=0) <= 1
    pool.wait_until(seconds + 1000)

    started = Counter(
        each.data.interaction_id for each in pool.told if isinstance(each.data, interaction.Started)
    )
    assert max(started.values(), default=0) <= 1
    over: dict[str, datetime] = {}
    for each in pool.told:
        if isinstance(each.data, routing.CallbackCancelled):
            over[each.data.callback_id] = each.time
        if isinstance(each.data, interaction.Started):
            assert each.data.interaction_id not in over, "called after it was cancelled"
        if isinstance(each.data, routing.AgentOffered):
            assert each.data.callback == (each.data.contact_id in whose)
            assert each.data.contact_id not in over
    for contact in pool.pool.contacts.values():
        assert contact.is_callback == (contact.contact_id in whose)
