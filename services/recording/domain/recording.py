"""A recording: what is known of it, how long it is kept, and who may not have it erased."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from libs.errors import Conflict, NotFound, Refused
from libs.events import recording
from libs.events.base import AnyEvent, Channel, Facts, Tick, after
from services.recording.domain.commands import ContentErased, Gap, HoldSet, Kept, Kind

Status = Literal["", "stored", "erasing", "erased"]


@dataclass(frozen=True, slots=True)
class Recording:
    """
    One recording. `status` goes from stored over erasing to erased, and never back.

    What is held is never erasing; once it is, no hold can be set. `objects` are all revisions of its content,
    of which `object_key` is the latest.
    """

    recording_id: str
    status: Status = ""
    kind: Kind = "transcript"
    session_id: str = ""
    interaction_id: str = ""
    journey_id: str = ""
    customer_id: str = ""
    agent_ids: tuple[str, ...] = ()
    channel: Channel = "chat"
    queue_id: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    media_type: str = ""
    size: int = 0
    sha256: str = ""
    blocks: tuple[str, ...] = ()
    object_key: str = ""
    objects: tuple[str, ...] = ()
    messages: int = 0
    stored_at: datetime | None = None
    stored_by: str = ""
    retention_until: datetime | None = None
    legal_hold: bool = False
    hold_reason: str = ""  # of the last hold or release
    gaps: tuple[Gap, ...] = ()
    version: int = 0
    revision: int = 0  # of what its content was made from

    @property
    def duration_ms(self) -> int:
        if self.started_at is None or self.ended_at is None:
            return 0
        return max(0, (self.ended_at - self.started_at) // timedelta(milliseconds=1))


def due(kept: Recording) -> datetime | None:
    """Return when the recording may be erased."""
    return kept.retention_until if kept.status == "stored" and not kept.legal_hold else None


def decide(kept: Recording, event: AnyEvent, now: datetime) -> tuple[Recording, Facts]:
    """Return the recording after the event, and what is told of it."""
    match event.data:
        case Kept() as data:
            return keep(kept, event, data, now)
        case HoldSet() as data:
            return hold(kept, event, data, now)
        case Tick():
            comes = due(kept)
            return (next_version(kept, "erasing"), ()) if comes is not None and now >= comes else (kept, ())
        case ContentErased() if kept.status == "erasing":
            fact = recording.RecordingErased(
                session_id=kept.session_id,
                interaction_id=kept.interaction_id,
                recording_id=kept.recording_id,
                reason="retention",
            )
            gone = replace(next_version(kept, "erased"), customer_id="", blocks=(), object_key="", objects=())
            return gone, [after(event, now, fact, journey_id=kept.journey_id)]
    return kept, ()


def keep(kept: Recording, event: AnyEvent, data: Kept, now: datetime) -> tuple[Recording, Facts]:
    """
    Take the first content, or a later revision of it; what is being erased takes no more.

    Two replicas may write at once, and the one that knew less may be the last to say so.
    """
    if kept.status in ("erasing", "erased") or data.revision < kept.revision:
        return kept, ()
    if data.sha256 == kept.sha256:
        return (kept if data.revision == kept.revision else replace(kept, revision=data.revision)), ()
    stored = replace(
        next_version(kept, "stored"),
        kind=data.kind,
        session_id=data.session_id,
        interaction_id=data.interaction_id,
        journey_id=event.journey_id,
        customer_id=data.customer_id,
        agent_ids=data.agent_ids,
        channel=data.channel,
        queue_id=data.queue_id,
        started_at=data.started_at,
        ended_at=data.ended_at,
        media_type=data.media_type,
        size=data.size,
        sha256=data.sha256,
        blocks=data.blocks,
        object_key=data.object_key,
        objects=tuple(dict.fromkeys((*kept.objects, data.object_key))),
        messages=data.messages,
        stored_at=now,
        stored_by=data.stored_by,
        retention_until=kept.retention_until or data.retention_until,
        gaps=data.gaps,
        revision=data.revision,
    )
    fact = recording.RecordingStored(
        session_id=data.session_id,
        interaction_id=data.interaction_id,
        recording_id=kept.recording_id,
        kind=data.kind,
        channel=data.channel,
        media_type=data.media_type,
        size_bytes=data.size,
        sha256=data.sha256,
        duration_ms=stored.duration_ms,
        messages=data.messages,
        agent_ids=data.agent_ids,
        customer_id=data.customer_id,
        retention_until=stored.retention_until or data.retention_until,
    )
    return stored, [after(event, now, fact, journey_id=event.journey_id)]


def hold(kept: Recording, event: AnyEvent, data: HoldSet, now: datetime) -> tuple[Recording, Facts]:
    """
    Set or lift a hold.

    :raises NotFound: there is no such recording.
    :raises Conflict: it has changed since the caller saw it.
    :raises Refused: it is erased, or about to be.
    """
    if not kept.status:
        raise NotFound("recording", kept.recording_id)
    if data.expected_version is not None and data.expected_version != kept.version:
        raise Conflict(data.expected_version, kept.version)
    if kept.status != "stored":
        raise Refused("recording_erased", "the recording is erased; nothing is left to hold")
    if kept.legal_hold == data.held:
        return kept, ()
    fact = recording.RecordingHeld(
        session_id=kept.session_id,
        interaction_id=kept.interaction_id,
        recording_id=kept.recording_id,
        by=data.by,
        held=data.held,
    )
    held = replace(next_version(kept, "stored"), legal_hold=data.held, hold_reason=data.reason)
    return held, [after(event, now, fact, journey_id=kept.journey_id)]


def next_version(kept: Recording, status: Status) -> Recording:
    return replace(kept, status=status, version=kept.version + 1)
