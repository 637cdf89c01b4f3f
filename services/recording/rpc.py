"""The gRPC door of recording: search, content, upload, holds and the audit."""

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import uuid4

import orjson

from libs import paging
from libs.apply import Apply
from libs.clock import Now
from libs.errors import Forbidden, Invalid, NotFound, OutOfRange, Refusal, Refused, Violation
from libs.events.base import follow_id
from libs.mongo import Document
from libs.paging import Place
from libs.rpc.common.v1 import common_pb2
from libs.rpc.recording.v1 import recording_pb2 as pb
from libs.rpc.recording.v1 import recording_pb2_grpc
from libs.rpc_server import Caller, Context, caller
from libs.stored import Key
from libs.structs import stamp, time_of
from services.recording import uploads
from services.recording.domain.access import Access
from services.recording.domain.commands import Action, HoldSet, Looked
from services.recording.domain.recording import Recording
from services.recording.keeping import command, store
from services.recording.store import Accesses, Recordings
from services.recording.vault import Vault
from services.recording.views import access_view, recording_view

SEES_ALL = ("supervisor", "qa", "manager", "admin", "service")
ORDER = (datetime, str)
NO_ID = re.compile(r"[^A-Za-z0-9._:@+=~-]")


class RecordingRpc(recording_pb2_grpc.RecordingServiceServicer):
    """Answers from the database and the object store; each look is written down before it is granted."""

    def __init__(
        self,
        vault: Vault,
        recordings: Recordings,
        accesses: Accesses,
        apply_recordings: Apply[Recording],
        apply_accesses: Apply[Access],
        retention: timedelta,
        max_upload_bytes: int,
        now: Now,
    ) -> None:
        self._vault = vault
        self._recordings = recordings
        self._accesses = accesses
        self._apply_recordings = apply_recordings
        self._apply_accesses = apply_accesses
        self._retention = retention
        self._max_upload_bytes = max_upload_bytes
        self._now = now

    async def SearchRecordings(
        self, request: pb.SearchRecordingsRequest, context: Context
    ) -> pb.SearchRecordingsResponse:
        who = caller()
        agent_id = request.agent_id
        if who.roles.isdisjoint(SEES_ALL):
            if agent_id not in ("", who.subject):
                raise Forbidden("not_yours", "agents find only recordings they took part in")
            agent_id = who.subject
        fields = {
            "agents": agent_id,
            "customer": request.customer_id,
            "session": request.session_id,
            "interaction": request.interaction_id,
            "channel": request.channel,
            "kind": request.kind,
            "queue": request.queue_id,
        }
        where: Document = {f"ix.{name}": value for name, value in fields.items() if value}
        where |= between(request)
        size = paging.size_of(request.page.page_size)
        places = paging.places_of(request.page.page_token, ORDER)
        found = await self._recordings.search(who.tenant, where, places, size + 1)
        return pb.SearchRecordingsResponse(
            recordings=map(recording_view, found[:size]),
            page=next_page([(each.started_at, each.recording_id) for each in found], size),
        )

    async def GetRecording(
        self, request: pb.GetRecordingRequest, context: Context
    ) -> pb.GetRecordingResponse:
        _, kept = await self._seen(request.recording_id)
        return pb.GetRecordingResponse(recording=recording_view(kept))

    async def GetTranscript(
        self, request: pb.GetTranscriptRequest, context: Context
    ) -> pb.GetTranscriptResponse:
        who, kept = await self._seen(request.recording_id)
        if kept.kind != "transcript":
            raise Refused("no_transcript", "audio has no transcript", {"kind": kept.kind})
        self._require_content(kept)
        await self._note(who, kept, "read_transcript", request.purpose)
        content = b"".join([piece async for piece in self._vault.read(kept, 0, kept.size)])
        begins = kept.started_at or self._now()
        answer = pb.GetTranscriptResponse(recording=recording_view(kept))
        for line in orjson.loads(content)["lines"]:
            time = datetime.fromisoformat(line["time"])
            answer.lines.add(
                message_id=line["message_id"],
                time=stamp(time),
                offset_ms=(time - begins) // timedelta(milliseconds=1),
                speaker=line["speaker"],
                participant_id=line["participant_id"],
                text=line["text"],
            )
        return answer

    async def StreamContent(
        self, request: pb.StreamContentRequest, context: Context
    ) -> AsyncIterator[pb.StreamContentResponse]:
        who, kept = await self._seen(request.recording_id)
        self._require_content(kept)
        if request.offset < 0 or request.length < 0:
            raise Invalid(Violation("offset", "offset and length must not be negative"))
        if request.offset >= kept.size:
            raise OutOfRange("beyond_end", f"the content has {kept.size} bytes", {"size": str(kept.size)})
        left = kept.size - request.offset
        length = min(request.length, left) if request.length else left
        part = (request.offset, length) if length < kept.size else (0, 0)
        await self._note(who, kept, "read_content", request.purpose, *part)
        header = pb.ContentHeader(recording=recording_view(kept), offset=request.offset, length=length)
        yield pb.StreamContentResponse(header=header)
        async for piece in self._vault.read(kept, request.offset, length):
            yield pb.StreamContentResponse(chunk=piece)

    async def StoreRecording(
        self, request: AsyncIterator[pb.StoreRecordingRequest], context: Context
    ) -> pb.StoreRecordingResponse:
        parts = aiter(request)
        try:
            return await self._stored(parts)
        except Refusal:
            await uploads.drain(parts)
            raise

    async def _stored(self, parts: AsyncIterator[pb.StoreRecordingRequest]) -> pb.StoreRecordingResponse:
        who = caller()
        description = await uploads.first_of(parts)
        recording_id = follow_id(f"{who.tenant}/{description.new.request_id}", "StoreRecording")
        before = await self._recordings.get(Key(who.tenant, recording_id))
        if before is not None and before.status:
            await uploads.drain(parts)
            return pb.StoreRecordingResponse(recording=recording_view(before))
        with uploads.spool() as file:
            digest = await uploads.receive(parts, file, description.new.sha256, self._max_upload_bytes)
            key = await self._vault.put(who.tenant, recording_id, digest.sha256, file)
        kept = description.kept(recording_id, digest, key, as_id(who.subject), self._retention)
        now = self._now()
        journey_id = follow_id(f"{who.tenant}/interaction/{kept.interaction_id}", "journey")
        event = command(who.tenant, kept, f"{who.tenant}/{recording_id}", journey_id, now)
        stored = await store(self._apply_recordings, self._apply_accesses, event, kept, now)
        return pb.StoreRecordingResponse(recording=recording_view(stored))

    async def SetLegalHold(
        self, request: pb.SetLegalHoldRequest, context: Context
    ) -> pb.SetLegalHoldResponse:
        who = caller()
        missing = [name for name in ("reason", "request_id") if not getattr(request, name).strip()]
        if missing:
            raise Invalid(*(Violation(name, "is required") for name in missing))
        key = Key(who.tenant, request.recording_id)
        before = await self._recordings.get(key)
        if before is None:
            raise NotFound("recording", request.recording_id)
        expected = request.expected_version if request.HasField("expected_version") else None
        wanted = HoldSet(
            recording_id=key.id,
            by=as_id(who.subject),
            held=request.legal_hold,
            reason=request.reason[:256],
            expected_version=expected,
        )
        now = self._now()
        event = command(who.tenant, wanted, f"{key}/{request.request_id}", before.journey_id, now)
        after = (await self._apply_recordings([(key, event)], now))[key].state
        return pb.SetLegalHoldResponse(recording=recording_view(after))

    async def ListAccess(self, request: pb.ListAccessRequest, context: Context) -> pb.ListAccessResponse:
        who = caller()
        if not request.recording_id and not request.subject:
            raise Invalid(Violation("recording_id", "a recording or a person must be named"))
        fields = {"recording": request.recording_id, "subject": request.subject}
        where: Document = {f"ix.{name}": value for name, value in fields.items() if value}
        where |= between(request)
        size = paging.size_of(request.page.page_size)
        places = paging.places_of(request.page.page_token, ORDER)
        found = await self._accesses.search(who.tenant, where, places, size + 1)
        return pb.ListAccessResponse(
            accesses=map(access_view, found[:size]),
            page=next_page([(each.at, each.access_id) for each in found], size),
        )

    async def _seen(self, recording_id: str) -> tuple[Caller, Recording]:
        """Return who asks and what he asks for. :raises Forbidden: he may not see it."""
        who = caller()
        kept = await self._recordings.get(Key(who.tenant, recording_id))
        if kept is None or not kept.status:
            raise NotFound("recording", recording_id)
        if who.roles.isdisjoint(SEES_ALL) and who.subject not in kept.agent_ids:
            raise Forbidden("not_yours", "agents see only recordings they took part in")
        return who, kept

    def _require_content(self, kept: Recording) -> None:
        if kept.status != "stored":
            raise Refused("recording_erased", "the content was erased, its retention time being over")

    async def _note(
        self, who: Caller, kept: Recording, action: Action, purpose: str, offset: int = 0, length: int = 0
    ) -> None:
        looked = Looked(
            access_id=str(uuid4()),
            recording_id=kept.recording_id,
            session_id=kept.session_id,
            interaction_id=kept.interaction_id,
            by=as_id(who.subject),
            action=action,
            purpose=purpose[:256],
            offset=offset,
            length=length,
        )
        now = self._now()
        event = command(who.tenant, looked, looked.access_id, kept.journey_id, now)
        await self._apply_accesses([(Key(who.tenant, looked.access_id), event)], now)


def between(request: pb.SearchRecordingsRequest | pb.ListAccessRequest) -> Document:
    """Return the condition on times that the request makes. :raises Invalid: a time is out of range."""
    bounds: Document = {}
    for field, operator in (("from_time", "$gte"), ("to_time", "$lt")):
        if request.HasField(field):  # type: ignore[arg-type]  # both messages have both fields
            try:
                bounds[operator] = time_of(getattr(request, field))
            except ValueError:
                raise Invalid(Violation(field, "is out of range")) from None
    return {"ix.at": bounds} if bounds else {}


def next_page(places: list[tuple[datetime | None, str]], size: int) -> common_pb2.PageResponse:
    """Return where the next page begins, if what was found is more than this one."""
    if len(places) <= size:
        return common_pb2.PageResponse()
    at, name = places[size - 1]
    last: list[Place] = [at, name] if at is not None else []
    return common_pb2.PageResponse(next_page_token=paging.token_of(last) if last else "")


def as_id(subject: str) -> str:
    """Return who it was as an id of the bus."""
    return NO_ID.sub("_", subject)[:128] or "_"
