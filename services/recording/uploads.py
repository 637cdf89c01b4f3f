"""What may be uploaded as a recording, and how it comes in."""

import re
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, cast, get_args

from libs.errors import Corrupt, Exhausted, Invalid, Violation
from libs.events.base import Channel
from libs.rpc.recording.v1 import recording_pb2 as pb
from libs.structs import time_of
from services.recording.domain.commands import Gap, Kept
from services.recording.vault import Digest

IN_MEMORY = 4 * 1024 * 1024
LARGEST_CHUNK = 1024 * 1024
ID = re.compile(r"[A-Za-z0-9._:@+=~-]{1,128}")
SHA256 = re.compile(r"[0-9a-f]{64}|")
MEDIA_TYPES = frozenset(
    {
        "audio/wav", "audio/x-wav", "audio/vnd.wave", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/opus",
        "audio/webm", "audio/flac", "audio/basic", "audio/amr",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Description:
    """A description that was found to be in order."""

    new: pb.NewRecording
    started_at: datetime
    ended_at: datetime

    def kept(
        self, recording_id: str, digest: Digest, object_key: str, stored_by: str, retention: timedelta
    ) -> Kept:
        """Return the command that takes the content as a recording."""
        return Kept(
            recording_id=recording_id,
            kind="audio",
            session_id=self.new.session_id,
            interaction_id=self.new.interaction_id,
            channel=cast("Channel", self.new.channel),
            started_at=self.started_at,
            ended_at=self.ended_at,
            media_type=self.new.media_type,
            size=digest.size,
            sha256=digest.sha256,
            blocks=digest.blocks,
            object_key=object_key,
            retention_until=self.ended_at + retention,
            stored_by=stored_by,
            customer_id=self.new.customer_id,
            agent_ids=tuple(self.new.agent_ids),
            queue_id=self.new.queue_id,
            gaps=tuple(
                Gap(offset_ms=gap.offset_ms, duration_ms=gap.duration_ms, reason=gap.reason)
                for gap in self.new.gaps
            ),
        )


async def first_of(parts: AsyncIterator[pb.StoreRecordingRequest]) -> Description:
    """Return the description, which comes first. :raises Invalid: it does not, or is not in order."""
    async for part in parts:
        if part.WhichOneof("part") == "description":
            return checked(part.description)
        break
    raise Invalid(Violation("description", "must come first"))


async def drain(parts: AsyncIterator[pb.StoreRecordingRequest]) -> None:
    """
    Take what is still sent and keep none of it.

    A sender who is answered in the middle of his sending may see his writing fail instead of the answer. The
    call's deadline bounds how long he is listened to.
    """
    async for _ in parts:
        pass


def checked(new: pb.NewRecording) -> Description:
    """Return the description. :raises Invalid: with all that is wrong with it."""
    wrong: list[Violation] = []

    def must(condition: bool, field: str, text: str) -> None:
        if not condition:
            wrong.append(Violation(f"description.{field}", text))

    must(new.kind == "audio", "kind", "must be audio; transcripts are written by the service itself")
    for name in ("session_id", "interaction_id", "request_id"):
        must(ID.fullmatch(getattr(new, name)) is not None, name, "is missing or no id")
    for name in ("customer_id", "queue_id"):
        must(not getattr(new, name) or ID.fullmatch(getattr(new, name)) is not None, name, "is no id")
    must(len(new.agent_ids) <= 64 and all(map(ID.fullmatch, new.agent_ids)), "agent_ids", "are not all ids")
    must(new.channel in get_args(Channel), "channel", "is none of ours")
    must(new.media_type in MEDIA_TYPES, "media_type", "is not allowed: " + ", ".join(sorted(MEDIA_TYPES)))
    must(SHA256.fullmatch(new.sha256) is not None, "sha256", "is no lower-case hexadecimal SHA-256")
    must(
        len(new.gaps) <= 1000
        and all(gap.offset_ms >= 0 and gap.duration_ms >= 0 and len(gap.reason) <= 256 for gap in new.gaps),
        "gaps",
        "are too many, too long or negative",
    )
    must(new.HasField("started_at") and new.HasField("ended_at"), "started_at", "both times are needed")
    try:
        times = time_of(new.started_at), time_of(new.ended_at)
    except ValueError:
        raise Invalid(*wrong, Violation("description.started_at", "is out of range")) from None
    must(times[0] <= times[1], "ended_at", "is before the start")
    if wrong:
        raise Invalid(*wrong)
    return Description(new, *times)


async def receive(
    parts: AsyncIterator[pb.StoreRecordingRequest], into: IO[bytes], sha256: str, largest: int
) -> Digest:
    """
    Write the chunks that follow into a file and return their digest.

    :raises Invalid: a chunk is too large, or there is none.
    :raises Exhausted: they are more than `largest` bytes.
    :raises Corrupt: they are not what `sha256` says.
    """
    digest = Digest()
    async for part in parts:
        if part.WhichOneof("part") != "chunk":
            raise Invalid(Violation("description", "must come once"))
        if len(part.chunk) > LARGEST_CHUNK:
            raise Invalid(Violation("chunk", f"is larger than {LARGEST_CHUNK} bytes"))
        if digest.size + len(part.chunk) > largest:
            raise Exhausted(
                "recording_too_large", f"a recording has at most {largest} bytes", {"limit": str(largest)}
            )
        digest.feed(part.chunk)
        into.write(part.chunk)
    if not digest.size:
        raise Invalid(Violation("chunk", "there is no content"))
    if sha256 and digest.sha256 != sha256:
        raise Corrupt("checksum_mismatch", "the content is not what its checksum says; nothing was stored")
    into.seek(0)
    return digest


def spool() -> IO[bytes]:
    """Return a file that stays in memory while it is small, and is gone when it is closed."""
    return cast("IO[bytes]", tempfile.SpooledTemporaryFile(max_size=IN_MEMORY))
