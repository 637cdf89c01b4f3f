"""Conversations: who is told what about which fact, in any order of the topics."""

from datetime import timedelta
from typing import Any

import pytest

from gateway import folding
from gateway.conversation import MOST_LINES, Conversation
from gateway.frames import Frame
from gateway.tests.making import NOON, event
from libs.events import interaction, ivr, routing, session
from libs.events.base import Fact, Identity

CONTACT: dict[str, Any] = {
    "session_id": "se-1",
    "contact_id": "in-1",
    "pool_id": "main",
    "queue_id": "service",
    "channel": "chat",
}
STARTED = interaction.Started(
    interaction_id="in-1",
    channel="chat",
    entry_point="web-chat",
    visitor_id="v-1",
    context={"a.b": 2**70, "$x": None},
    pii=interaction.StartedPii(identities=(Identity(kind="phone", value="+8613800000001"),)),
)
OFFERED = routing.AgentOffered(
    **CONTACT, offer_id="of-1", agent_id="ana", waited_ms=2000, expires_at=NOON + timedelta(seconds=15)
)
ASSIGNED = routing.ContactAssigned(**CONTACT, offer_id="of-1", agent_id="ana", waited_ms=2500)
RELEASED = routing.ContactReleased(**CONTACT, agent_id="ana", talked_ms=60_000)
WRAPPED_UP = routing.ContactWrappedUp(**CONTACT, agent_id="ana", codes=("card",), wrap_up_ms=5000)
TRANSFERRED = routing.ContactTransferred(**CONTACT, agent_id="ana", to_queue_id="vip", talked_ms=9)
ENDED = interaction.Ended(interaction_id="in-1", by="customer")
PROMPT = ivr.PromptRequested(
    session_id="se-1",
    interaction_id="in-1",
    prompt_id="p-1",
    node_id="menu",
    language="en",
    choices=(ivr.Choice(key="1", label="Balance"),),
    pii=ivr.PromptPii(text="What can I do?"),
)
CLOSED = session.ContactClosed(session_id="se-1", interaction_id="in-1", channel="chat", outcome="handled")


def said(text: str, author: Any = "customer", number: int = 1) -> interaction.MessageSent:
    return interaction.MessageSent(
        interaction_id="in-1",
        message_id=f"m-{number}",
        author=author,
        pii=interaction.MessagePii(text=text),
    )


def fold(*facts: Fact) -> tuple[Conversation, list[Frame]]:
    state, told = Conversation("in-1"), []
    for number, fact in enumerate(facts, 1):
        state, frames = folding.decide(state, event(fact, number=number, seconds=number), NOON)
        assert len({frame.id for frame in frames}) == len(frames)
        told = [frame.data for frame in frames if isinstance(frame.data, Frame)]
    return state, told


def addressed(frames: list[Frame]) -> list[tuple[str, str]]:
    return sorted((frame.stream, frame.kind) for frame in frames)


ME, CUSTOMER, LEADS = "agent:ana", "interaction:in-1", "supervisors"
ANNOUNCED = routing.AnnouncementDue(
    **CONTACT,
    announcement_id="place",
    kind="position",
    number=2,
    due_at=NOON,
    language="en",
    text="You are number 2.",
    position=2,
)
TOLD: list[tuple[list[Fact], list[tuple[str, str]]]] = [
    ([STARTED], [(CUSTOMER, "started"), (LEADS, "contact")]),
    ([STARTED, PROMPT], [(CUSTOMER, "prompt")]),
    ([STARTED, said("hello")], [(CUSTOMER, "message")]),
    (
        [STARTED, routing.ContactEnqueued(**CONTACT)],
        [(CUSTOMER, "queued"), (LEADS, "contact")],
    ),
    (
        [STARTED, routing.WaitEstimated(**CONTACT, position=2, estimated_wait_ms=9000)],
        [(CUSTOMER, "wait")],
    ),
    (
        [STARTED, routing.ContactDiverted(**CONTACT, to="voicemail", waited_ms=9)],
        [(CUSTOMER, "diverted"), (LEADS, "contact")],
    ),
    ([STARTED, ANNOUNCED], [(CUSTOMER, "message")]),
    ([STARTED.model_copy(update={"channel": "voice"}), ANNOUNCED], [(CUSTOMER, "announcement")]),
    ([STARTED, ANNOUNCED.model_copy(update={"text": ""})], [(CUSTOMER, "announcement")]),
    ([STARTED, OFFERED], [(ME, "offer"), (CUSTOMER, "offered"), (LEADS, "contact")]),
    (
        [
            STARTED,
            OFFERED,
            ASSIGNED,
            routing.ContactRequeued(**CONTACT, cause="agent_lost", agent_id="ana", talked_ms=9, by="sue"),
        ],
        [(ME, "taken_back"), (CUSTOMER, "requeued"), (LEADS, "contact")],
    ),
    (
        [
            STARTED,
            OFFERED,
            ASSIGNED,
            routing.ContactRequeued(**CONTACT, cause="agent_lost", agent_id="ana", talked_ms=9),
        ],
        [(CUSTOMER, "requeued"), (LEADS, "contact")],
    ),
    (
        [STARTED, OFFERED, routing.OfferExpired(**CONTACT, offer_id="of-1", agent_id="ana")],
        [(ME, "offer_expired"), (LEADS, "contact")],
    ),
    (
        [STARTED, OFFERED, routing.OfferWithdrawn(**CONTACT, offer_id="of-1", agent_id="ana")],
        [(ME, "offer_withdrawn"), (LEADS, "contact")],
    ),
    ([STARTED, ASSIGNED], [(ME, "assigned"), (CUSTOMER, "agent_joined"), (LEADS, "contact")]),
    ([STARTED, ASSIGNED, said("hello")], [(ME, "message"), (CUSTOMER, "message")]),
    ([STARTED, ASSIGNED, ENDED], [(ME, "ended"), (CUSTOMER, "ended")]),
    ([STARTED, ASSIGNED, RELEASED], [(ME, "released"), (CUSTOMER, "agent_left"), (LEADS, "contact")]),
    (
        [STARTED, ASSIGNED, TRANSFERRED],
        [(ME, "released"), (CUSTOMER, "transferred"), (LEADS, "contact")],
    ),
    ([STARTED, ASSIGNED, RELEASED, WRAPPED_UP], [(ME, "wrapped_up"), (LEADS, "contact")]),
    ([STARTED, ASSIGNED, RELEASED, WRAPPED_UP, said("late")], [(CUSTOMER, "message")]),
    ([STARTED, ASSIGNED, TRANSFERRED, WRAPPED_UP, ENDED], [(CUSTOMER, "ended")]),
    ([STARTED, CLOSED], [(CUSTOMER, "closed"), (LEADS, "contact")]),
]


