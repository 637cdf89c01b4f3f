"""What a dialogue makes of events in any order: tables without network, clock or store."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from libs.errors import Conflict, NotFound
from libs.events import interaction, ivr, queue, session
from libs.events.base import AnyEvent, Event, Fact, Identity, Tick
from libs.events.interaction import StartedPii
from services.ivr.domain import checking, publishing
from services.ivr.domain.deciding import LookedUp, decide
from services.ivr.domain.dialogue import MOST_EARLY, Dialogue, FlowNotAtHand, Flows, Pin
from services.ivr.domain.flow import Flow
from services.ivr.domain.publishing import FlowRecord, Publish, RollBack

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
FOLDER = Path(__file__).parents[1] / "flows"
PIN = Pin("acme", "demo-bank", 1)


def demo() -> Flow:
    flow, _ = checking.read((FOLDER / "demo_bank.yaml").read_text("utf-8"))
    assert flow is not None
    return flow


FLOWS = Flows({PIN: demo()}, {("acme", "web-chat"): PIN})
BEGAN = session.Started(
    session_id="s-1", interaction_id="i-1", channel="chat", entry_point="web-chat", language="en"
)
LEFT = interaction.Ended(interaction_id="i-1", by="customer")


def said(text: str) -> interaction.MessageSent:
    return interaction.MessageSent(
        interaction_id="i-1", message_id="m", author="customer", pii=interaction.MessagePii(text=text)
    )


def pressed(key: str) -> interaction.InputReceived:
    return interaction.InputReceived(interaction_id="i-1", kind="key", pii=interaction.InputPii(value=key))


def answered(dialogue: Dialogue, **values: str | int) -> LookedUp:
    assert dialogue.asked is not None
    result = "found" if values else "missing"
    return LookedUp.model_validate(
        {"interaction_id": "i-1", "ask_id": dialogue.asked.ask_id, "result": result, "values": values}
    )


class Story:
    """Takes facts one after the other and keeps what followed."""

    def __init__(self, flows: Flows = FLOWS) -> None:
        self.dialogue = Dialogue("i-1")
        self.events: list[AnyEvent] = []
        self._flows = flows
        self._count = 0

    def take(self, data: Fact, *, at: datetime = NOON) -> "Story":
        self._count += 1
        journey_id = "" if isinstance(data, Tick) else f"j-{type(data).__name__}"
        event: AnyEvent = Event(f"e-{self._count}", "acme", at, data, journey_id)
        self.dialogue, facts = decide(self.dialogue, event, at, self._flows)
        self.events.extend(facts)
        return self

    def take_answer(self, **values: str | int) -> "Story":
        return self.take(answered(self.dialogue, **values))

    def wait(self) -> "Story":
        assert self.dialogue.deadline is not None
        return self.take(Tick(of="i-1"), at=self.dialogue.deadline)

    @property
    def told(self) -> list[str]:
        return [type(event.data).__name__ for event in self.events]

    @property
    def last(self) -> Fact:
        return self.events[-1].data


def test_greets_by_name_and_asks() -> None:
    story = Story().take(BEGAN).take_answer(id="c-1", name="Ann", vip_level=0)

    prompts = [event.data for event in story.events if isinstance(event.data, ivr.PromptRequested)]
    assert prompts[0].pii.text == "Welcome to Demo Bank, Ann."
    assert [choice.key for choice in prompts[1].choices] == ["1", "2", "3", "4", "0"]
    assert isinstance(story.last, ivr.InputExpected)
    assert story.dialogue.status == "waiting"
    assert story.dialogue.customer_id == "c-1"


def test_tells_every_fact_in_the_sessions_journey_with_an_id_of_its_own() -> None:
    story = Story().take(BEGAN).take_answer().wait().wait().wait()

    assert {event.journey_id for event in story.events} == {"j-Started"}
    assert len({event.id for event in story.events}) == len(story.events)
    prompt_ids = [e.data.prompt_id for e in story.events if isinstance(e.data, ivr.PromptRequested)]
    assert len(set(prompt_ids)) == len(prompt_ids)


@pytest.mark.parametrize(
    ("facts", "outcome", "queue_id"),
    [
        ((pressed("3"), BEGAN), "queue", "sales"),
        ((said("hello"), pressed("3"), BEGAN), "queue", "sales"),
        ((said("human"), BEGAN), "queue", "service"),
        ((BEGAN, pressed("3")), "queue", "sales"),
    ],
    ids=["early", "early after a greeting", "early word for a person", "while looking up"],
)
def test_keeps_what_was_said_before_it_was_asked_for(
    facts: Sequence[Fact], outcome: str, queue_id: str
) -> None:
    story = Story()
    for fact in facts:
        story.take(fact)

    story.take_answer()

    assert isinstance(story.last, ivr.DialogueCompleted)
    assert (story.last.outcome, story.last.queue_id) == (outcome, queue_id)


def test_keeps_no_more_early_words_than_it_can_use() -> None:
    story = Story()
    for _ in range(MOST_EARLY + 5):
        story.take(said("x" * 5000))

    assert len(story.dialogue.early) == MOST_EARLY
    assert len(story.dialogue.early[0].value) == 2000


@pytest.mark.parametrize("facts", [(LEFT, BEGAN), (BEGAN, LEFT)], ids=["before", "while looking up"])
def test_notes_who_left(facts: Sequence[Fact]) -> None:
    story = Story()
    for fact in facts:
        story.take(fact)

    assert isinstance(story.last, ivr.DialogueCompleted)
    assert story.last.outcome == "abandoned"
    assert story.dialogue.deadline is None


@pytest.mark.parametrize("fact", [BEGAN, LEFT, pressed("1"), said("human"), Tick(of="i-1")])
def test_is_over_for_good(fact: Fact) -> None:
    story = Story().take(BEGAN).take(LEFT)
    before = story.dialogue, list(story.events)

    story.take(fact)

    assert (story.dialogue, story.events) == before


def test_fails_where_no_flow_is_bound_to_the_entry_point() -> None:
    story = Story(Flows()).take(BEGAN)

    assert isinstance(story.last, ivr.DialogueCompleted)
    assert (story.last.outcome, story.last.reason, story.told) == ("failed", "no_flow", ["DialogueCompleted"])


def test_asks_for_a_flow_that_is_not_at_hand() -> None:
    with pytest.raises(FlowNotAtHand) as missing:
        Story(Flows({}, FLOWS.bound)).take(BEGAN)

    assert missing.value.pin == PIN


def test_fails_where_its_flow_is_lost() -> None:
    story = Story().take(BEGAN).take_answer()
    story._flows = Flows({PIN: None})

    story.take(pressed("1"))

    assert isinstance(story.last, ivr.DialogueCompleted)
    assert (story.last.outcome, story.last.reason) == ("failed", "flow_lost")


def test_begins_no_dialogue_for_a_contact_served_outside() -> None:
    story = Story().take(BEGAN.model_copy(update={"distribution": "external"}))

    assert (story.dialogue.status, story.events) == ("expected", [])


def test_looks_up_once_more_before_it_goes_on_without() -> None:
    story = Story().take(BEGAN)
    first = story.dialogue.asked

    story.wait()
    second = story.dialogue.asked
    assert first is not None
    assert second is not None
    assert (second.attempt, second.ask_id == first.ask_id) == (2, False)
    story.wait()

    assert story.dialogue.node_id == "main_menu"


def test_takes_no_answer_to_an_older_question() -> None:
    story = Story().take(BEGAN)
    late = answered(story.dialogue, id="c-1")

    story.wait().take(late)

    assert story.dialogue.status == "looking_up"


def test_ignores_a_tick_that_comes_too_soon() -> None:
    story = Story().take(BEGAN).take_answer()
    before = story.dialogue

    story.take(Tick(of="i-1"), at=NOON + timedelta(seconds=59))

    assert story.dialogue == before


def test_never_shows_what_is_sensitive() -> None:
    story = Story().take(BEGAN).take_answer().take(pressed("1")).take(pressed("1234"))
    assert story.dialogue.variables["card_last4"] == "1234"

    story.take_answer()

    assert isinstance(story.last, ivr.DialogueCompleted)
    assert story.last.pii.collected == {"topic": "1", "card_last4": "****"}
    assert "1234" not in repr(story.dialogue)


def test_lets_strategies_know_what_the_flow_names_and_nothing_secret() -> None:
    asking = Flow.model_validate(
        {
            "flow_id": "funds",
            "languages": ["en"],
            "start": "known",
            "variables": {"amount": 5000, "note": "x" * 300},
            "nodes": {
                "known": {"kind": "set", "values": {"product": "fund"}, "next": "ask"},
                "ask": {
                    "kind": "collect",
                    "say": {"en": "Your card?"},
                    "save_as": "card",
                    "sensitive": True,
                    "timeout_s": 10,
                    "next": "agent",
                    "on_timeout": "agent",
                    "on_invalid": "agent",
                },
                "agent": {
                    "kind": "queue",
                    "queue_id": "funds",
                    "deadline_s": 90,
                    "attributes": {
                        "product": "product",
                        "amount": "amount",
                        "note": "note",
                        "card": "card",
                        "unset": "nothing",
                    },
                },
            },
        }
    )
    pin = Pin("acme", "funds", 1)

    story = Story(Flows({pin: asking}, {("acme", "web-chat"): pin})).take(BEGAN).take(pressed("1234"))

    assert isinstance(story.last, ivr.DialogueCompleted)
    assert story.last.attributes == {"product": "fund", "amount": 5000, "note": "x" * 256}
    assert story.last.deadline_s == 90


CALLING_BACK = {
    "flow_id": "busy",
    "languages": ["en"],
    "start": "ask",
    "nodes": {
        "ask": {
            "kind": "collect",
            "say": {"en": "Your number?"},
            "save_as": "number",
            "timeout_s": 10,
            "next": "typed",
            "on_timeout": "known",
            "on_invalid": "known",
        },
        "typed": {
            "kind": "callback",
            "queue_id": "service",
            "number": "number",
            "priority": 3,
            "next": "bye",
        },
        "known": {"kind": "callback", "queue_id": "service", "reason": "{{ channel }}", "next": "bye"},
        "bye": {"kind": "end", "say": {"en": "We will call you."}, "reason": "callback"},
    },
}


@pytest.mark.parametrize("typed", ["+8613800000009", ""])
def test_asks_for_a_callback_to_the_number_typed_or_known(typed: str) -> None:
    pin, flow = Pin("acme", "busy", 1), Flow.model_validate(CALLING_BACK)
    assert checking.problems_of(flow) == []
    phone = Identity(kind="phone", value="+8613900000001")
    began = BEGAN.model_copy(update={"pii": StartedPii(identities=(phone,)), "customer_id": "cu"})

    story = Story(Flows({pin: flow}, {("acme", "web-chat"): pin})).take(began)
    if typed:
        story.take(pressed(typed))
    while story.dialogue.status != "completed":
        story.wait()

    (asked,) = [each.data for each in story.events if isinstance(each.data, queue.CallbackRequested)]
    assert [each.value for each in asked.pii.identities] == [typed or phone.value]
    assert (asked.queue_id, asked.continues_id, asked.customer_id) == ("service", "i-1", "cu")
    assert (asked.priority, asked.reason, asked.by) == ((3, "", "busy") if typed else (0, "chat", "busy"))
    assert isinstance(story.last, ivr.DialogueCompleted)
    assert (story.last.outcome, story.last.reason) == ("self_served", "callback")


def test_has_no_part_in_what_goes_straight_to_a_queue() -> None:
    story = Story().take(BEGAN.model_copy(update={"queue_id": "service"}))

    assert story.told == []


def test_goes_on_with_a_person_when_the_flow_runs_in_a_circle() -> None:
    circle = Flow.model_validate(
        {
            "flow_id": "circle",
            "languages": ["en"],
            "start": "a",
            "on_error": "agent",
            "nodes": {
                "a": {"kind": "goto", "next": "b"},
                "b": {"kind": "goto", "next": "a"},
                "agent": {"kind": "queue", "queue_id": "service"},
            },
        }
    )
    pin = Pin("acme", "circle", 1)

    story = Story(Flows({pin: circle}, {("acme", "web-chat"): pin})).take(BEGAN)

    assert isinstance(story.last, ivr.DialogueCompleted)
    assert (story.last.outcome, story.last.queue_id, len(story.last.path)) == ("queue", "service", 50)


def test_fails_in_a_circle_without_a_way_out() -> None:
    circle = Flow.model_validate(
        {"flow_id": "c", "languages": ["en"], "start": "a", "nodes": {"a": {"kind": "goto", "next": "a"}}}
    )
    pin = Pin("acme", "c", 1)

    story = Story(Flows({pin: circle}, {("acme", "web-chat"): pin})).take(BEGAN)

    assert isinstance(story.last, ivr.DialogueCompleted)
    assert (story.last.outcome, story.last.reason) == ("failed", "too_many_steps")


def command(name: str, data: Fact) -> AnyEvent:
    return Event(name, "acme", NOON, data, "")


def test_publishes_versions_and_rolls_back_by_a_new_one() -> None:
    record = FlowRecord("f")
    for name, data in (
        ("c-1", Publish(flow_id="f", digest="one", entry_points=("a",), expected_version=0)),
        ("c-2", Publish(flow_id="f", digest="two", entry_points=("*",), expected_version=1)),
        ("c-3", RollBack(flow_id="f", version=1)),
    ):
        record, facts = publishing.decide(record, command(name, data), NOON)
        assert facts == ()

    assert [(each.version, each.digest, each.rolled_back_to) for each in record.versions] == [
        (1, "one", 0),
        (2, "two", 0),
        (3, "one", 1),
    ]
    assert (record.binds("a"), record.binds("b")) == (2, 0)
    assert record.made_by("c-2").version == 2


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (Publish(flow_id="f", digest="d", expected_version=3), Conflict),
        (RollBack(flow_id="f", version=1), NotFound),
        (RollBack(flow_id="f", version=0), NotFound),
        (RollBack(flow_id="f", version=-1), NotFound),
    ],
)
def test_refuses_other_versions_than_there_are(data: Fact, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        publishing.decide(FlowRecord("f"), command("c", data), NOON)
