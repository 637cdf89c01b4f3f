"""Calls from end to end: a real client and a real server on a free loopback port."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
from opentelemetry import trace

from libs import rpc_client
from libs.errors import (
    NotFound,
    TimedOut,
)
from libs.rpc.recording.v1 import recording_pb2, recording_pb2_grpc
from libs.rpc.session.v1 import session_pb2, session_pb2_grpc
from libs.rpc.session.v1.session_pb2 import GetSessionRequest, WatchContextRequest
from libs.rpc_caller import Caller, acting_for
from libs.rpc_guard import within
from libs.rpc_server import Serving, serve
from libs.tests.rpc_answering import (
    ANA,
    SECRET,
    TRACE_ID,
    Sessions,
    bare,
    counted,
    now,
    seen,
    serving,
    sessions,
    stub,
)

__all__ = ["bare", "serving", "sessions", "stub"]


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
