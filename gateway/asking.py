"""What every operation of the API goes through: who asks, whether he may, and answers given before."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any
from uuid import uuid4

import orjson
from fastapi import Depends, Path, Query
from fastapi.routing import APIRoute
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response

from gateway import idempotency, permissions
from gateway.auth import Principal, bearer
from gateway.messages import plain
from gateway.parts import Parts, Services
from libs import telemetry
from libs.errors import Invalid, Violation
from libs.events.base import AnyEvent, Event, Fact, follow_id
from libs.paging import LARGEST_SIZE
from libs.rpc.common.v1.common_pb2 import PageRequest, PageResponse
from libs.rpc_client import acting_for

OWN_KEYS = frozenset({"store_recording", "import_customers"})  # large: the service knows their ids
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Operation(APIRoute):
    """A route that lets in whom the table of roles names, and nobody else."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        name = self.operation_id or self.name

        async def checked(request: Request) -> Response:
            if name in permissions.PUBLIC:
                return await handle(request)
            parts: Parts = request.app.state.parts
            principal = await parts.verifier.verify(bearer(request.headers.get("authorization", "")))
            permissions.check(principal, name)
            parts.rates.count_request(principal.who)
            request.state.asked = Asked(request, principal, parts, name)
            trace = request.headers.get("traceparent", "")
            with acting_for(principal.caller), telemetry.span(f"http {name}", trace):
                has_key = idempotency.HEADER in request.headers and name not in OWN_KEYS
                if request.method == "POST" and has_key:
                    return await _once(request, principal, parts, handle)
                return await handle(request)

        return checked


async def _once(request: Request, principal: Principal, parts: Parts, handle: Handler) -> Response:
    """Answer a POST with a key: as the first time where there was one."""
    target = f"{request.url.path}?{request.url.query}"
    key = request.headers[idempotency.HEADER]
    body = await request.body()
    attempt = idempotency.attempt_of(principal.who, key, request.method, target, body)
    before = await parts.answers.begin(attempt)
    if before is not None:
        return before
    try:
        response = await handle(request)
    except BaseException:  # a refusal, or a fault: nothing is known to have changed, so it may be tried again
        await parts.answers.forget(attempt)
        raise
    await parts.answers.end(attempt, response)
    return response


@dataclass(frozen=True)
class Asked:
    """One request by somebody who may make it."""

    request: Request
    principal: Principal
    parts: Parts
    operation: str

    @property
    def services(self) -> Services:
        return self.parts.services

    @cached_property
    def request_id(self) -> str:
        """Return the id by which services know a command again: it follows from the Idempotency-Key."""
        key = self.request.headers.get(idempotency.HEADER)
        return follow_id(f"{self.principal.who}/{key}", self.operation) if key else str(uuid4())

    @property
    def expected_version(self) -> int | None:
        """Return the version of If-Match, None where any will do. :raises Invalid: it is no ETag of ours."""
        text = self.request.headers.get("if-match", "*").removeprefix("W/").strip('"')
        if text == "*":
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise Invalid(Violation("If-Match", "must be an ETag given before", "bad_etag"))
        return int(text)

    def page(self, limit: int, cursor: str) -> PageRequest:
        return PageRequest(page_size=limit, page_token=self.parts.cursors.open(cursor, self._list))

    def listed(self, items: Any, page: PageResponse) -> Response:
        """Return one page of a list."""
        cursor = self.parts.cursors.seal(page.next_page_token, self._list)
        return json_answer({"items": [plain(each) for each in items], "next_cursor": cursor})

    @property
    def _list(self) -> str:
        pairs = sorted(pair for pair in self.request.query_params.multi_items() if pair[0] not in PAGING)
        return f"{self.principal.tenant}\n{self.request.url.path}\n{pairs}"

    async def tell(self, data: Fact, journey_id: str, what: str = "") -> AnyEvent:
        """Publish a fact in the name of whoever asks; the same request again is the same event."""
        event_id = follow_id(self.request_id, f"{data.type}/{what}")
        given = self.request.headers.get("traceparent", "")
        trace = given if telemetry.context_of(given) and len(given) == 55 else telemetry.rooted(event_id)
        event: AnyEvent = Event(
            event_id,
            self.principal.tenant,
            self.parts.now(),
            data,
            journey_id,
            source=self.parts.bus.source,
            traceparent=trace,
        )
        await self.parts.bus.publish([event])
        return event


PAGING = frozenset({"cursor", "limit"})


def _asked(request: Request) -> Asked:
    asked: Asked = request.state.asked
    return asked


Ask = Annotated[Asked, Depends(_asked)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_SIZE, description="The most entries of a page.")]
Cursor = Annotated[str, Query(max_length=4096, description="`next_cursor` of the page before.")]
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:@+=~-]{1,128}$")]
NameQuery = Annotated[str, Query(pattern=r"^[A-Za-z0-9._:@+=~-]{0,128}$")]


def json_answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers=headers, media_type="application/json")


def answer(
    message: Message, status: int = 200, *, location: str = "", version: int | None = None
) -> Response:
    """Return a message as an answer; with its version as the ETag, where it has one."""
    headers = {"Location": location} if location else {}
    version = getattr(message, "version", None) if version is None else version
    if isinstance(version, int):
        headers["ETag"] = f'"{version}"'
    return json_answer(plain(message), status, headers)


def accepted(event: AnyEvent) -> Response:
    """Return that a fact is on the bus; what becomes of it is told by events."""
    return json_answer({"event_id": event.id, "status": "accepted"}, 202)
