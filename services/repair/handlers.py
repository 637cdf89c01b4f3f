"""Which letter a record among the dead letters is, and how what follows from commands is told."""

from collections.abc import Sequence
from datetime import UTC, datetime

from libs.apply import Apply, Tell
from libs.clock import Now
from libs.events import repair
from libs.events.base import AnyEvent, Event, follow_id
from libs.events.catalogue import TOPICS, dead_letters_of
from libs.reading import Bus, HandleRecords
from libs.stored import Key, Store
from libs.wire import Record
from services.repair.domain.commands import Keep
from services.repair.domain.letter import (
    Content,
    Letter,
    id_of,
    journey_of,
    tenant_of,
    to_replay,
    without_marks,
)

GROUP = "repair"
SOURCE = "/trunkline/repair"
DEAD_LETTER_TOPICS = tuple(sorted(map(dead_letters_of, TOPICS)))
_TOPIC_OF = {dead_letters_of(topic): topic for topic in TOPICS}


def found_in(record: Record) -> tuple[Key, AnyEvent]:
    """Return the letter that a record is, and the event that it was found."""
    marks = {name: value.decode("utf-8", "replace") for name, value in record.headers}
    topic = _TOPIC_OF[record.topic]
    content = Content(record.key, record.value, tuple(without_marks(record.headers)))
    reason = marks.get("dlq_reason", "")[:256] or "unknown"
    letter_id = id_of(topic, content)
    tenant = tenant_of(content, reason)
    place = f"{marks.get('dlq_partition', '')[:16]}/{marks.get('dlq_offset', '')[:24]}"
    time = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
    found = Keep(
        letter_id=letter_id,
        meant_for=topic,
        reason=reason,
        detail=marks.get("dlq_detail", "")[:512],
        group=marks.get("dlq_group", "")[:128],
        place=place,
        content=content,
        set_aside_at=time,
    )
    event_id = follow_id(letter_id, place)
    return Key(tenant, letter_id), Event(event_id, tenant, time, found, journey_of(tenant, letter_id))


def handler(letters: Apply[Letter], now: Now) -> HandleRecords:
    """Return what takes batches of the dead-letter topics."""

    async def handle(records: Sequence[Record]) -> None:
        await letters([found_in(record) for record in records], now())

    return handle


def telling(letters: Store[Letter], keep: Tell, bus: Bus) -> Tell:
    """
    Return how facts are told: the replayed records first, then the audit by `keep`, then the facts.

    A process that dies in between leaves the facts untold, and its successor does all of it again: the record
    has the same event id, the audit line and the fact have theirs.
    """

    async def tell(facts: Sequence[AnyEvent]) -> None:
        keys = [
            Key(fact.tenant, fact.data.letter_id)
            for fact in facts
            if isinstance(fact.data, repair.LetterReplayed)
        ]
        if keys:
            found = await letters.load(keys)
            await bus.publish_records([to_replay(found[key].state) for key in keys if key in found])
        await keep(facts)
        await bus.publish(facts)

    return tell
