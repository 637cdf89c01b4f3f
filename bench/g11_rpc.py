"""G11: a gRPC call with token, deadline, trace and figures, beside a bare echo by grpc.aio."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import Any

from grpc import aio

from bench.harness import SECRET, Figure, Stage, compare
from libs import clock, rpc_client, rpc_server
from libs.rpc.session.v1 import session_pb2, session_pb2_grpc
from libs.rpc_caller import Caller, acting_for

CALLS = 3_000  # a round
AT_ONCE = 32
WHO = Caller("acme", "ana", frozenset({"agent"}))


class Echo(session_pb2_grpc.SessionServiceServicer):
    """Answers with the id it was asked for."""

    async def GetSession(  # noqa: N802 - the contract names the method
        self, request: session_pb2.GetSessionRequest, context: object
    ) -> session_pb2.GetSessionResponse:
        return session_pb2.GetSessionResponse(session=session_pb2.Session(session_id=request.session_id))


async def rate_of(call: Callable[[session_pb2.GetSessionRequest], Awaitable[Any]]) -> float:
    """Call a method, 32 times at once, and return how often a second."""

    async def caller(place: int) -> None:
        for turn in range(place, CALLS, AT_ONCE):
            answer = await call(session_pb2.GetSessionRequest(session_id=f"s-{turn}"))
            assert answer.session.session_id == f"s-{turn}"

    began = perf_counter()
    async with asyncio.TaskGroup() as group:
        for place in range(AT_ONCE):
            group.create_task(caller(place))
    return CALLS / (perf_counter() - began)


async def run(stage: Stage) -> list[Figure]:
    """Compare a call as services make it with the same call without anything around it."""
    add = session_pb2_grpc.add_SessionServiceServicer_to_server
    bare = aio.server()
    echoing = Echo()  # type: ignore[abstract]  # only one of the methods is called
    add(echoing, bare)
    bare_port = bare.add_insecure_port("127.0.0.1:0")
    await bare.start()
    try:
        async with (
            rpc_server.serve(partial(add, echoing), port=0, secret=SECRET, now=clock.now) as ours,
            rpc_client.channel(f"127.0.0.1:{ours.port}", SECRET, "bench", clock.now) as signed,
            aio.insecure_channel(f"127.0.0.1:{bare_port}") as plain,
        ):
            guarded = session_pb2_grpc.SessionServiceStub(signed)
            echo = session_pb2_grpc.SessionServiceStub(plain)
            with acting_for(WHO):
                rates = await compare(
                    {
                        "a call between services": lambda: rate_of(guarded.GetSession),
                        "bare grpc.aio echo": lambda: rate_of(echo.GetSession),
                    },
                    rounds=9,
                )
    finally:
        await bare.stop(None)
    rates.show()
    return [rates.figure("G11", "a call between services", "bare grpc.aio echo", 0.75)]