@pytest.mark.parametrize(("facts", "frames"), TOLD)
def test_it_tells_each_of_the_last_fact_what_concerns_him(
    facts: list[Fact], frames: list[tuple[str, str]]
) -> None:
    assert addressed(fold(*facts)[1]) == sorted(frames)


def test_it_gives_the_agent_the_whole_conversation_so_far() -> None:
    _, frames = fold(STARTED, PROMPT, said("my card is lost"), OFFERED, ASSIGNED)

    told = next(frame.body for frame in frames if frame.kind == "assigned")
    assert [line["text"] for line in told["conversation"]["lines"]] == ["What can I do?", "my card is lost"]
    assert told["conversation"]["context"] == {"a.b": 2**70, "$x": None}
    assert told["waited_ms"] == 2500


@pytest.mark.parametrize(
    "order", [(STARTED, OFFERED, ASSIGNED), (OFFERED, STARTED, ASSIGNED), (OFFERED, ASSIGNED, STARTED)]
)
def test_it_knows_the_same_in_whatever_order_the_topics_are_read(order: tuple[Fact, ...]) -> None:
    state, _ = fold(*order)

    assert (state.visitor_id, state.session_id, state.agents) == ("v-1", "se-1", ("ana",))
    assert state.offers == (("of-1", "ana"),)


def test_it_tells_an_agent_who_answered_too_late_that_the_customer_is_gone() -> None:
    _, frames = fold(STARTED, OFFERED, ENDED, ASSIGNED)

    assert (ME, "ended") in addressed(frames)


def test_it_lets_nobody_take_over_a_conversation_by_starting_it_again() -> None:
    thief = STARTED.model_copy(update={"visitor_id": "v-2"})

    assert fold(STARTED, thief)[0].visitor_id == "v-1"


def test_it_shows_nobody_the_keys_a_caller_presses() -> None:
    pin = interaction.InputReceived(interaction_id="in-1", kind="key", pii=interaction.InputPii(value="4711"))

    state, frames = fold(STARTED, pin)

    assert "4711" not in repr((state, frames))


EXTERNAL = STARTED.model_copy(update={"distribution": "external"})
NOT_WATCHED: list[list[Fact]] = [
    [EXTERNAL],
    [EXTERNAL, interaction.MediaChanged(interaction_id="in-1", change="answered", agent_id="ana")],
    [EXTERNAL, ENDED, CLOSED],
    [said("of an unknown interaction")],
]


@pytest.mark.parametrize("facts", NOT_WATCHED)
def test_it_watches_no_contact_that_an_outside_acd_serves(facts: list[Fact]) -> None:
    assert fold(*facts) == (Conversation("in-1"), [])


def test_it_keeps_the_last_lines_only() -> None:
    state, _ = fold(STARTED, *(said(f"line {n}", number=n) for n in range(MOST_LINES + 5)))

    assert len(state.lines) == MOST_LINES
    assert state.lines[-1].text == f"line {MOST_LINES + 4}"


def test_it_shows_supervisors_no_personal_data() -> None:
    _, frames = fold(STARTED)

    told = next(frame for frame in frames if frame.stream == LEADS)
    assert "138" not in str(told.body)


def test_a_customer_who_waits_reads_what_is_announced() -> None:
    state, (shown,) = fold(STARTED, ANNOUNCED)

    assert (shown.body["text"], shown.body["author"]) == ("You are number 2.", "system")
    assert (shown.body["announcement_id"], shown.body["position"], shown.body["number"]) == ("place", 2, 2)
    assert [(line.author, line.text) for line in state.lines] == [("system", "You are number 2.")]
    assert shown.body["message_id"] == state.lines[0].message_id


def test_an_agent_is_shown_whom_to_call() -> None:
    phone = Identity(kind="phone", value="+8613800000009")
    call = interaction.Started(
        interaction_id="in-1",
        channel="voice",
        direction="outbound",
        entry_point="callback",
        queue_id="service",
        pii=interaction.StartedPii(identities=(phone,)),
    )

    _, frames = fold(call, OFFERED.model_copy(update={"callback": True}))

    (offer,) = [each for each in frames if each.kind == "offer"]
    assert offer.body["callback"] is True
    assert offer.body["conversation"]["call_to"] == [{"kind": "phone", "value": "+8613800000009"}]
    assert fold(STARTED)[0].call_to == ()
