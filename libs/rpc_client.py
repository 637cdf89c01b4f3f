"""Calls to other services: signed for the present caller, with a deadline, refused by exceptions."""

import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar, cast

from grpc import StatusCode, aio
from opentelemetry import trace

from libs.clock import Now
from libs.rpc_caller import Caller, Signer, acting_for, caller
from libs.rpc_server import LARGEST_MESSAGE
from libs.rpc_status import refusal_of

__all__ = ["Caller", "acting_for", "channel"]

T = TypeVar("T")

DEADLINE_S = 2.0
UPLOAD_DEADLINE_S = 300.0
STREAM_DEADLINE_S = 3600.0  # a watcher that wants more begins again
OPTIONS: Sequence[tuple[str, int | str]] = (
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)

Metadata: TypeAlias = Sequence[tuple[str, str]]


@asynccontextmanager
async def channel(address: str, secret: str, service: str, now: Now) -> AsyncIterator[aio.Channel]:
    """
    Open a channel from `service` to the service at `address`, to be given to generated stubs.

    Every call is made on behalf of `caller()`: the one behind the call being answered, or the
    one that `acting_for` names.
    A stub's method is awaited, or iterated over where it answers more than once; it raises a Refusal.
    """
    async with aio.insecure_channel(address, options=OPTIONS) as inner:
        yield cast("aio.Channel", Signed(inner, Signer(secret, service, now)))


class Signed:
    """
    Stands in for a channel, as far as generated stubs use one, and completes each of their calls.

    Does what client interceptors would, which cost a task and several objects on every call.
    """

    def __init__(self, inner: aio.Channel, signer: Signer) -> None:
        self._inner: Any = inner
        self._signer = signer

    def headers(self, given: Metadata) -> Metadata:
        """Return the metadata of a call made now: `given`, the caller's token and the trace."""
        headers = [*given, ("authorization", f"Bearer {self._signer.token(caller())}")]
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            headers.append(
                ("traceparent", f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}")
            )
        return headers

    def unary_unary(self, method: str, **coding: object) -> Callable[..., Any]:
        return one_answer(self._inner.unary_unary(method, **coding), self.headers, DEADLINE_S)

    def stream_unary(self, method: str, **coding: object) -> Callable[..., Any]:
        return one_answer(self._inner.stream_unary(method, **coding), self.headers, UPLOAD_DEADLINE_S)

    def unary_stream(self, method: str, **coding: object) -> Callable[..., Any]:
        return many_answers(self._inner.unary_stream(method, **coding), self.headers)

    def stream_stream(self, method: str, **coding: object) -> Callable[..., Any]:
        return many_answers(self._inner.stream_stream(method, **coding), self.headers)


def one_answer(
    call: Callable[..., Any], headers: Callable[[Metadata], Metadata], deadline_s: float
) -> Callable[..., Any]:
    """Return `call` with signature and deadline."""

    async def answer(
        request: object,
        *,
        timeout: float = deadline_s,  # noqa: ASYNC109  (the name that gRPC's stubs have)
        metadata: Metadata = (),
        wait_for_ready: bool | None = None,
    ) -> object:
        running = call(request, timeout=timeout, metadata=headers(metadata), wait_for_ready=wait_for_ready)
        said: list[aio.AioRpcError] = []
        running.add_done_callback(lambda done: said.append(_status_of(done)))
        try:
            return await running
        except aio.AioRpcError as error:
            raise refusal_of(_meant(error, said)) from error

    return answer


def _status_of(done: Any) -> aio.AioRpcError:
    """Return the status that a call has now, as its failure."""
    code, first = _at_once(done.code()), _at_once(done.initial_metadata())
    return aio.AioRpcError(code, first, _at_once(done.trailing_metadata()), _at_once(done.details()))


def _at_once(question: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that has nothing to wait for."""
    try:
        question.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    question.close()
    raise AssertionError("a call that is done has its status")


def _meant(error: aio.AioRpcError, said: Sequence[aio.AioRpcError]) -> aio.AioRpcError:
    """
    Return what the server has said, where writing to it failed because it had said so already.

    An upload that is refused at its beginning fails at whatever piece is on its way then, and gRPC puts the
    failure to write in the place of the answer, or the other way round.
    """
    if error.code() is not StatusCode.INTERNAL or "execute_batch" not in str(error.debug_error_string()):
        return error
    return next((each for each in said if each.code() not in (StatusCode.INTERNAL, StatusCode.OK)), error)


def many_answers(call: Callable[..., Any], headers: Callable[[Metadata], Metadata]) -> Callable[..., Any]:
    """Return `call` with signature and deadline; leaving the iteration ends the call."""

    async def answers(
        request: object,
        *,
        timeout: float = STREAM_DEADLINE_S,  # noqa: ASYNC109  (the name that gRPC's stubs have)
        metadata: Metadata = (),
        wait_for_ready: bool | None = None,
    ) -> AsyncIterator[object]:
        running = call(request, timeout=timeout, metadata=headers(metadata), wait_for_ready=wait_for_ready)
        try:
            async for answer in running:
                yield answer
        except aio.AioRpcError as error:
            raise refusal_of(error) from error
        finally:
            running.cancel()

    return answers
