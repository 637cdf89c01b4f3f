"""Recordings: search, transcripts, content by ranges, upload, legal hold, audit."""

import re
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response, StreamingResponse

from gateway.asking import Ask, Asked, Cursor, Limit, Name, NameQuery, answer
from gateway.openapi import body, content, gives
from gateway.problems import problem
from gateway.rest import router
from libs.errors import Corrupt, Invalid, Violation
from libs.rpc.recording.v1 import recording_pb2 as pb
from libs.structs import stamp

routes = router("recordings")
CHUNK = 256 * 1024
Purpose = Annotated[str, Query(max_length=256, description="Why it is read; kept in the audit.")]
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_SHA = r"^([0-9a-f]{64})?$"


class HoldBody(BaseModel):
    """Whether the recording is held, and why."""

    model_config = body(legal_hold=True, reason="case 2026-17")
    legal_hold: bool
    reason: Annotated[str, Field(min_length=1, max_length=256)]


@routes.get("/recordings", operation_id="list_recordings", **gives(pb.Recording, listed=True))
async def list_recordings(
    ask: Ask,
    agent_id: NameQuery = "",
    customer_id: NameQuery = "",
    session_id: NameQuery = "",
    interaction_id: NameQuery = "",
    queue_id: NameQuery = "",
    channel: NameQuery = "",
    kind: Literal["", "transcript", "audio"] = "",
    from_time: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    to_time: Annotated[AwareDatetime | None, Query(alias="to")] = None,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Response:
    """Find recordings, the newest first."""
    found = await ask.services.recording.SearchRecordings(
        pb.SearchRecordingsRequest(
            agent_id=agent_id,
            customer_id=customer_id,
            session_id=session_id,
            interaction_id=interaction_id,
            queue_id=queue_id,
            channel=channel,
            kind=kind,
            from_time=stamp(from_time),
            to_time=stamp(to_time),
            page=ask.page(limit, cursor),
        )
    )
    return ask.listed(found.recordings, found.page)


@routes.post(
    "/recordings",
    operation_id="store_recording",
    openapi_extra=content("application/octet-stream", "RIFF..."),
    **gives(pb.Recording, 201),
)
async def store_recording(
    ask: Ask,
    session_id: NameQuery,
    interaction_id: NameQuery,
    started_at: AwareDatetime,
    ended_at: AwareDatetime,
    kind: Literal["audio", "transcript"] = "audio",
    customer_id: NameQuery = "",
    agent_id: Annotated[list[str], Query(max_length=50)] = [],  # noqa: B006  (FastAPI copies it)
    channel: NameQuery = "voice",
    queue_id: NameQuery = "",
    sha256: Annotated[str, Query(pattern=_SHA)] = "",
) -> Response:
    """Store a recording: the body is its content, the Content-Type its media type."""
    media_type = ask.request.headers.get("content-type", "").strip()
    if not re.fullmatch(r"[a-z]+/[A-Za-z0-9.+-]+(;.*)?", media_type):
        raise Invalid(Violation("Content-Type", "must be the media type of the content"))
    description = pb.NewRecording(
        kind=kind,
        session_id=session_id,
        interaction_id=interaction_id,
        customer_id=customer_id,
        agent_ids=agent_id,
        channel=channel,
        queue_id=queue_id,
        started_at=stamp(started_at),
        ended_at=stamp(ended_at),
        media_type=media_type,
        sha256=sha256,
        request_id=ask.request_id,
    )

    async def parts() -> AsyncIterator[pb.StoreRecordingRequest]:
        yield pb.StoreRecordingRequest(description=description)
        async for chunk in ask.request.stream():
            for start in range(0, len(chunk), CHUNK):
                yield pb.StoreRecordingRequest(chunk=chunk[start : start + CHUNK])

    stored = await ask.services.recording.StoreRecording(parts())
    return answer(stored.recording, 201, location=f"/v1/recordings/{stored.recording.recording_id}")


@routes.get("/recordings/{recording_id}", operation_id="get_recording", **gives(pb.Recording))
async def get_recording(ask: Ask, recording_id: Name) -> Response:
    """Return what is known about one recording."""
    return answer(await _recording(ask, recording_id))


async def _recording(ask: Asked, recording_id: str) -> pb.Recording:
    request = pb.GetRecordingRequest(recording_id=recording_id)
    return (await ask.services.recording.GetRecording(request)).recording


@routes.get(
    "/recordings/{recording_id}/transcript",
    operation_id="get_transcript",
    **gives(pb.GetTranscriptResponse),
)
async def get_transcript(ask: Ask, recording_id: Name, purpose: Purpose = "") -> Response:
    """Return the lines of a transcript."""
    request = pb.GetTranscriptRequest(recording_id=recording_id, purpose=purpose)
    return answer(await ask.services.recording.GetTranscript(request))


@routes.get(
    "/recordings/{recording_id}/content",
    operation_id="get_recording_content",
    responses={
        200: {"description": "The content.", "content": {"application/octet-stream": {}}},
        206: {"description": "The range asked for.", "content": {"application/octet-stream": {}}},
    },
)
async def get_recording_content(ask: Ask, recording_id: Name, purpose: Purpose = "") -> Response:
    """Return the content, or the one range that a Range header asks for."""
    recording = await _recording(ask, recording_id)
    asked = ask.request.headers.get("range", "")
    part = range_of(asked, recording.size)
    if part is not None and not part:
        headers = {"Content-Range": f"bytes */{recording.size}"}
        return problem(416, "range_not_satisfiable", "the range lies beyond the end", headers=headers)
    wanted = range(recording.size) if part is None else part
    chunks = _content(ask, recording_id, wanted, purpose)
    first = await anext(chunks, b"")  # what the service refuses is refused before the answer begins
    headers = {
        "Content-Type": recording.media_type or "application/octet-stream",
        "Content-Length": str(len(wanted)),
        "Accept-Ranges": "bytes",
        "ETag": f'"{recording.sha256}"',
        "Content-Disposition": f'attachment; filename="{recording_id}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{recording.size}"

    async def all_chunks() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return StreamingResponse(all_chunks(), 200 if part is None else 206, headers)


def range_of(header: str, size: int) -> range | None:
    """Return the bytes that a Range header asks for: None for all, an empty range for none there are."""
    match = _RANGE.fullmatch(header.replace(" ", ""))
    if match is None or not (match[1] or match[2]):
        return None  # several ranges, or another unit: all of it is a right answer
    if not match[1]:
        return range(max(0, size - int(match[2])), size)
    last = int(match[2]) if match[2] else size - 1
    if last < int(match[1]):
        return range(0) if not match[2] else None
    return range(min(int(match[1]), size), min(last + 1, size))


async def _content(ask: Asked, recording_id: str, wanted: range, purpose: str) -> AsyncIterator[bytes]:
    request = pb.StreamContentRequest(
        recording_id=recording_id, offset=wanted.start, length=len(wanted), purpose=purpose
    )
    sent = 0
    async for part in ask.services.recording.StreamContent(request):
        if part.WhichOneof("part") == "chunk":
            sent += len(part.chunk)
            yield part.chunk
    if sent != len(wanted):
        raise Corrupt("content_incomplete", "the content ended early")


@routes.put("/recordings/{recording_id}/hold", operation_id="hold_recording", **gives(pb.Recording))
async def hold_recording(ask: Ask, recording_id: Name, hold: HoldBody) -> Response:
    """Forbid, or allow again, that a recording is erased."""
    request = pb.SetLegalHoldRequest(
        recording_id=recording_id,
        legal_hold=hold.legal_hold,
        reason=hold.reason,
        request_id=ask.request_id,
        expected_version=ask.expected_version,
    )
    return answer((await ask.services.recording.SetLegalHold(request)).recording)


@routes.get(
    "/recordings/{recording_id}/access",
    operation_id="list_recording_access",
    **gives(pb.Access, listed=True),
)
async def list_recording_access(
    ask: Ask, recording_id: Name, subject: NameQuery = "", limit: Limit = 50, cursor: Cursor = ""
) -> Response:
    """Return who did what with a recording, the newest first."""
    request = pb.ListAccessRequest(recording_id=recording_id, subject=subject, page=ask.page(limit, cursor))
    found = await ask.services.recording.ListAccess(request)
    return ask.listed(found.accesses, found.page)
