"""What a session decides, event by event."""

from typing import Any

import pytest

from libs.events import interaction, queue, routing
from libs.events import session as told
from libs.events.base import AnyEvent
from services.session.domain.session import SessionIsClosed, decider
from services.session.domain.state import Rules, due
from services.session.tests.making import (
    NOON,
    ROUTED,
    RULES,
    assigned,
    at,
    completed,
    ended,
    event,
    identified,
    prepared,
    queued,
    released,
    run,
    started,
    survey,
    tick,
)

CONNECTED = [started(), prepared(1), queued(2), assigned(6)]
HANDLED = [*CONNECTED, ended(60, by="agent"), released(61)]


def names(facts: list[AnyEvent]) -> list[str]:
    return [f"{each.type.split('.')[1]}.{each.type.split('.')[2]}" for each in facts]


def routed(fact: Any, seconds: float, **said: Any) -> AnyEvent:
    return event(fact(**ROUTED, **said), seconds)


ABANDONED = routed(routing.ContactAbandoned, 4, waited_ms=2000)
REJECTED = routed(routing.ContactRejected, 4, reason="queue_full")

CASES: dict[str, tuple[list[AnyEvent], list[str]]] = {
    "opens with its first interaction": ([started()], ["session.started"]),
    "does not begin by anything else": ([ended(1)], []),
    "resumes with another interaction": (
        [started(), started(5, "i-2", channel="voice")],
        ["session.resumed"],
    ),
    "takes a start told twice under two ids once": ([started(), started(5)], []),
    "tells who the customer is": ([started(), prepared(1)], ["session.customer_identified"]),
    "says nothing of a customer nobody knows": ([started(), prepared(1, "")], []),
    "identifies a customer once": ([started(), prepared(1), prepared(2)], []),
    "queues at once where the customer is known": (
        [started(), prepared(1), queued(2)],
        ["queue.contact_queued"],
    ),
    "queues at once where nobody knows the customer": (
        [started(), prepared(1, ""), queued(2)],
        ["queue.contact_queued"],
    ),
    "holds the contact back while the customer is looked up": ([started(), queued(2)], []),
    "queues a held contact when the customer becomes known": (
        [started(), queued(2), prepared(2.1)],
        ["session.customer_identified", "queue.contact_queued"],
    ),
    "queues a held contact when time is up": (
        [started(), queued(2), tick(2.3)],
        ["queue.contact_queued"],
    ),
    "does not queue twice": ([started(), prepared(1), queued(2), queued(3)], []),
    "does not queue who has left": (
        [started(), prepared(1), ended(1.5), queued(2)],
        ["session.contact_closed"],
    ),
    "closes a held contact whose customer leaves": (
        [started(), queued(2), ended(2.1)],
        ["session.contact_closed"],
    ),
    "closes what self-service solved": (
        [started(), completed(3, "self_served", reason="balance")],
        ["session.self_service_completed", "session.contact_closed"],
    ),
    "closes what failed": ([started(), completed(3, "failed")], ["session.contact_closed"]),
    "closes what names no queue": ([started(), completed(3, "queue")], ["session.contact_closed"]),
    "waits for the dialogue's word when the customer leaves": ([started(), ended(2)], []),
    "closes by the dialogue's word": (
        [started(), ended(2), completed(2.1, "abandoned")],
        ["session.contact_closed"],
    ),
    "counts as self-served what was solved before the end was known": (
        [started(), ended(2), completed(2.1, "self_served")],
        ["session.self_service_completed", "session.contact_closed"],
    ),
    "closes without the dialogue's word in the end": (
        [started(), ended(2), tick(7)],
        ["session.contact_closed"],
    ),
    "closes once": ([started(), completed(2, "abandoned"), ended(3)], []),
    "withdraws a queued contact": ([started(), prepared(1), queued(), ended(4)], ["queue.contact_withdrawn"]),
    "withdraws once": (
        [started(), prepared(1), queued(), ended(4), ended(5)],
        [],
    ),
    "closes an abandoned contact": (
        [started(), prepared(1), queued(), ended(4), ABANDONED],
        ["session.contact_closed"],
    ),
    "closes a rejected contact": (
        [started(), prepared(1), queued(), REJECTED],
        ["session.contact_closed"],
    ),
    "connects": (CONNECTED, ["session.connected", "session.participant_joined"]),
    "lets the agent go on transfer": (
        [
            *CONNECTED,
            routed(routing.ContactTransferred, 9, agent_id="agent1", to_queue_id="vip", talked_ms=1),
        ],
        ["session.participant_left"],
    ),
    "lets a lost agent go": (
        [*CONNECTED, routed(routing.ContactRequeued, 9, cause="agent_lost", agent_id="agent1")],
        ["session.participant_left"],
    ),
    "stays as it is when an offer is declined": (
        [started(), prepared(1), queued(), routed(routing.ContactRequeued, 9, cause="declined")],
        [],
    ),
    "withdraws a connected contact": ([*CONNECTED, ended(60)], ["queue.contact_withdrawn"]),
    "closes a handled contact and asks how it was": (
        HANDLED,
        ["session.participant_left", "session.contact_closed", "session.survey_requested"],
    ),
    "closes who was assigned while he left by what routing made of it": (
        [started(), prepared(1), queued(), ended(4), assigned(4), released(5)],
        ["session.participant_left", "session.contact_closed", "session.survey_requested"],
    ),
    "closes a handled contact once": ([*HANDLED, released(62)], []),
    "is not reopened by a late fact of routing": ([*HANDLED, assigned(63)], []),
    "takes the wrap-up of a closed contact": (
        [*HANDLED, routed(routing.ContactWrappedUp, 70, agent_id="agent1", wrap_up_ms=9, codes=("card",))],
        ["session.wrapped_up"],
    ),
    "takes the survey": ([*HANDLED, survey(90)], ["session.survey_answered"]),
    "takes the survey once": ([*HANDLED, survey(90), survey(91)], []),
    "takes the survey of a closed session": (
        [*HANDLED, tick(61 + 1800), survey(4000)],
        ["session.survey_answered"],
    ),
    "refuses a survey that is too late": ([*HANDLED, survey(61 + 86_401)], []),
    "refuses a survey nobody asked for": ([started(), completed(2, "failed"), survey(3)], []),
    "keeps a survey that comes before the question": (
        [*CONNECTED, ended(60), survey(60.5), released(61)],
        [
            "session.participant_left",
            "session.contact_closed",
            "session.survey_requested",
            "session.survey_answered",
        ],
    ),
    "closes by inactivity": ([*HANDLED, tick(61 + 1800)], ["session.closed"]),
    "does not close before its time": ([*HANDLED, tick(61 + 1799)], []),
    "does not close while a contact lives": ([*CONNECTED, tick(6 + 1801)], []),
    "closes once by inactivity": ([*HANDLED, tick(1861), tick(4000)], []),
    "withdraws a contact nobody hears of": ([*CONNECTED, tick(6 + 86_400)], ["queue.contact_withdrawn"]),
    "fails a dialogue nobody hears of": ([started(), tick(86_400)], ["session.contact_closed"]),
    "ignores a contact it does not have": (
        [started(), event(interaction.Ended(interaction_id="i-9", by="customer"), 1)],
        [],
    ),
}


