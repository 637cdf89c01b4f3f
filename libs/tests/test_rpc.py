"""Calls from end to end: a real client and a real server on a free loopback port."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from opentelemetry import trace
from prometheus_client import REGISTRY

from libs import rpc_client
from libs.errors import (
    AlreadyExists,
    Conflict,
    Corrupt,
    Exhausted,
    Failed,
    Forbidden,
    Invalid,
    NotFound,
    OutOfRange,
    Refusal,
    Refused,
    TimedOut,
    Unauthenticated,
    Unavailable,
    Unsupported,
    Violation,
)
from libs.rpc.recording.v1 import recording_pb2, recording_pb2_grpc
from libs.rpc.session.v1 import session_pb2, session_pb2_grpc
from libs.rpc.session.v1.session_pb2 import GetSessionRequest, WatchContextRequest
from libs.rpc_caller import Caller, acting_for, caller
from libs.rpc_guard import within
from libs.rpc_server import Context, Serving, serve

SECRET = "a secret that only these tests know"
ANA = Caller("acme", "ana", frozenset({"adapter", "agent"}))
SERVICE = "trunkline.session.v1.SessionService"
TRACE_ID = 0x0AF7651916CD43DD8448EB211C80319C


def now() -> datetime:
    return datetime.now(UTC)


class Sessions(session_pb2_grpc.SessionServiceServicer):
    """Answers with who called; refuses with whatever the test says."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.delay_s = 0.0
        self.watching = asyncio.Event()
        self.left = asyncio.Event()
        self.trace_id = 0

    async def GetSession(
        self, request: session_pb2.GetSessionRequest, context: Context
    ) -> session_pb2.GetSessionResponse:
        if self.fault is not None:
            raise self.fault
        await asyncio.sleep(self.delay_s)
        self.trace_id = trace.get_current_span().get_span_context().trace_id
        who = caller()
        session = session_pb2.Session(
            session_id=request.session_id,
            customer_id=f"{who.tenant}/{who.subject}",
            channel=",".join(sorted(who.roles)),
        )
        return session_pb2.GetSessionResponse(session=session)

    async def WatchContext(
        self, request: session_pb2.WatchContextRequest, context: Context
    ) -> AsyncIterator[session_pb2.WatchContextResponse]:
        for key in request.keys:
            yield session_pb2.WatchContextResponse(
                entry=session_pb2.ContextEntry(key=f"{caller().tenant}/{key}")
            )
        if self.fault is not None:
            raise self.fault
        self.watching.set()
        try:
            await asyncio.sleep(60)
        finally:
            self.left.set()


class Recordings(recording_pb2_grpc.RecordingServiceServicer):
    """Counts what is uploaded."""

    async def StoreRecording(
        self, request_iterator: AsyncIterator[recording_pb2.StoreRecordingRequest], context: Context
    ) -> recording_pb2.StoreRecordingResponse:
        size = 0
        async for part in request_iterator:
            size += len(part.chunk)
        stored = recording_pb2.Recording(customer_id=caller().tenant, size=size)
        return recording_pb2.StoreRecordingResponse(recording=stored)


@pytest.fixture
def sessions() -> Sessions:
    return Sessions()  # type: ignore[abstract]  # only the methods under test


@pytest.fixture
async def serving(sessions: Sessions) -> AsyncIterator[Serving]:
    recordings = Recordings()  # type: ignore[abstract]  # only the methods under test
    add_sessions = partial(session_pb2_grpc.add_SessionServiceServicer_to_server, sessions)
    add_recordings = partial(recording_pb2_grpc.add_RecordingServiceServicer_to_server, recordings)
    async with serve(add_sessions, add_recordings, port=0, secret=SECRET, now=now) as server:
        yield server


@pytest.fixture
async def stub(serving: Serving) -> AsyncIterator[session_pb2_grpc.SessionServiceStub]:
    async with rpc_client.channel(f"127.0.0.1:{serving.port}", SECRET, "gateway", now) as channel:
        yield session_pb2_grpc.SessionServiceStub(channel)


@pytest.fixture
async def bare(serving: Serving) -> AsyncIterator[aio.Channel]:
    async with aio.insecure_channel(f"127.0.0.1:{serving.port}") as channel:
        yield channel


