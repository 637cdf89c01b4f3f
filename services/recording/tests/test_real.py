"""Recording as a process, on a real broker, a real database and a folder."""

import asyncio
import hashlib
import signal
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.dev.ports import free_ports
from libs import bus, clock, topics
from libs.errors import Conflict, Corrupt, Exhausted, Forbidden, Invalid, NotFound, OutOfRange, Refused
from libs.events import recording as told
from libs.events.base import AnyEvent, Event, Fact
from libs.rpc.common.v1 import common_pb2
from libs.rpc.recording.v1 import recording_pb2 as pb
from libs.rpc.recording.v1 import recording_pb2_grpc
from libs.rpc_client import Caller, acting_for, channel
from libs.structs import stamp
from services.recording.domain.transcript import recording_id_of
from services.recording.settings import RecordingSettings
from services.recording.tests.making import (
    assigned,
    ended,
    entered,
    identified,
    opened,
    prompted,
    said,
    started,
)
from tests.running import eventually, running
from tests.servers import broker_server

pytestmark = [pytest.mark.real, pytest.mark.timeout(150)]
SECRET = "a secret that only these tests know"
ANA = Caller("acme", "ana", frozenset({"agent"}))
BEN = Caller("acme", "ben", frozenset({"agent"}))
SUE = Caller("acme", "sue", frozenset({"manager"}))
SWITCH = Caller("acme", "switch", frozenset({"adapter"}))
EVE = Caller("globex", "eve", frozenset({"admin"}))
WANTED = (
    told.RecordingStored,
    told.RecordingAccessed,
    told.RecordingHeld,
    told.RecordingErased,
    told.GapDeclared,
)


@dataclass
class Platform:
    """The running service, and the doors to it."""

    kafka: bus.KafkaBus
    rpc: recording_pb2_grpc.RecordingServiceStub
    seen: list[AnyEvent]
    settings: RecordingSettings
    process: asyncio.subprocess.Process
    number: int = 0

    async def tell(
        self, *facts: Fact, interaction: str = "i", ago: timedelta = timedelta()
    ) -> list[AnyEvent]:
        """Publish facts of a conversation, one after the other, with ids of this interaction."""
        events = []
        for fact in facts:
            self.number += 1
            named = {n: interaction for n in ("interaction_id", "contact_id") if n in type(fact).model_fields}
            session = {"session_id": f"s-{interaction}"} if "session_id" in type(fact).model_fields else {}
            data = fact.model_copy(update={**session, **{n: v for n, v in named.items() if getattr(fact, n)}})
            event_id = f"{interaction}-{self.number}"
            events.append(Event(event_id, "acme", clock.now() - ago, data, f"j-{interaction}"))
            await asyncio.sleep(0.002)
        await self.kafka.publish(events)
        return events

    def facts(self, kind: type[Fact], interaction: str = "i") -> list[Any]:
        """Return the facts of a kind, each once."""
        by_id = {each.id: each.data for each in self.seen if isinstance(each.data, kind)}
        return [data for data in by_id.values() if getattr(data, "interaction_id", "") == interaction]


def fresh(own_broker: str, mongo_url: str, tmp_path: Path, **more: Any) -> RecordingSettings:
    grpc_port, health_port = free_ports(2)
    return RecordingSettings(
        kafka_bootstrap=own_broker,
        mongo_url=mongo_url,
        mongo_database_prefix=f"t{uuid.uuid4().hex[:8]}_",
        data_dir=tmp_path,
        service_secret=SECRET,
        grpc_port=grpc_port,
        health_port=health_port,
        recording_grace_s=0.3,
        **more,
    )


@asynccontextmanager
async def running_with(settings: RecordingSettings) -> AsyncIterator[Platform]:
    seen: list[AnyEvent] = []

    async def see(events: Sequence[AnyEvent]) -> None:
        seen.extend(events)

    await topics.create(settings)
    async with (
        running("recording", settings, settings.data_dir / "recording.log") as process,
        bus.connect(settings, "/trunkline/test") as kafka,
        channel(f"127.0.0.1:{settings.grpc_port}", SECRET, "test", clock.now) as calls,
    ):
        reading = asyncio.create_task(kafka.consume(f"see-{uuid.uuid4().hex}", WANTED, see))
        rpc = recording_pb2_grpc.RecordingServiceStub(calls)
        try:
            yield Platform(kafka, rpc, seen, settings, process)
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading


