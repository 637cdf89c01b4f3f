"""What surrounds every gRPC method: who calls, how long it may take, refusals, traces and figures."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from time import perf_counter
from typing import Any, TypeAlias, cast

import grpc
import structlog
from grpc import aio
from opentelemetry import trace
from opentelemetry.context import attach
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from libs import metrics, rpc_roles
from libs.errors import Failed, Refusal, TimedOut, Unauthenticated
from libs.rpc_caller import Caller, Verifier, admit
from libs.rpc_status import refuse

DEADLINE_S = 10.0  # of calls with one answer that bring none
LONGEST_S = 60.0  # of calls with one answer, whatever deadline they bring
UPLOAD_DEADLINE_S = 600.0
BEARER = "Bearer "
OK, CANCELLED = "OK", "CANCELLED"
ATTRIBUTES = {"rpc.system": "grpc"}

# What a servicer's method gets as its second argument.
Context: TypeAlias = aio.ServicerContext[Any, Any]
Message: TypeAlias = Any  # of any contract
Handler: TypeAlias = Any  # grpc's own type describes blocking methods only
Method: TypeAlias = Callable[[Message, Context], Any]

log = structlog.get_logger(__name__)
tracer = trace.get_tracer("trunkline.rpc")
propagator = TraceContextTextMapPropagator()


class Guarded:
    """
    Stands in for a server while servicers are added to it, and puts the guard around each of their methods.

    Done once per method; an interceptor would be asked, and would look up the method again, on every call.
    """

    def __init__(self, server: aio.Server, verifier: Verifier) -> None:
        self._server = server
        self._verifier = verifier
        self.services: list[str] = []

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Do nothing: generated code registers the same methods by name as well."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Add the methods of one service, each behind its guard."""
        self.services.append(service)
        guarded = {name: guard(each, f"{service}/{name}", self._verifier) for name, each in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, guarded),))
        self._server.add_registered_method_handlers(service, guarded)


def guard(handler: Handler, method: str, verifier: Verifier) -> Handler:
    """Return `handler` with the guard around it."""
    coding = handler.request_deserializer, handler.response_serializer
    if handler.unary_unary:
        behind = one_answer(handler.unary_unary, method, verifier, DEADLINE_S, LONGEST_S)
        return grpc.unary_unary_rpc_method_handler(behind, *coding)
    if handler.stream_unary:
        behind = one_answer(handler.stream_unary, method, verifier, UPLOAD_DEADLINE_S, UPLOAD_DEADLINE_S)
        return grpc.stream_unary_rpc_method_handler(behind, *coding)
    if handler.unary_stream:
        return grpc.unary_stream_rpc_method_handler(
            many_answers(handler.unary_stream, method, verifier), *coding
        )
    return grpc.stream_stream_rpc_method_handler(
        many_answers(handler.stream_stream, method, verifier), *coding
    )


def one_answer(
    behaviour: Method, method: str, verifier: Verifier, default_s: float, longest_s: float
) -> Method:
    """Return `behaviour` guarded; it is stopped after its caller's deadline, `default_s` or `longest_s`."""

    async def answer(request: Message, context: Context) -> Message:
        seen = Seen(method, context)
        try:
            admit(seen.caller(verifier))
            remaining_s = cast("float | None", context.time_remaining())
            # gRPC itself cancels the call at the caller's deadline.
            if remaining_s is not None and remaining_s <= longest_s:
                return await behaviour(request, context)
            return await within(behaviour(request, context), default_s if remaining_s is None else longest_s)
        except Exception as error:  # noqa: BLE001  (the edge of the process: every fault becomes a status)
            await refuse(context, seen.told(error))
        except asyncio.CancelledError:
            seen.code = CANCELLED
            raise
        finally:
            seen.end()

    return answer


def many_answers(behaviour: Method, method: str, verifier: Verifier) -> Method:
    """Return `behaviour` guarded; a stream lasts until its caller has had enough."""

    async def answers(request: Message, context: Context) -> None:
        # Written, not yielded: so the end of the call is felt here and closes the method's generator.
        seen = Seen(method, context)
        try:
            admit(seen.caller(verifier))
            async with aclosing(behaviour(request, context)) as told:
                async for answer in told:
                    await context.write(answer)
        except Exception as error:  # noqa: BLE001  (the edge of the process: every fault becomes a status)
            await refuse(context, seen.told(error))
        except asyncio.CancelledError:
            seen.code = CANCELLED
            raise
        finally:
            seen.end()

    return answers


async def within(answer: Awaitable[Message], limit_s: float) -> Message:
    """Return `answer`, or raise TimedOut when it does not come in `limit_s`."""
    try:
        async with asyncio.timeout(limit_s) as limit:
            return await answer
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TimedOut("deadline_exceeded", f"no answer within {limit_s:g} s") from error


class Seen:
    """One call, from its first moment on: its span, its figures, and what its caller is told."""

    __slots__ = ("authorization", "code", "method", "span", "started")

    def __init__(self, method: str, context: Context) -> None:
        self.started = perf_counter()
        self.method = method
        self.code = OK
        self.authorization: object = None
        parent = None
        for key, value in context.invocation_metadata() or ():
            if key == "authorization":
                self.authorization = value
            elif key == "traceparent":
                parent = propagator.extract({key: value})
        self.span = tracer.start_span(method, parent, trace.SpanKind.SERVER, ATTRIBUTES)
        # A call is a task of its own, and what is attached goes with it.
        attach(trace.set_span_in_context(self.span))

    def caller(self, verifier: Verifier) -> Caller:
        """Return who calls. :raises Refusal: nobody knows, or he may not call this method."""
        who = verifier.caller(self._token())
        rpc_roles.check(who, self.method)
        return who

    def _token(self) -> str:
        if isinstance(self.authorization, str) and self.authorization.startswith(BEARER):
            return self.authorization[len(BEARER) :]
        raise Unauthenticated("token_missing", "the call carries no token")

    def told(self, error: Exception) -> Refusal:
        """Return what the caller is told about `error`: all of a refusal, nothing of a fault of ours."""
        if isinstance(error, aio.AbortError):
            self.code = "ABORTED_BY_METHOD"
            raise error
        if isinstance(error, Refusal) and not isinstance(error, Failed):
            self.code = error.status
            return error
        self.code = Failed.status
        log.error("rpc failed", method=self.method, exc_info=error)
        return Failed("internal", "the service has failed; its log says why")

    def end(self) -> None:
        """Write down how the call went."""
        self.span.set_attribute("rpc.response.status_code", self.code)
        self.span.end()
        metrics.rpc_seconds.labels(self.method, self.code).observe(perf_counter() - self.started)