async def counted(code: str, times: float) -> None:
    """Return when calls that ended so were counted: a moment after their caller had the answer."""
    async with asyncio.timeout(5):
        while seen(code) != times:  # noqa: ASYNC110 - what is waited for is a number, not an event
            await asyncio.sleep(0.01)


def seen(code: str, method: str = f"{SERVICE}/GetSession") -> float:
    return REGISTRY.get_sample_value("trunkline_rpc_seconds_count", {"method": method, "code": code}) or 0.0


async def test_tells_the_service_who_asks(stub: session_pb2_grpc.SessionServiceStub) -> None:
    with acting_for(ANA):
        answer = await stub.GetSession(GetSessionRequest(session_id="s-1"))

    assert answer.session.session_id == "s-1"
    assert answer.session.customer_id == "acme/ana"
    assert answer.session.channel == "adapter,agent"


async def test_keeps_the_callers_of_concurrent_calls_apart(stub: session_pb2_grpc.SessionServiceStub) -> None:
    async def ask(tenant: str) -> str:
        with acting_for(Caller(tenant, "ana", ANA.roles)):
            return (await stub.GetSession(GetSessionRequest(session_id="s-1"))).session.customer_id

    answers = await asyncio.gather(*(ask(f"t-{number}") for number in range(50)))

    assert answers == [f"t-{number}/ana" for number in range(50)]


async def test_calls_nobody_without_a_caller(stub: session_pb2_grpc.SessionServiceStub) -> None:
    with pytest.raises(Unauthenticated):
        await stub.GetSession(GetSessionRequest(session_id="s-1"))


@pytest.mark.parametrize(
    "refusal",
    [
        NotFound("session", "s-1"),
        AlreadyExists("identity_taken", "another customer has this identity", {"customer_id": "c-2"}),
        Conflict(3, 5),
        Refused("ticket_closed", "a closed ticket cannot be closed", {"ticket_id": "t-1"}),
        Invalid(
            Violation("page.page_size", "must not be negative", "negative"), Violation("key", "is missing")
        ),
        OutOfRange("beyond_the_end", "the content has 10 bytes", {"size": "10"}),
        Corrupt("checksum_differs", "the content is not what its checksum says"),
        Unauthenticated("who", "who asks?"),
        Forbidden("role_missing", "this takes the role supervisor"),
        Exhausted("too_many", "come back later", retry_after_s=1.5),
        TimedOut("too_slow", "the store did not answer"),
        Unavailable("starting", "the pools are being loaded", retry_after_s=0.25),
        Unsupported("not_yet", "voice comes later"),
    ],
    ids=lambda refusal: type(refusal).__name__,
)
async def test_brings_every_refusal_to_the_caller_as_it_was_raised(
    stub: session_pb2_grpc.SessionServiceStub, sessions: Sessions, refusal: Refusal
) -> None:
    sessions.fault = refusal

    with acting_for(ANA), pytest.raises(type(refusal)) as raised:
        await stub.GetSession(GetSessionRequest(session_id="s-1"))

    got = raised.value
    assert (got.reason, got.text, got.facts) == (refusal.reason, refusal.text, refusal.facts)
    assert (got.violations, got.retry_after_s) == (refusal.violations, refusal.retry_after_s)


async def test_tells_foreign_clients_of_a_refusal_in_standard_details(
    stub: session_pb2_grpc.SessionServiceStub, sessions: Sessions
) -> None:
    sessions.fault = Invalid(Violation("key", "is missing"))

    with acting_for(ANA), pytest.raises(Invalid) as raised:
        await stub.GetSession(GetSessionRequest(session_id="s-1"))

    cause = raised.value.__cause__
    assert isinstance(cause, aio.AioRpcError)
    assert cause.code() is StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(cause)
    kinds = {each.type_url.rpartition("/")[2] for each in status.details}
    assert kinds == {"google.rpc.ErrorInfo", "google.rpc.BadRequest"}


