"""Who may call, what is there, and what is told to anybody."""

from collections.abc import AsyncIterator

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from libs import rpc_client
from libs.errors import (
    Unauthenticated,
)
from libs.rpc.session.v1 import session_pb2_grpc
from libs.rpc.session.v1.session_pb2 import GetSessionRequest, WatchContextRequest
from libs.rpc_caller import acting_for
from libs.rpc_server import Serving, serve
from libs.tests.rpc_answering import ANA, SECRET, SERVICE, bare, now, serving, sessions, stub

__all__ = ["bare", "serving", "sessions", "stub"]


async def test_calls_nobody_without_a_caller(stub: session_pb2_grpc.SessionServiceStub) -> None:
    with pytest.raises(Unauthenticated):
        await stub.GetSession(GetSessionRequest(session_id="s-1"))


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
