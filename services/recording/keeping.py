"""Writes what is due into the object store, and erases what has been kept long enough."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from libs.apply import Apply, Tell
from libs.errors import Unavailable
from libs.events import recording
from libs.events.base import AnyEvent, Event, Fact, follow_id
from libs.stored import Key
from services.recording.domain.access import SERVICE, Access
from services.recording.domain.commands import (
    Action,
    ContentErased,
    Forgotten,
    Kept,
    Looked,
    WriteFailed,
    Written,
)
from services.recording.domain.recording import Recording
from services.recording.domain.transcript import Transcript, recording_id_of
from services.recording.store import Recordings, Transcripts
from services.recording.vault import Digest, Vault

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/json"
AT_ONCE = 16


def document_of(transcript: Transcript, recording_id: str) -> bytes:
    """Return the transcript as it is written: the same bytes for the same content."""
    lines: list[dict[str, Any]] = [
        {
            "message_id": line.id,
            "time": line.time.isoformat(timespec="milliseconds"),
            "speaker": line.speaker,
            "participant_id": line.participant_id,
            "text": line.text,
        }
        for line in transcript.in_order()
    ]
    document = {
        "format": "trunkline.transcript.v1",
        "recording_id": recording_id,
        "interaction_id": transcript.interaction_id,
        "session_id": transcript.session_id,
        "customer_id": transcript.customer_id,
        "channel": transcript.channel,
        "queue_id": transcript.queue_id,
        "agent_ids": sorted(transcript.agent_ids),
        "started_at": _text(transcript.begins),
        "ended_at": _text(transcript.ended_at),
        "complete": not transcript.cut,
        "lines": lines,
    }
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def _text(time: datetime | None) -> str | None:
    return time.isoformat(timespec="milliseconds") if time else None


class Keeper:
    """
    Writes transcripts that are due and erases recordings whose time is over; driven by `keep_time`.

    Each step can be done again: content has a name that follows from it, commands have ids that do.
    """

    def __init__(
        self,
        vault: Vault,
        transcripts: Transcripts,
        recordings: Recordings,
        apply_transcripts: Apply[Transcript],
        apply_recordings: Apply[Recording],
        apply_accesses: Apply[Access],
        retention: timedelta,
    ) -> None:
        self._vault = vault
        self._transcripts = transcripts
        self._recordings = recordings
        self._apply_transcripts = apply_transcripts
        self._apply_recordings = apply_recordings
        self._apply_accesses = apply_accesses
        self._retention = retention

    async def tick(self, now: datetime, limit: int = 500) -> int:
        """Do what is due, and return how much that was."""
        due = await self._transcripts.due(now, limit)
        loaded = await self._transcripts.load([key for key, _ in due]) if due else {}
        writes = [self._write(key, stored.state, stored.version, now) for key, stored in loaded.items()]
        for start in range(0, len(writes), AT_ONCE):
            await asyncio.gather(*writes[start : start + AT_ONCE])
        erasing = await self._recordings.erasing(100)
        for key, kept in erasing:
            await self._erase(key, kept, now)
        return len(due) + len(erasing)

    async def sweep(self, now: datetime, limit: int = 200) -> int:
        return await self._apply_transcripts.sweep(now, limit)

    async def settle(self) -> None:
        await self._apply_transcripts.settle()

    async def _write(self, key: Key, transcript: Transcript, version: int, now: datetime) -> None:
        begins, ended = transcript.begins, transcript.ended_at
        if transcript.due is None or begins is None or ended is None:
            return
        recording_id = recording_id_of(key.tenant, key.id)
        content = document_of(transcript, recording_id)
        digest = Digest()
        digest.feed(content)
        try:
            object_key = await self._vault.put(key.tenant, recording_id, digest.sha256, content)
        except Unavailable as error:
            log.warning("transcript not written", extra={"interaction": key.id, "why": error.text})
            await self._command(key, WriteFailed(interaction_id=key.id), f"{version}/failed", transcript, now)
            return
        kept = Kept(
            recording_id=recording_id,
            kind="transcript",
            session_id=transcript.session_id or key.id,
            interaction_id=key.id,
            channel=transcript.channel,
            started_at=begins,
            ended_at=ended,
            media_type=MEDIA_TYPE,
            size=digest.size,
            sha256=digest.sha256,
            blocks=digest.blocks,
            object_key=object_key,
            retention_until=ended + self._retention,
            stored_by=SERVICE,
            customer_id=transcript.customer_id,
            agent_ids=tuple(sorted(transcript.agent_ids)),
            queue_id=transcript.queue_id,
            messages=len(transcript.lines),
            revision=transcript.changes,
        )
        # Named by the revision too: content that comes back as it was before is a new one all the same.
        name = f"{key}/{transcript.changes}/{digest.sha256}"
        event = command(key.tenant, kept, name, transcript.journey_id, now)
        await store(self._apply_recordings, self._apply_accesses, event, kept, now)
        written = Written(interaction_id=key.id, changes=transcript.changes)
        await self._command(key, written, f"{version}/written", transcript, now)

    async def _command(self, key: Key, fact: Fact, what: str, transcript: Transcript, now: datetime) -> None:
        event = command(key.tenant, fact, f"{key}/{what}", transcript.journey_id, now)
        await self._apply_transcripts([(key, event)], now)

    async def _erase(self, key: Key, kept: Recording, now: datetime) -> None:
        await self._vault.erase(kept)
        if kept.kind == "transcript":
            of = Key(key.tenant, kept.interaction_id)
            forgotten = Forgotten(interaction_id=of.id)
            event = command(key.tenant, forgotten, f"{key}/forgotten", kept.journey_id, now)
            await self._apply_transcripts([(of, event)], now)
        erased = ContentErased(recording_id=key.id)
        event = command(key.tenant, erased, f"{key}/erased", kept.journey_id, now)
        await self._apply_recordings([(key, event)], now)


async def store(
    recordings: Apply[Recording], accesses: Apply[Access], event: AnyEvent, kept: Kept, now: datetime
) -> Recording:
    """Take a content as a recording, and write into the audit who stored it."""
    key = Key(event.tenant, kept.recording_id)
    stored = (await recordings([(key, event)], now))[key].state
    looked = Looked(
        access_id=follow_id(event.id, "access"),
        recording_id=kept.recording_id,
        session_id=kept.session_id,
        interaction_id=kept.interaction_id,
        by=kept.stored_by,
        action="stored",
    )
    note = command(event.tenant, looked, event.id, event.journey_id, now)
    await accesses([(Key(event.tenant, looked.access_id), note)], now)
    return stored


def command(tenant: str, fact: Fact, cause: str, journey_id: str, now: datetime) -> AnyEvent:
    return Event(follow_id(cause, fact.type), tenant, now, fact, journey_id)


def audited(recordings: Recordings, accesses: Apply[Access], publish: Tell) -> Tell:
    """Return a way to tell facts of recordings that writes holds and erasures into the audit on its way."""

    async def tell(facts: Sequence[AnyEvent]) -> None:
        for fact in facts:
            match fact.data:
                case recording.RecordingHeld() as data:
                    held = await recordings.get(Key(fact.tenant, data.recording_id))
                    action: Action = "held" if data.held else "released"
                    await _audit(accesses, fact, data, data.by, action, held.hold_reason if held else "")
                case recording.RecordingErased() as data:
                    await _audit(accesses, fact, data, SERVICE, "erased", data.reason)
        await publish(facts)

    return tell


async def _audit(
    accesses: Apply[Access],
    fact: AnyEvent,
    data: recording.RecordingHeld | recording.RecordingErased,
    by: str,
    action: Action,
    purpose: str,
) -> None:
    looked = Looked(
        access_id=follow_id(fact.id, "access"),
        recording_id=data.recording_id,
        session_id=data.session_id,
        interaction_id=data.interaction_id,
        by=by,
        action=action,
        purpose=purpose,
    )
    event = command(fact.tenant, looked, fact.id, fact.journey_id, fact.time)
    await accesses([(Key(fact.tenant, looked.access_id), event)], fact.time)