async def test_tells_nothing_of_a_fault_of_its_own(
    stub: session_pb2_grpc.SessionServiceStub, sessions: Sessions
) -> None:
    sessions.fault = RuntimeError("customer 13800138000 broke it")
    before = seen("INTERNAL")

    with acting_for(ANA), pytest.raises(Failed) as raised:
        await stub.GetSession(GetSessionRequest(session_id="s-1"))

    assert raised.value.reason == "internal"
    assert "13800138000" not in repr(raised.value.__cause__)
    await counted("INTERNAL", before + 1)


async def test_passes_off_no_failure_of_another_service_as_its_own_words(
    stub: session_pb2_grpc.SessionServiceStub, sessions: Sessions
) -> None:
    sessions.fault = Failed("internal", "what the other one said")

    with acting_for(ANA), pytest.raises(Failed) as raised:
        await stub.GetSession(GetSessionRequest(session_id="s-1"))

    assert "the other one" not in raised.value.text


async def test_ends_a_call_at_its_callers_deadline(
    stub: session_pb2_grpc.SessionServiceStub, sessions: Sessions
) -> None:
    sessions.delay_s = 30

    with acting_for(ANA), pytest.raises(TimedOut):
        await stub.GetSession(GetSessionRequest(session_id="s-1"), timeout=0.05)


async def test_ends_a_call_without_a_deadline() -> None:
    with pytest.raises(TimedOut):
        await within(asyncio.sleep(30), 0.01)


async def test_takes_a_timeout_of_the_method_itself_for_a_fault() -> None:
    async def impatient() -> None:
        raise TimeoutError("the store")

    with pytest.raises(TimeoutError, match="the store"):
        await within(impatient(), 5)


