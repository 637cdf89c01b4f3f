"""What went wrong comes to the caller as it was raised, and nothing that is nobody's business."""

import socket

import pytest
from grpc import StatusCode, aio
from grpc_status import rpc_status

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
from libs.rpc.session.v1 import session_pb2_grpc
from libs.rpc.session.v1.session_pb2 import GetSessionRequest
from libs.rpc_caller import acting_for
from libs.rpc_server import Serving
from libs.tests.rpc_answering import ANA, SECRET, Sessions, bare, counted, now, seen, serving, sessions, stub

__all__ = ["bare", "serving", "sessions", "stub"]


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


async def test_says_that_nobody_is_there_without_naming_addresses(serving: Serving) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        async with rpc_client.channel(
            f"127.0.0.1:{held.getsockname()[1]}", SECRET, "gateway", now
        ) as channel:
            with acting_for(ANA), pytest.raises(Unavailable) as raised:
                await session_pb2_grpc.SessionServiceStub(channel).GetSession(GetSessionRequest())

    assert "127.0.0.1" not in raised.value.text