@pytest.mark.parametrize(("events", "expected"), CASES.values(), ids=CASES.keys())
def test_it(events: list[AnyEvent], expected: list[str]) -> None:
    _, facts = run(events)

    assert names(facts[-1]) == expected


@pytest.mark.parametrize(
    ("events", "outcome", "reason"),
    [
        ([started(), completed(2, "self_served")], "self_served", ""),
        ([started(), completed(2, "abandoned")], "abandoned_in_ivr", ""),
        ([started(), ended(2), tick(7)], "abandoned_in_ivr", "left_in_self_service"),
        ([started(), queued(2), ended(2.1)], "abandoned_in_ivr", "left_before_queue"),
        ([started(), completed(2, "failed", reason="loop")], "failed", "loop"),
        ([started(), completed(2, "queue")], "failed", "no_queue"),
        ([started(), queued(), ABANDONED], "abandoned_in_queue", "customer"),
        ([started(), queued(), REJECTED], "rejected", "queue_full"),
        (HANDLED, "handled", "customer"),
        ([started(), tick(86_400)], "failed", "stale"),
    ],
)
def test_it_names_the_one_outcome_of_a_contact(events: list[AnyEvent], outcome: str, reason: str) -> None:
    session, facts = run(events)

    (closed,) = [
        each.data for told_now in facts for each in told_now if type(each.data) is told.ContactClosed
    ]
    assert (closed.outcome, closed.reason) == (outcome, reason)
    assert session.contacts[0].phase == "closed"
    assert session.idle


def test_it_gives_the_queue_all_that_is_known_by_then() -> None:
    _, facts = run([started(language="zh-CN"), prepared(1, agent="agent7"), queued(2)])

    (fact,) = facts[-1]
    assert fact.data == queue.ContactQueued(
        pool_id="main",
        contact_id="i-1",
        session_id="s-1",
        queue_id="service",
        channel="chat",
        priority=3,
        vip_level=2,
        language="zh-CN",
        customer_id="c-1",
        preferred_agent_id="agent7",
        preferred_for_s=5,
        reason="card",
    )
    assert fact.journey_id == "j-1"


