"""What becomes of a conversation as its facts arrive."""

import itertools
import json
from collections.abc import Sequence
from datetime import timedelta

import pytest

from libs.events import recording
from libs.events.base import AnyEvent, Fact, Facts
from services.recording.domain.commands import Forgotten, WriteFailed, Written
from services.recording.domain.transcript import LONGEST_CHARS, Rules, Transcript, decider
from services.recording.keeping import document_of
from services.recording.tests.making import (
    assigned,
    at,
    ended,
    entered,
    event,
    identified,
    joined,
    opened,
    prompted,
    said,
    started,
)

RULES = Rules(grace=timedelta(seconds=2), attempts=3)
decide = decider(RULES)


def after(*events: AnyEvent, start: Transcript | None = None, now: float = 100) -> tuple[Transcript, Facts]:
    transcript, told = start or Transcript("i"), list[AnyEvent]()
    for each in events:
        transcript, facts = decide(transcript, each, at(now))
        told += facts
    return transcript, told


def chat() -> list[AnyEvent]:
    return [
        event(started(), 0),
        event(opened(), 0.1),
        event(prompted("Hello"), 1),
        event(entered("1"), 2),
        event(assigned(), 3),
        event(said("hi", "m1"), 4),
        event(said("hello, I am Ana", "m2", "agent", "ana"), 4),
        event(ended(), 9),
    ]


def test_it_collects_what_was_said_by_all() -> None:
    transcript, told = after(*chat(), event(identified(), 5))

    lines = [(line.speaker, line.participant_id, line.text) for line in transcript.in_order()]
    assert lines == [
        ("bot", "", "Hello\n[1] Balance"),
        ("customer", "", "1"),
        ("customer", "", "hi"),
        ("agent", "ana", "hello, I am Ana"),
    ]
    assert (transcript.session_id, transcript.customer_id, transcript.queue_id) == ("s", "c", "service")
    assert (transcript.agent_ids, transcript.journey_id) == (("ana",), "j-1")
    assert (transcript.begins, transcript.ended_at, transcript.due) == (at(0), at(9), at(102))
    assert told == []


def test_it_writes_the_same_bytes_in_whatever_order_topics_are_read() -> None:
    kinds = ("interaction", "session", "ivr", "routing")
    topics = {name: [e for e in chat() if e.data.topic().endswith(name)] for name in kinds}
    orders = [[e for name in names for e in topics[name]] for names in itertools.permutations(kinds)]

    documents = {document_of(after(*events)[0], "r") for events in orders}

    assert len(documents) == 1
    assert len(json.loads(documents.pop())["lines"]) == 4


@pytest.mark.parametrize(
    ("events", "due"),
    [
        ([], None),
        ([event(started())], None),
        ([event(started()), event(said("hi", "m1"))], None),
        ([event(started()), event(ended(), 9)], None),  # nothing was said: nothing to write
        ([event(ended(), 9)], None),
        ([event(opened()), event(said("hi", "m1")), event(ended(), 9)], 102),
        ([event(said("hi", "m1")), event(ended(), 9)], 130),  # its session may come yet
        ([event(said("hi", "m1")), event(ended(), 9), event(opened(), 0.1)], 102),
        ([event(opened()), event(ended(), 9), event(prompted("Hello"), 1)], 102),
    ],
)
def test_it_is_due_when_something_was_said_and_it_is_over(
    events: Sequence[AnyEvent], due: float | None
) -> None:
    transcript, _ = after(*events)

    assert transcript.due == (None if due is None else at(due))


def test_it_knows_nothing_of_what_only_ended() -> None:
    blank = Transcript("i")

    assert decide(blank, event(ended()), at(0)) == (blank, ())


def test_it_takes_each_message_once() -> None:
    first, _ = after(event(said("hi", "m1"), 1, "a"))

    second, _ = after(event(said("hi", "m1"), 1, "b"), start=first)

    assert second is first


def test_it_hides_card_numbers_whoever_says_them() -> None:
    card = "4111111111111111"
    told = [event(entered(card), 1), event(said(card, "m1"), 2), event(said(card, "m2", "agent", "ana"), 3)]

    transcript, _ = after(*told)

    assert {line.text for line in transcript.lines} == {"************1111"}


def test_it_names_an_attachment() -> None:
    message = said("", "m1").model_copy(update={"attachment_id": "a1"})

    transcript, _ = after(event(message))

    assert transcript.lines[0].text == "[a1]"


def written(transcript: Transcript) -> AnyEvent:
    return event(Written(interaction_id="i", changes=transcript.changes), 200)


def test_it_is_due_again_when_something_comes_late() -> None:
    over, _ = after(*chat())
    kept, _ = after(written(over), start=over)
    assert kept.due is None

    late, _ = after(event(said("wait", "m3"), 10), start=kept, now=300)

    assert late.due == at(302)


def test_it_stays_due_when_something_came_while_it_was_written() -> None:
    over, _ = after(*chat())
    late, _ = after(event(said("wait", "m3"), 10), start=over, now=150)

    kept, _ = after(written(over), start=late)

    assert kept.due == at(152)


def test_it_tries_later_and_later_and_declares_one_gap() -> None:
    transcript, _ = after(*chat())
    dues, told = [], list[AnyEvent]()
    for number in range(12):
        failed = event(WriteFailed(interaction_id="i"), 200, f"f{number}")
        transcript, facts = decide(transcript, failed, at(200))
        told += facts
        assert transcript.due is not None
        dues.append((transcript.due - at(200)).total_seconds())

    assert dues == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    (gap,) = told
    assert isinstance(gap.data, recording.GapDeclared)
    assert (gap.data.reason, gap.data.session_id, gap.journey_id) == ("store_unavailable", "s", "j-1")


def test_it_says_when_a_conversation_was_too_long() -> None:
    big: list[AnyEvent] = [event(said("x" * 16_000, f"m{n}"), n) for n in range(LONGEST_CHARS // 16_000 + 2)]
    over, _ = after(event(opened()), *big, event(ended(), 999))

    kept, told = after(written(over), start=over)

    assert over.cut and over.chars <= LONGEST_CHARS
    assert [fact.type for fact in told] == ["trunkline.recording.gap_declared.v1"]
    assert json.loads(document_of(kept, "r"))["complete"] is False


@pytest.mark.parametrize("late", [said("again", "m9"), identified(), assigned("ben")])
def test_it_forgets_for_good(late: Fact) -> None:
    over, _ = after(*chat(), event(identified(), 5))

    gone, _ = after(event(Forgotten(interaction_id="i")), event(late, 500), start=over)

    assert (gone.lines, gone.customer_id, gone.due, gone.erased) == ((), "", None, True)


@pytest.mark.parametrize("order", [*itertools.permutations((identified(), joined(), ended()))])
def test_it_keeps_nothing_of_a_call_that_has_no_transcript_in_whatever_order_it_hears(
    order: Sequence[Fact],
) -> None:
    transcript, told = after(*(event(each, number) for number, each in enumerate(order)))

    assert (transcript, told) == (Transcript("i"), [])