@pytest.mark.parametrize(
    "metadata",
    [(), (("authorization", "Basic YW5hOmFuYQ=="),), (("authorization", "Bearer not.a.token"),)],
    ids=["no token", "no bearer", "no token of ours"],
)
async def test_refuses_calls_of_nobody(bare: aio.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
    stub = session_pb2_grpc.SessionServiceStub(bare)

    with pytest.raises(aio.AioRpcError) as raised:
        await stub.GetSession(GetSessionRequest(session_id="s-1"), metadata=metadata, timeout=2)

    assert raised.value.code() is StatusCode.UNAUTHENTICATED


async def test_refuses_a_foreign_secret(serving: Serving) -> None:
    address = f"127.0.0.1:{serving.port}"
    async with rpc_client.channel(address, "x" * 40, "gateway", now) as channel:
        stub = session_pb2_grpc.SessionServiceStub(channel)
        with acting_for(ANA), pytest.raises(Unauthenticated) as raised:
            await stub.GetSession(GetSessionRequest(session_id="s-1"))
        watching = stub.WatchContext(WatchContextRequest(session_id="s-1"))
        with acting_for(ANA), pytest.raises(Unauthenticated):
            async for _ in watching:
                pytest.fail("it has answered")

    assert raised.value.reason == "token_invalid"


async def test_knows_no_other_methods(bare: aio.Channel) -> None:
    with pytest.raises(aio.AioRpcError) as raised:
        await bare.unary_unary(f"/{SERVICE}/StealSession", bytes, bytes)(b"", timeout=2)

    assert raised.value.code() is StatusCode.UNIMPLEMENTED


async def test_streams_answers_and_then_the_refusal(
    stub: session_pb2_grpc.SessionServiceStub, sessions: Sessions
) -> None:
    sessions.fault = NotFound("session", "s-1")
    keys = []

    with acting_for(ANA), pytest.raises(NotFound, match="s-1"):
        async for answer in stub.WatchContext(WatchContextRequest(session_id="s-1", keys=["a", "b"])):
            keys.append(answer.entry.key)  # noqa: PERF401  (what came before the refusal is wanted)

    assert keys == ["acme/a", "acme/b"]


async def test_ends_the_method_when_a_watcher_leaves(
    stub: session_pb2_grpc.SessionServiceStub, sessions: Sessions
) -> None:
    with acting_for(ANA):
        watching = stub.WatchContext(WatchContextRequest(session_id="s-1", keys=["a"]))
        async for _ in watching:
            await sessions.watching.wait()
            break
        await watching.aclose()  # type: ignore[attr-defined]  # our channel gives generators

    await asyncio.wait_for(sessions.left.wait(), 5)


async def test_takes_uploads(serving: Serving) -> None:
    async def parts() -> AsyncIterator[recording_pb2.StoreRecordingRequest]:
        for _ in range(3):
            yield recording_pb2.StoreRecordingRequest(chunk=bytes(1 << 20))

    async with rpc_client.channel(f"127.0.0.1:{serving.port}", SECRET, "gateway", now) as channel:
        with acting_for(ANA):
            answer = await recording_pb2_grpc.RecordingServiceStub(channel).StoreRecording(parts())

    assert (answer.recording.customer_id, answer.recording.size) == ("acme", 3 << 20)


async def test_says_that_nobody_is_there_without_naming_addresses(serving: Serving) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        async with rpc_client.channel(
            f"127.0.0.1:{held.getsockname()[1]}", SECRET, "gateway", now
        ) as channel:
            with acting_for(ANA), pytest.raises(Unavailable) as raised:
                await session_pb2_grpc.SessionServiceStub(channel).GetSession(GetSessionRequest())

    assert "127.0.0.1" not in raised.value.text


async def test_continues_the_trace_of_its_caller(
    stub: session_pb2_grpc.SessionServiceStub, sessions: Sessions
) -> None:
    parent = trace.SpanContext(TRACE_ID, 0xB7AD6B7169203331, is_remote=True, trace_flags=trace.TraceFlags(1))

    with acting_for(ANA), trace.use_span(trace.NonRecordingSpan(parent)):
        await stub.GetSession(GetSessionRequest(session_id="s-1"))

    assert sessions.trace_id == TRACE_ID


async def test_counts_calls_by_method_and_code(
    stub: session_pb2_grpc.SessionServiceStub, sessions: Sessions
) -> None:
    answered, refused = seen("OK"), seen("NOT_FOUND")

    with acting_for(ANA):
        await stub.GetSession(GetSessionRequest(session_id="s-1"))
        sessions.fault = NotFound("session", "s-1")
        with pytest.raises(NotFound):
            await stub.GetSession(GetSessionRequest(session_id="s-1"))

    await counted("OK", answered + 1)
    await counted("NOT_FOUND", refused + 1)


async def test_tells_its_health_to_anybody(serving: Serving, bare: aio.Channel) -> None:
    health = health_pb2_grpc.HealthStub(bare)
    question = health_pb2.HealthCheckRequest(service=SERVICE)

    well = await health.Check(question)
    await serving.set_healthy(False)
    ill = await health.Check(question)

    assert (well.status, ill.status) == (well.SERVING, well.NOT_SERVING)


async def test_lists_its_services_to_anybody(bare: aio.Channel) -> None:
    async def question() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        yield reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE)

    answers = reflection_pb2_grpc.ServerReflectionStub(bare).ServerReflectionInfo(question())
    listed, described = [answer async for answer in answers]

    names = {each.name for each in listed.list_services_response.service}
    assert names >= {SERVICE, "trunkline.recording.v1.RecordingService", "grpc.health.v1.Health"}
    assert described.file_descriptor_response.file_descriptor_proto


async def test_does_not_share_a_port(serving: Serving) -> None:
    with pytest.raises(RuntimeError):
        async with serve(port=serving.port, secret=SECRET, now=now):
            pytest.fail("two servers on one port")


async def test_lets_the_calls_in_hand_finish(sessions: Sessions) -> None:
    sessions.delay_s = 0.3
    add_sessions = partial(session_pb2_grpc.add_SessionServiceServicer_to_server, sessions)
    async with serve(add_sessions, port=0, secret=SECRET, now=now) as serving:
        channel = rpc_client.channel(f"127.0.0.1:{serving.port}", SECRET, "gateway", now)
        opened = await channel.__aenter__()
        with acting_for(ANA):
            call = asyncio.create_task(ask(session_pb2_grpc.SessionServiceStub(opened)))
        await asyncio.sleep(0.1)

    assert (await call).session.session_id == "s-1"
    await channel.__aexit__(None, None, None)


async def ask(stub: session_pb2_grpc.SessionServiceStub) -> session_pb2.GetSessionResponse:
    return await stub.GetSession(GetSessionRequest(session_id="s-1"))