@pytest.fixture
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a broker of this test alone: a new group is joined at once, a left one is not."""
    with broker_server(tmp_path_factory.mktemp("broker")) as server:
        yield server.address


@pytest.fixture
async def platform(own_broker: str, mongo_url: str, tmp_path: Path) -> AsyncIterator[Platform]:
    async with running_with(fresh(own_broker, mongo_url, tmp_path, recording_max_upload_mb=3)) as it:
        yield it


def chat(agent: str = "ana") -> list[Fact]:
    return [
        started(), opened(), prompted("How can we help?"), entered("1"), assigned(agent),
        said("my card is 4111111111111111", "m1"), said("let me see", "m2", "agent", agent), identified(),
        ended(),
    ]  # fmt: skip


async def content(platform: Platform, recording_id: str, **part: Any) -> tuple[pb.ContentHeader, bytes]:
    request = pb.StreamContentRequest(recording_id=recording_id, **part)
    answers = [answer async for answer in platform.rpc.StreamContent(request)]
    return answers[0].header, b"".join(answer.chunk for answer in answers[1:])


async def test_it_keeps_a_chat_and_shows_it_to_those_who_may_see_it(platform: Platform) -> None:
    name = f"i{uuid.uuid4().hex[:6]}"
    events = await platform.tell(*chat(), interaction=name)
    await eventually(lambda: bool(platform.facts(told.RecordingStored, name)), 50)
    stored = platform.facts(told.RecordingStored, name)[-1]

    with acting_for(ANA):
        found = await platform.rpc.SearchRecordings(pb.SearchRecordingsRequest())
        transcript = await platform.rpc.GetTranscript(
            pb.GetTranscriptRequest(recording_id=stored.recording_id, purpose="follow-up")
        )
        header, whole = await content(platform, stored.recording_id)
        with pytest.raises(Forbidden):
            await platform.rpc.SearchRecordings(pb.SearchRecordingsRequest(agent_id="ben"))
        with pytest.raises(Forbidden):
            await platform.rpc.ListAccess(pb.ListAccessRequest(recording_id=stored.recording_id))
    (one,) = found.recordings
    assert (one.recording_id, one.customer_id, one.queue_id) == (stored.recording_id, "c", "service")
    assert one.recording_id == recording_id_of("acme", name)
    assert (one.status, list(one.agent_ids), one.size) == ("stored", ["ana"], stored.size_bytes)
    assert [(line.speaker, line.participant_id, line.text) for line in transcript.lines] == [
        ("bot", "", "How can we help?\n[1] Balance"),
        ("customer", "", "1"),
        ("customer", "", "my card is ************1111"),
        ("agent", "ana", "let me see"),
    ]
    assert hashlib.sha256(whole).hexdigest() == stored.sha256 == header.recording.sha256

    get = pb.GetTranscriptRequest(recording_id=stored.recording_id)
    for who, refusal in ((BEN, Forbidden), (SWITCH, Forbidden), (EVE, NotFound)):
        with acting_for(who), pytest.raises(refusal):
            await platform.rpc.GetTranscript(get)
    with acting_for(BEN):
        assert not (await platform.rpc.SearchRecordings(pb.SearchRecordingsRequest())).recordings
    with acting_for(SUE):
        audit = await platform.rpc.ListAccess(pb.ListAccessRequest(recording_id=stored.recording_id))
        of_ana = await platform.rpc.ListAccess(pb.ListAccessRequest(subject="ana"))
    assert [(entry.action, entry.subject, entry.purpose) for entry in audit.accesses] == [
        ("read_content", "ana", ""),
        ("read_transcript", "ana", "follow-up"),
        ("stored", "service:recording", ""),
    ]
    assert len(of_ana.accesses) == 2
    await eventually(lambda: len(platform.facts(told.RecordingAccessed, name)) == 2)

    # What comes again changes nothing; what comes late makes a revision.
    await platform.kafka.publish(events)
    await platform.tell(said("one more thing", "m3"), interaction=name)
    await eventually(lambda: platform.facts(told.RecordingStored, name)[-1].messages == 5)
    assert [fact.messages for fact in platform.facts(told.RecordingStored, name)] == [4, 5]


async def test_it_keeps_a_transcript_though_it_is_killed(platform: Platform, tmp_path: Path) -> None:
    name = f"i{uuid.uuid4().hex[:6]}"
    await platform.tell(*chat()[:-1], interaction=name)
    await asyncio.sleep(0.5)
    platform.process.send_signal(signal.SIGKILL)
    await platform.process.wait()
    await platform.tell(ended(), interaction=name)

    async with running("recording", platform.settings, tmp_path / "again.log"):
        await eventually(lambda: bool(platform.facts(told.RecordingStored, name)), 60)

    assert [fact.messages for fact in platform.facts(told.RecordingStored, name)] == [4]


async def store(platform: Platform, audio: bytes, **changes: Any) -> pb.Recording:
    values = {
        "kind": "audio", "session_id": "s", "interaction_id": "call", "channel": "voice",
        "agent_ids": ["ana"], "media_type": "audio/wav", "request_id": "q", "started_at": stamp(clock.now()),
        "ended_at": stamp(clock.now()), "gaps": [pb.Gap(offset_ms=5, duration_ms=2, reason="paused")],
    }  # fmt: skip

    async def parts() -> AsyncIterator[pb.StoreRecordingRequest]:
        yield pb.StoreRecordingRequest(description=pb.NewRecording(**{**values, **changes}))
        for start in range(0, len(audio), 500_000):
            yield pb.StoreRecordingRequest(chunk=audio[start : start + 500_000])

    return (await platform.rpc.StoreRecording(parts())).recording


async def test_it_takes_audio_and_gives_any_part_of_it(platform: Platform) -> None:
    audio = bytes(range(256)) * 6000
    await eventually(lambda: _answers(platform), 50)
    with acting_for(SWITCH):
        kept = await store(platform, audio, sha256=hashlib.sha256(audio).hexdigest())
        again = await store(platform, b"something else")
        with pytest.raises(Corrupt):
            await store(platform, audio, sha256="0" * 64, request_id="q2")
        with pytest.raises(Exhausted):
            await store(platform, audio * 3, request_id="q3")
        with pytest.raises(Invalid):
            await store(platform, audio, media_type="text/html", request_id="q4")
        with pytest.raises(Forbidden):
            await content(platform, kept.recording_id)
    with acting_for(ANA):
        with pytest.raises(Forbidden):
            await store(platform, audio, request_id="q5")
        header, part = await content(platform, kept.recording_id, offset=1_000_000, length=100_000)
        _, rest = await content(platform, kept.recording_id, offset=len(audio) - 5, purpose="play")
        for wrong, refusal in (({"offset": len(audio)}, OutOfRange), ({"offset": -1}, Invalid)):
            with pytest.raises(refusal):
                await content(platform, kept.recording_id, **wrong)
        with pytest.raises(Refused):
            await platform.rpc.GetTranscript(pb.GetTranscriptRequest(recording_id=kept.recording_id))

    assert again == kept
    assert (kept.size, kept.status, kept.gaps[0].reason) == (len(audio), "stored", "paused")
    assert (header.offset, header.length, part) == (1_000_000, 100_000, audio[1_000_000:1_100_000])
    assert rest == audio[-5:]
    await eventually(lambda: len(platform.facts(told.RecordingAccessed, "call")) == 2)
    assert {fact.purpose for fact in platform.facts(told.RecordingAccessed, "call")} == {"download", "play"}
    (file,) = (platform.settings.data_dir / "objects" / "recordings" / "acme" / kept.recording_id).iterdir()
    file.write_bytes(audio[:-1] + b"!")
    with acting_for(SUE), pytest.raises(Corrupt):
        await content(platform, kept.recording_id)


async def _answers(platform: Platform) -> bool:
    with acting_for(SUE):
        try:
            request = pb.GetRecordingRequest(recording_id="none")
            await platform.rpc.GetRecording(request, wait_for_ready=True, timeout=45)
        except NotFound:
            return True
    return False


async def test_it_finds_recordings_page_by_page(platform: Platform) -> None:
    await eventually(lambda: _answers(platform), 50)
    with acting_for(SWITCH):
        ids = [
            (await store(platform, b"audio", request_id=f"p{n}", customer_id=f"c{n % 2}")).recording_id
            for n in range(5)
        ]
    found: list[str] = []
    token = ""
    with acting_for(SUE):
        while True:
            page = common_pb2.PageRequest(page_size=2, page_token=token)
            answer = await platform.rpc.SearchRecordings(pb.SearchRecordingsRequest(page=page))
            found += [each.recording_id for each in answer.recordings]
            token = answer.page.next_page_token
            if not token:
                break
        one = await platform.rpc.SearchRecordings(
            pb.SearchRecordingsRequest(customer_id="c1", channel="voice")
        )
        later = pb.SearchRecordingsRequest(from_time=stamp(clock.now()))
        none = await platform.rpc.SearchRecordings(later)
        with pytest.raises(Invalid):
            page = common_pb2.PageRequest(page_token="nonsense")
            await platform.rpc.SearchRecordings(pb.SearchRecordingsRequest(page=page))

    assert found == ids[::-1]
    assert [each.recording_id for each in one.recordings] == [ids[3], ids[1]]
    assert not none.recordings


async def test_it_erases_what_is_over_unless_it_is_held(
    own_broker: str, mongo_url: str, tmp_path: Path
) -> None:
    settings = fresh(own_broker, mongo_url, tmp_path, recording_retention_days=1)
    name, held = f"i{uuid.uuid4().hex[:6]}", f"i{uuid.uuid4().hex[:6]}"
    async with running_with(settings) as platform:
        await eventually(lambda: _answers(platform), 50)
        await platform.tell(*chat(), interaction=held, ago=timedelta(days=1, seconds=-12))
        await eventually(lambda: bool(platform.facts(told.RecordingStored, held)), 50)
        want = pb.SetLegalHoldRequest(
            recording_id=recording_id_of("acme", held), legal_hold=True, reason="court", request_id="h1"
        )
        with acting_for(ANA), pytest.raises(Forbidden):
            await platform.rpc.SetLegalHold(want)
        with acting_for(SUE):
            first = (await platform.rpc.SetLegalHold(want)).recording
            again = (await platform.rpc.SetLegalHold(want)).recording
            want.request_id, want.expected_version = "h2", 99
            with pytest.raises(Conflict):
                await platform.rpc.SetLegalHold(want)
            with pytest.raises(Invalid):
                await platform.rpc.SetLegalHold(pb.SetLegalHoldRequest(recording_id=want.recording_id))
        await platform.tell(*chat(), interaction=name, ago=timedelta(days=1, seconds=-13))
        await eventually(lambda: bool(platform.facts(told.RecordingErased, name)), 50)
        with acting_for(SUE):
            gone = pb.GetTranscriptRequest(recording_id=recording_id_of("acme", name))
            with pytest.raises(Refused):
                await platform.rpc.GetTranscript(gone)
            kept = pb.GetTranscriptRequest(recording_id=want.recording_id)
            lines = (await platform.rpc.GetTranscript(kept)).lines
            audit = await platform.rpc.ListAccess(pb.ListAccessRequest(recording_id=want.recording_id))
            erased = await platform.rpc.ListAccess(pb.ListAccessRequest(recording_id=gone.recording_id))
        assert (first.legal_hold, again) == (True, first)
        assert len(lines) == 4
        assert [entry.action for entry in audit.accesses] == ["read_transcript", "held", "stored"]
        assert (audit.accesses[1].subject, audit.accesses[1].purpose) == ("sue", "court")
        assert [entry.action for entry in erased.accesses] == ["erased", "stored"]
        assert not platform.facts(told.RecordingErased, held)
        left = [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]
        assert {path.parent.name for path in left} == {want.recording_id}

        want.legal_hold, want.request_id = False, "h3"
        want.ClearField("expected_version")
        with acting_for(SUE):
            await platform.rpc.SetLegalHold(want)
        await eventually(lambda: bool(platform.facts(told.RecordingErased, held)))
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []


async def test_it_declares_a_gap_while_the_store_is_away_and_goes_on_trying(
    own_broker: str, mongo_url: str, tmp_path: Path
) -> None:
    settings = fresh(own_broker, mongo_url, tmp_path, recording_attempts=2)
    name = f"i{uuid.uuid4().hex[:6]}"
    away = settings.model_copy(update={"object_store_url": (tmp_path / "store").as_uri()})
    async with running_with(away) as platform:
        await eventually((tmp_path / "store").is_dir)
        (tmp_path / "store").rmdir()
        (tmp_path / "store").write_text("no folder any more")
        await platform.tell(*chat(), interaction=name)
        await eventually(lambda: bool(platform.facts(told.GapDeclared, name)), 50)

        (tmp_path / "store").unlink()
        await eventually(lambda: bool(platform.facts(told.RecordingStored, name)), 30)

    assert [gap.reason for gap in platform.facts(told.GapDeclared, name)] == ["store_unavailable"]
