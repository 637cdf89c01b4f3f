"""What becomes of a recording."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from libs.errors import Conflict, NotFound, Refusal, Refused
from libs.events import recording as told
from libs.events.base import AnyEvent, Tick
from services.recording.domain import access
from services.recording.domain.access import Access
from services.recording.domain.commands import ContentErased, HoldSet, Kept, Looked
from services.recording.domain.recording import Recording, Status, decide, due
from services.recording.tests.making import at, event

YEAR = timedelta(days=365)
BLANK = Recording("r")


def kept(sha256: str = "aa", **more: object) -> Kept:
    values = {
        "recording_id": "r", "kind": "transcript", "session_id": "s", "interaction_id": "i",
        "channel": "chat", "started_at": at(0), "ended_at": at(9), "media_type": "application/json",
        "size": 7, "sha256": sha256,
        "blocks": [sha256], "object_key": f"k/{sha256}", "retention_until": at(9) + YEAR, "stored_by": "x",
        "customer_id": "c", "agent_ids": ["ana"], "messages": 3,
    }  # fmt: skip
    return Kept.model_validate({**values, **more})


def stored() -> Recording:
    return decide(BLANK, event(kept(), 10), at(10))[0]


def hold(held: bool = True, version: int | None = None) -> AnyEvent:
    wanted = HoldSet(recording_id="r", by="max", held=held, reason="court", expected_version=version)
    return event(wanted, 20)


def tick(seconds: float) -> AnyEvent:
    return event(Tick(of="r"), seconds)


def test_it_tells_what_was_stored() -> None:
    after, (fact,) = decide(BLANK, event(kept(), 10), at(10))

    assert (after.status, after.version, after.stored_at, due(after)) == ("stored", 1, at(10), at(9) + YEAR)
    assert fact.data == told.RecordingStored(
        session_id="s",
        interaction_id="i",
        recording_id="r",
        kind="transcript",
        channel="chat",
        media_type="application/json",
        size_bytes=7,
        sha256="aa",
        duration_ms=9000,
        messages=3,
        agent_ids=("ana",),
        customer_id="c",
        retention_until=at(9) + YEAR,
    )


def test_it_takes_a_later_revision_and_keeps_its_time() -> None:
    later = kept("bb", retention_until=at(99) + YEAR)

    after, facts = decide(stored(), event(later, 30), at(30))

    assert (after.sha256, after.object_key, after.objects) == ("bb", "k/bb", ("k/aa", "k/bb"))
    assert (after.version, after.retention_until, len(facts)) == (2, at(9) + YEAR, 1)


def test_it_refuses_what_was_made_from_less_and_comes_later() -> None:
    newer, _ = decide(BLANK, event(kept("bb", revision=2), 10), at(10))

    assert decide(newer, event(kept("aa", revision=1), 11), at(11)) == (newer, ())


def test_it_remembers_that_the_same_content_was_made_from_more() -> None:
    first, _ = decide(BLANK, event(kept("aa", revision=1), 10), at(10))
    again, facts = decide(first, event(kept("aa", revision=3), 11), at(11))

    assert (again, facts) == (replace(first, revision=3), ())
    assert decide(again, event(kept("bb", revision=2), 12), at(12)) == (again, ())


def test_it_takes_the_same_content_once() -> None:
    assert decide(stored(), event(kept(), 30), at(30)) == (stored(), ())


def test_it_is_held_and_released() -> None:
    held, (fact,) = decide(stored(), hold(version=1), at(20))
    again, none = decide(held, hold(), at(21))
    free, (released,) = decide(held, hold(held=False, version=2), at(22))

    assert fact.data == told.RecordingHeld(
        session_id="s", interaction_id="i", recording_id="r", by="max", held=True
    )
    assert (held.legal_hold, due(held), again, none) == (True, None, held, ())
    assert isinstance(released.data, told.RecordingHeld) and not released.data.held
    assert due(free) == at(9) + YEAR


@pytest.mark.parametrize(
    ("state", "event_", "refusal"),
    [
        (lambda: BLANK, hold(), NotFound),
        (stored, hold(version=7), Conflict),
        (lambda: replace(stored(), status="erasing"), hold(), Refused),
        (lambda: replace(stored(), status="erased"), hold(), Refused),
    ],
)
def test_it_refuses_a_hold_that_cannot_be(
    state: Callable[[], Recording], event_: AnyEvent, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        decide(state(), event_, at(20))


def test_it_is_erased_when_its_time_is_over() -> None:
    later = YEAR.total_seconds() + 10
    early, _ = decide(stored(), tick(later - 2), at(later - 2))
    erasing, nothing = decide(stored(), tick(later), at(later))
    erased, (fact,) = decide(erasing, event(ContentErased(recording_id="r"), later), at(later))

    assert early == stored()
    assert (erasing.status, nothing, erasing.objects, due(erasing)) == ("erasing", (), ("k/aa",), None)
    assert (erased.status, erased.objects, erased.customer_id, erased.sha256) == ("erased", (), "", "aa")
    assert isinstance(fact.data, told.RecordingErased) and fact.data.reason == "retention"


def test_it_is_not_erased_while_it_is_held() -> None:
    held, _ = decide(stored(), hold(), at(20))
    later = 2 * YEAR.total_seconds()

    assert decide(held, tick(later), at(later)) == (held, ())
    assert decide(held, event(ContentErased(recording_id="r"), later), at(later)) == (held, ())


@pytest.mark.parametrize("status", ["erasing", "erased"])
def test_it_takes_no_content_any_more_once_it_is_erased(status: Status) -> None:
    gone = replace(stored(), status=status)

    assert decide(gone, event(kept("bb"), 30), at(30)) == (gone, ())


@pytest.mark.parametrize(
    ("action", "purpose", "fact_purpose"),
    [
        ("read_transcript", "", "transcript"),
        ("read_content", "", "download"),
        ("read_content", "play", "play"),
        ("read_content", "complaint", "download"),
        ("held", "court", None),
        ("stored", "", None),
        ("erased", "retention", None),
    ],
)
def test_it_writes_down_who_did_what_and_tells_of_reading(
    action: str, purpose: str, fact_purpose: str | None
) -> None:
    looked = Looked.model_validate(
        {
            "access_id": "a",
            "recording_id": "r",
            "session_id": "s",
            "interaction_id": "i",
            "by": "ana",
            "action": action,
            "purpose": purpose,
            "offset": 5,
            "length": 6,
        }
    )

    entry, facts = access.decide(Access("a"), event(looked, 40), at(40))

    assert (entry.recording_id, entry.subject, entry.action, entry.at) == ("r", "ana", action, at(40))
    assert (entry.purpose, entry.offset, entry.length) == (purpose, 5, 6)
    purposes = [fact.data.purpose for fact in facts if isinstance(fact.data, told.RecordingAccessed)]
    assert purposes == ([fact_purpose] if fact_purpose else [])
