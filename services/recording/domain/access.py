"""The audit: one entry for each time somebody did something with a recording."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from libs.events import recording
from libs.events.base import AnyEvent, Facts, after
from services.recording.domain.commands import Action, Looked

SERVICE = "service:recording"
FIRST_TIME = datetime(1970, 1, 1, tzinfo=UTC)
Purpose = Literal["play", "download", "transcript"]


@dataclass(frozen=True, slots=True)
class Access:
    """One entry; it never changes."""

    access_id: str
    recording_id: str = ""
    subject: str = ""
    action: Action = "stored"
    at: datetime = FIRST_TIME
    purpose: str = ""
    offset: int = 0
    length: int = 0


def decide(entry: Access, event: AnyEvent, now: datetime) -> tuple[Access, Facts]:
    """Return the entry that the event makes; reading is told on the bus, the rest is told there already."""
    match event.data:
        case Looked() as data:
            written = Access(
                entry.access_id,
                data.recording_id,
                data.by,
                data.action,
                now,
                data.purpose,
                data.offset,
                data.length,
            )
            return written, [accessed(event, data, now)] if data.action.startswith("read_") else ()
    return entry, ()


def accessed(event: AnyEvent, data: Looked, now: datetime) -> AnyEvent:
    purpose: Purpose = "play" if data.purpose == "play" else "download"
    if data.action == "read_transcript":
        purpose = "transcript"
    fact = recording.RecordingAccessed(
        session_id=data.session_id,
        interaction_id=data.interaction_id,
        recording_id=data.recording_id,
        by=data.by,
        purpose=purpose,
    )
    return after(event, now, fact, journey_id=event.journey_id)
