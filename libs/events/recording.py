"""Facts owned by the recording service; key: session id."""

from typing import ClassVar, Literal

from pydantic import AwareDatetime

from libs.events.base import Channel, Fact, Id, OptionalId, Short


class _RecordingFact(Fact):
    session_id: Id
    interaction_id: Id
    recording_id: Id

    @property
    def key(self) -> str:
        return self.session_id


class RecordingStored(_RecordingFact):
    """A conversation is kept, with its checksum and length."""

    type: ClassVar[str] = "trunkline.recording.recording_stored.v1"
    kind: Literal["transcript", "audio"]
    channel: Channel
    media_type: Short
    size_bytes: int
    sha256: Short
    duration_ms: int = 0
    messages: int = 0
    agent_ids: tuple[Id, ...] = ()
    customer_id: OptionalId = ""
    retention_until: AwareDatetime


class GapDeclared(_RecordingFact):
    """Something that should have been recorded was not, and why."""

    type: ClassVar[str] = "trunkline.recording.gap_declared.v1"
    reason: Short


class RecordingAccessed(_RecordingFact):
    """Somebody read or downloaded a recording."""

    type: ClassVar[str] = "trunkline.recording.recording_accessed.v1"
    by: Id
    purpose: Literal["search", "play", "download", "transcript"]


class RecordingHeld(_RecordingFact):
    """A legal hold was set or lifted."""

    type: ClassVar[str] = "trunkline.recording.recording_held.v1"
    by: Id
    held: bool


class RecordingErased(_RecordingFact):
    """The content was erased, its retention time being over."""

    type: ClassVar[str] = "trunkline.recording.recording_erased.v1"
    reason: Short
