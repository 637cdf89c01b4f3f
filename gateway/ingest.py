"""POST /v1/events: events of channel adapters, acknowledged only when they are durably on the bus."""

import collections
from collections.abc import Mapping, Sequence
from functools import cache
from time import perf_counter
from typing import Any

import orjson
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Histogram
from starlette.types import Receive, Scope, Send

from gateway import permissions, problems
from gateway.auth import Verifier, bearer
from gateway.cloudevents import NotTaken, document_of, event_of
from gateway.limits import EVENTS_BODY, Rates, TooLarge
from libs import metrics, telemetry
from libs.clock import Now
from libs.errors import Forbidden, Invalid, Refusal, Unavailable, Unsupported, Violation
from libs.events.base import AnyEvent
from libs.reading import Bus
from libs.wire import MAX_EVENT_BYTES

MOST_EVENTS = 500
PATH = "/v1/events"
FORBIDDEN = frozenset({"foreign_tenant", "foreign_visitor", "type_not_allowed"})
_STRUCTURED = "application/cloudevents+json"
_BATCH = "application/cloudevents-batch+json"
_JSON = ((b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff"))
Headers = Mapping[bytes, bytes]


class Ingest:
    """An ASGI endpoint of its own: nothing stands between the socket and the bus but what is needed."""

    def __init__(self, bus: Bus, verifier: Verifier, rates: Rates, now: Now) -> None:
        self._bus = bus
        self._verifier = verifier
        self._rates = rates
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        try:
            status, answer = await self._answer(dict(scope["headers"]), receive)
        except Refusal as refusal:
            metrics.refused.labels(refusal.reason).inc()
            status = problems.status_of(refusal)
            await problems.of(refusal)(scope, receive, send)
        else:
            body = orjson.dumps(answer)
            length = (b"content-length", b"%d" % len(body))
            await send({"type": "http.response.start", "status": status, "headers": [*_JSON, length]})
            await send({"type": "http.response.body", "body": body})
        _seconds(status).observe(perf_counter() - started)

    async def _answer(self, headers: Headers, receive: Receive) -> tuple[int, dict[str, Any]]:
        principal = await self._verifier.verify(bearer(_text(headers, b"authorization")))
        permissions.check(principal, "ingest_events")
        body = await _body(headers, receive)
        documents, is_batch = _documents(headers, body)
        self._rates.count_events(principal.tenant, len(documents))
        now, large = self._now(), len(body) > MAX_EVENT_BYTES
        with telemetry.span("ingest", _traceparent(headers), SpanKind.SERVER) as traceparent:
            events: list[AnyEvent] = []
            results: list[dict[str, Any]] = []
            for document in documents:
                try:
                    if large and len(orjson.dumps(document)) > MAX_EVENT_BYTES:
                        raise NotTaken("too_large", f"an event has at most {MAX_EVENT_BYTES} bytes")
                    event = event_of(document, principal, now, traceparent)
                except NotTaken as error:
                    metrics.refused.labels(error.reason).inc()
                    if not is_batch:
                        raise _refusal(error) from None
                    results.append(_refused(document, error))
                else:
                    events.append(event)
                    results.append({"id": event.id, "status": "accepted"})
            if events:
                await self._publish(events)
        if not is_batch:
            return 202, results[0]
        refused = len(results) - len(events)
        return 200 if refused else 202, {"accepted": len(events), "refused": refused, "results": results}

    async def _publish(self, events: Sequence[AnyEvent]) -> None:
        try:
            await self._bus.publish(events)
        except Unavailable as error:
            text = f"{error.text}; send the same events again"
            raise Unavailable(error.reason, text, retry_after_s=2) from None
        if len(events) == 1:
            _ingested(events[0].data.type).inc()
            return
        for name, count in collections.Counter([event.data.type for event in events]).items():
            _ingested(name).inc(count)


@cache
def _seconds(status: int) -> Histogram:
    return metrics.http_seconds.labels("POST", PATH, status)


@cache
def _ingested(name: str) -> Counter:
    return metrics.ingested.labels(name)


def _text(headers: Headers, name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


async def _body(headers: Headers, receive: Receive) -> bytes:
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > EVENTS_BODY:
        raise TooLarge(EVENTS_BODY)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Invalid(Violation("body", "the client went away"))
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts, size = [body], len(body)
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Invalid(Violation("body", "the client went away"))
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > EVENTS_BODY:
                raise TooLarge(EVENTS_BODY)
        body = b"".join(parts)
    if len(body) > EVENTS_BODY:
        raise TooLarge(EVENTS_BODY)
    return body


def _documents(headers: Headers, body: bytes) -> tuple[list[Any], bool]:
    """Return the events of a request in their structured form, and whether it is a batch."""
    media_type = _text(headers, b"content-type").partition(";")[0].strip().lower()
    is_binary = b"ce-type" in headers or b"ce-specversion" in headers
    if media_type not in (_STRUCTURED, _BATCH, "application/json"):
        raise Unsupported("unsupported_media_type", f"send {_STRUCTURED}, {_BATCH} or application/json")
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unsupported("bad_json", "the body is not JSON") from None
    if is_binary and media_type == "application/json":
        attributes = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
        return [document_of(attributes, found)], False
    is_batch = media_type == _BATCH or (media_type == "application/json" and isinstance(found, list))
    if not is_batch:
        return [found], False
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_EVENTS:
        raise Invalid(Violation("body", f"a batch is an array of 1 to {MOST_EVENTS} events", "bad_batch"))
    return found, True


def _refusal(error: NotTaken) -> Refusal:
    if error.reason in FORBIDDEN:
        return Forbidden(error.reason, error.detail)
    violations = error.violations or (Violation("event", error.detail, error.reason),)
    refusal = Invalid(*violations)
    refusal.reason = error.reason
    return refusal


def _refused(document: object, error: NotTaken) -> dict[str, Any]:
    event_id = document.get("id") if isinstance(document, dict) else None
    shown = event_id if isinstance(event_id, str) and len(event_id) <= 128 else None
    row: dict[str, Any] = {
        "id": shown,
        "status": "refused",
        "reason": error.reason,
        "detail": error.detail,
    }
    if error.violations:
        row["violations"] = [{"field": each.field, "reason": each.reason} for each in error.violations]
    return row


def _traceparent(headers: Headers) -> str:
    given = _text(headers, b"traceparent")
    return given if len(given) == 55 and telemetry.context_of(given) else ""
