"""Records that are no events, the letters they become, and the same decision as the service takes."""

from datetime import UTC, datetime, timedelta
from typing import Any

from libs import wire
from libs.events import interaction
from libs.events.base import AnyEvent, Event, Fact, Facts
from libs.reading import dead_letter
from libs.stored import Key
from libs.wire import Record, Unreadable
from services.repair.domain.commands import Command
from services.repair.domain.deciding import decide
from services.repair.domain.letter import Letter
from services.repair.handlers import found_in

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TOPIC = "trunkline.interaction"
GOOD = b'{"interaction_id":"i-1","by":"customer"}'


def ended(tenant: str = "acme", interaction_id: str = "i-1") -> Record:
    """Return a record that is an event."""
    data = interaction.Ended(interaction_id=interaction_id, by="customer")
    return wire.encode(Event("e-1", tenant, NOON, data, "j-1"))


def with_headers(record: Record, **changed: bytes | None) -> Record:
    """Return the record with other headers; None takes one away."""
    kept = tuple(pair for pair in record.headers if pair[0] not in changed)
    return record._replace(headers=kept + tuple((n, v) for n, v in changed.items() if v is not None))


def broken(body: bytes | None = b'{"interaction_id":"i-1","by":"nobody"}', **headers: bytes | None) -> Record:
    """Return a record that cannot be read, as it would stand in its topic."""
    return with_headers(ended()._replace(value=body, partition=1, offset=7), **headers)


def aside(record: Record, reason: str = "bad_data") -> Record:
    """Return it as it is set aside."""
    return dead_letter(record, Unreadable(reason, "by: literal_error"), "session")._replace(
        timestamp_ms=int(NOON.timestamp() * 1000)
    )


def kept(record: Record | None = None, reason: str = "bad_data") -> tuple[Key, Letter]:
    """Return the letter that a record becomes."""
    key, event = found_in(aside(record or broken(), reason))
    letter, facts = decide(Letter(key.id), event, NOON)
    assert not facts
    return key, letter


def do(letter: Letter, kind: type[Command], **fields: Any) -> tuple[Letter, Facts]:
    """Let ana do something with a letter, a minute later."""
    command = kind.model_validate({"letter_id": letter.letter_id, "by": "ana", **fields})
    return decide(letter, given(command), NOON + timedelta(minutes=1))


def given(data: Fact, event_id: str = "c-1", tenant: str = "acme") -> AnyEvent:
    return Event(event_id, tenant, NOON + timedelta(minutes=1), data, "j")


__all__ = ["GOOD", "NOON", "TOPIC", "aside", "broken", "do", "ended", "given", "kept", "with_headers"]