RECORD: dict[str, Any] = {"then_agent_ids": ("agent8", "agent9"), "exclusive": True, "value": 5000.0}
SAID: dict[str, Any] = {"attributes": {"product": "fund"}, "deadline_s": 90.0}


@pytest.mark.parametrize(
    ("rules", "agent", "insisted", "exclusive"),
    [
        (RULES, "agent7", [("agent8", 5)], True),
        (RULES, "", [("agent8", 5)], False),
        (Rules(last_agents=0), "agent7", [], True),
        (Rules(last_agents=2, preferred_for_s=9), "agent7", [("agent8", 9), ("agent9", 9)], True),
        (Rules(preferred_for_s=0), "agent7", [], True),
    ],
)
def test_it_hands_on_what_the_record_and_the_flow_have_for_routing(
    rules: Rules, agent: str, insisted: list[tuple[str, float]], exclusive: bool
) -> None:
    events = [started(), prepared(1, agent=agent, **RECORD), completed(2, queue_id="service", **SAID)]

    _, facts = run(events, rules)

    (fact,) = facts[-1]
    assert isinstance(fact.data, queue.ContactQueued)
    assert [(each.agent_id, each.for_s) for each in fact.data.then_preferred] == insisted
    assert (fact.data.exclusive, fact.data.value) == (exclusive, 5000.0)
    assert (fact.data.deadline, fact.data.attributes) == (at(92), {"product": "fund"})


def test_it_tells_facts_of_a_tick_in_the_journey_of_the_session() -> None:
    _, facts = run([*HANDLED, tick(1861)])

    assert {each.journey_id for each in facts[-1]} == {"j-1"}


def test_it_refuses_to_resume_once_closed() -> None:
    session, _ = run([*HANDLED, tick(1861)])

    with pytest.raises(SessionIsClosed):
        decider(RULES)(session, started(1900, "i-2"), at(1900))


def test_it_learns_identities_without_claiming_them() -> None:
    session, _ = run([started(visitor_id="v-1", identities=()), identified("v-1", 1)])

    assert [each.value for each in session.identities] == ["+8613800138000"]
    assert len(session.opening_keys) == 1


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([started()], 86_400),
        ([started(), queued(2)], 2.3),
        ([started(), ended(2)], 7),
        (HANDLED, 61 + 1800),
        ([*HANDLED, tick(1861)], None),
    ],
)
def test_it_wants_to_hear_of_time(events: list[AnyEvent], expected: float | None) -> None:
    session, _ = run(events)

    assert due(session, Rules()) == (None if expected is None else at(expected))


def test_it_keeps_who_took_part_and_for_how_long() -> None:
    session, _ = run(HANDLED)

    parts = [(each.participant_id, each.joined_at, each.left_at) for each in session.participants]
    assert parts == [("customer", NOON, at(60)), ("agent1", at(6), at(61))]


def test_it_queues_at_once_what_names_a_queue() -> None:
    call = started(0, queue_id="sales", pool_id="north", direction="outbound", language="en")

    session, facts = run([call, prepared(0.1, agent="agent7")])

    (began,) = facts[0]
    assert isinstance(began.data, told.Started)
    assert (began.data.queue_id, began.data.direction) == ("sales", "outbound")
    assert session.contacts[0].phase == "queued"
    (fact,) = [each.data for each in facts[1] if isinstance(each.data, queue.ContactQueued)]
    assert (fact.queue_id, fact.pool_id, fact.language) == ("sales", "north", "en")
    assert (fact.customer_id, fact.vip_level, fact.preferred_agent_id) == ("c-1", 2, "agent7")


def test_it_waits_only_so_long_for_who_it_is() -> None:
    session, facts = run([started(0, queue_id="sales"), tick(0.3)])

    assert [type(each.data) for each in facts[1]] == [queue.ContactQueued]
    assert session.contacts[0].pool_id == "main"


def test_an_outside_acd_queues_for_itself() -> None:
    _, facts = run([started(0, queue_id="sales", distribution="external")])

    (began,) = facts[0]
    assert isinstance(began.data, told.Started)
    assert began.data.queue_id == ""


def test_it_closes_a_contact_that_went_past_agents() -> None:
    gone = routed(routing.ContactDiverted, 9, to="callback", waited_ms=7000, callback_id="cb")
    left = ended(20)

    session, facts = run([started(), prepared(1), queued(2), gone, left])

    (closed,) = [each.data for each in facts[3] if isinstance(each.data, told.ContactClosed)]
    assert (closed.outcome, closed.reason) == ("overflowed", "callback")
    assert [type(each.data) for each in facts[4]] == []
    assert session.idle
