"""Two services that answer by heart, served on a free loopback port, and what their callers count."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial

import pytest
from grpc import aio
from opentelemetry import trace
from prometheus_client import REGISTRY

from libs import rpc_client
from libs.rpc.recording.v1 import recording_pb2, recording_pb2_grpc
from libs.rpc.session.v1 import session_pb2, session_pb2_grpc
from libs.rpc_caller import Caller, caller
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
