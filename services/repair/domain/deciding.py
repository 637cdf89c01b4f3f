"""
What a letter makes of a command: the pure core of repair.

    open -> replayed | discarded;  an edit, while it is open, keeps the original beside what it shall be
"""

from dataclasses import replace
from datetime import datetime
from typing import TypedDict

from libs.errors import Conflict, NotFound, Refused
from libs.events import repair
from libs.events.base import AnyEvent, Fact, Facts, after
from libs.wire import MAX_EVENT_BYTES
from services.repair.domain.commands import Command, Discard, Edit, Inspect, Keep, Replay
from services.repair.domain.letter import MOST_PLACES, REPLAY_OF, Content, Letter, journey_of
from services.repair.domain.repairing import repair as repaired


class _Of(TypedDict):
    letter_id: str
    letter_topic: str
    letter_reason: str
    by: str


def decide(letter: Letter, event: AnyEvent, now: datetime) -> tuple[Letter, Facts]:
    """
    Return the letter after the event, and the facts that follow.

    Its own facts, read again from their topic, make the state they were told of and lead to nothing new.

    :raises NotFound: there is no such letter.
    :raises Conflict: it has another version than the caller has seen.
    :raises Refused: it is closed.
    :raises Invalid: it would become no event.
    """
    match event.data:
        case Keep() as found:
            return _keep(letter, found), ()
        case repair.LetterEdited() as fact:
            return replace(letter, repaired=_content(fact), version=letter.version + 1), ()
        case repair.LetterReplayed() | repair.LetterDiscarded() as fact:
            return _closed(letter, fact, event.time), ()
        case Command() as command:
            if not letter.is_known:
                raise NotFound("dead_letter", letter.letter_id)
            if command.expected_version is not None and command.expected_version != letter.version:
                raise Conflict(command.expected_version, letter.version)
            return _obey(letter, event, command, now)
    return letter, ()


def _obey(letter: Letter, event: AnyEvent, command: Command, now: datetime) -> tuple[Letter, Facts]:
    of = _Of(
        letter_id=letter.letter_id, letter_topic=letter.topic, letter_reason=letter.reason, by=command.by
    )
    digest = letter.content.digest
    match command:
        case Inspect():
            return letter, (_told(event, now, repair.LetterInspected(**of, sha256=digest)),)
        case Edit():
            _must_be_open(letter)
            content = repaired(letter, command)
            fact = repair.LetterEdited(
                **of,
                before_sha256=digest,
                after_sha256=content.digest,
                note=command.note,
                pii=_pii(content),
            )
            changed = replace(letter, repaired=content, version=letter.version + 1)
            return changed, (_told(event, now, fact),)
        case Replay() if command.if_open and (letter.status != "open" or _is_too_large(letter)):
            return letter, ()
        case Discard() if command.if_open and letter.status != "open":
            return letter, ()
        case Replay():
            _must_be_open(letter)
            if _is_too_large(letter):
                raise Refused("too_large_to_replay", "no reader would take it: repair or discard it")
            event_id = letter.content.header("ce_id")
            replayed = repair.LetterReplayed(**of, replayed_event_id=event_id, sha256=digest)
            return _closed(letter, replayed, now), (_told(event, now, replayed),)
        case Discard():
            _must_be_open(letter)
            discarded = repair.LetterDiscarded(**of, sha256=digest, why=command.why)
            return _closed(letter, discarded, now), (_told(event, now, discarded),)
    return letter, ()


def _must_be_open(letter: Letter) -> None:
    if letter.status != "open":
        text = f"the letter was {letter.status} before; that is done once"
        raise Refused(f"already_{letter.status}", text, {"letter_id": letter.letter_id})


def _is_too_large(letter: Letter) -> bool:
    return len(letter.content.body or b"") > MAX_EVENT_BYTES


def _closed(letter: Letter, fact: repair.LetterReplayed | repair.LetterDiscarded, now: datetime) -> Letter:
    return replace(
        letter,
        status="replayed" if isinstance(fact, repair.LetterReplayed) else "discarded",
        closed_at=now,
        closed_by=fact.by,
        why="" if isinstance(fact, repair.LetterReplayed) else fact.why,
        version=letter.version + 1,
    )


def _keep(letter: Letter, found: Keep) -> Letter:
    """Note what was set aside; the same record at another place is the same letter."""
    places = tuple(sorted({*letter.places, found.place}))[:MOST_PLACES]
    if letter.is_known:
        return replace(letter, places=places)
    return replace(
        letter,
        topic=found.meant_for,
        reason=found.reason,
        detail=found.detail,
        group=found.group,
        places=places,
        original=found.content,
        set_aside_at=found.set_aside_at,
        replay_of=found.content.header(REPLAY_OF),
        version=letter.version + 1,
    )


def _told(event: AnyEvent, now: datetime, fact: Fact) -> AnyEvent:
    return after(event, now, fact, journey_id=journey_of(event.tenant, fact.key))


def _pii(content: Content) -> repair.RepairedPii:
    return repair.RepairedPii(
        body=(content.body or b"").decode(),  # an event's data is JSON, and so UTF-8
        headers={name: value.decode() for name, value in content.headers},
        record_key=(content.key or b"").decode(),
    )


def _content(fact: repair.LetterEdited) -> Content:
    pii = fact.pii
    headers = tuple((name, value.encode()) for name, value in pii.headers.items())
    return Content(pii.record_key.encode(), pii.body.encode(), headers)
