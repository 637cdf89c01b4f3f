"""What this service is told by itself or by gRPC; never on the bus."""

from datetime import datetime
from typing import ClassVar, Literal

from libs.events.base import Channel, Fact, Part

Kind = Literal["transcript", "audio"]
Action = Literal["read_transcript", "read_content", "stored", "held", "released", "erased"]


class _OfTranscript(Fact):
    interaction_id: str

    @property
    def key(self) -> str:
        return self.interaction_id


class Written(_OfTranscript):
    """The transcript, as it was after so many changes, is in the object store."""

    type: ClassVar[str] = "trunkline.command.transcript_written.v1"
    changes: int


class WriteFailed(_OfTranscript):
    """The object store did not take the transcript."""

    type: ClassVar[str] = "trunkline.command.transcript_write_failed.v1"


class Forgotten(_OfTranscript):
    """The recording was erased; what was said is to be forgotten here, too."""

    type: ClassVar[str] = "trunkline.command.transcript_forgotten.v1"


class _OfRecording(Fact):
    recording_id: str

    @property
    def key(self) -> str:
        return self.recording_id


class Gap(Part):
    """A stretch that was not recorded."""

    offset_ms: int = 0
    duration_ms: int = 0
    reason: str = ""


class Kept(_OfRecording):
    """The content of a recording is in the object store."""

    type: ClassVar[str] = "trunkline.command.recording_kept.v1"
    kind: Kind
    session_id: str
    interaction_id: str
    channel: Channel
    started_at: datetime
    ended_at: datetime
    media_type: str
    size: int
    sha256: str
    blocks: tuple[str, ...]  # the SHA-256 of each block of the content
    object_key: str
    retention_until: datetime
    stored_by: str
    customer_id: str = ""
    agent_ids: tuple[str, ...] = ()
    queue_id: str = ""
    messages: int = 0
    gaps: tuple[Gap, ...] = ()
    revision: int = 0  # of what it was made from: the one made from less may come later


class HoldSet(_OfRecording):
    """Somebody forbids, or allows again, that the recording is erased."""

    type: ClassVar[str] = "trunkline.command.recording_hold_set.v1"
    by: str
    held: bool
    reason: str
    expected_version: int | None = None


class ContentErased(_OfRecording):
    """The content is gone from the object store."""

    type: ClassVar[str] = "trunkline.command.recording_content_erased.v1"


class Looked(Fact):
    """Somebody did something with a recording."""

    type: ClassVar[str] = "trunkline.command.recording_looked_at.v1"
    access_id: str
    recording_id: str
    session_id: str
    interaction_id: str
    by: str
    action: Action
    purpose: str = ""
    offset: int = 0
    length: int = 0

    @property
    def key(self) -> str:
        return self.access_id
