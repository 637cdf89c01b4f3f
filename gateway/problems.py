"""Every refusal as problem details (RFC 9457), whoever made it."""

import logging
from collections.abc import Sequence
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from libs import telemetry
from libs.errors import Refusal, Violation

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:trunkline:problem:"
PLAIN = {"X-Content-Type-Options": "nosniff"}  # what a customer has written is never taken for a page
STATUS = {
    "UNKNOWN": 500,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "FAILED_PRECONDITION": 409,
    "INVALID_ARGUMENT": 422,
    "OUT_OF_RANGE": 416,
    "DATA_LOSS": 422,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "DEADLINE_EXCEEDED": 504,
    "UNAVAILABLE": 503,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 502,  # only a service says so; our own faults are 500
}
TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    412: "Changed in the meantime",
    413: "Too large",
    415: "Unsupported media type",
    416: "Beyond the end",
    422: "Not acceptable content",
    429: "Too many requests",
    500: "Internal error",
    501: "Not supported",
    502: "A service failed",
    503: "Temporarily unavailable",
    504: "No answer in time",
}
REASONS = {400: "bad_request", 404: "no_such_resource", 405: "method_not_allowed", 413: "too_large"}
# Refusals of the gateway itself whose HTTP status is finer than what gRPC can say.
FINER = {"too_large": 413, "bad_json": 400, "unsupported_media_type": 415}


def problem(
    status: int,
    reason: str,
    detail: str,
    *,
    violations: Sequence[Violation] = (),
    retry_after_s: float | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return a problem as an HTTP answer; `reason` is the code that programs look at."""
    headers = {**PLAIN, **(headers or {})}
    if status == 401:
        headers.setdefault("WWW-Authenticate", 'Bearer realm="trunkline"')
    if status in (429, 503, 504):
        headers["Retry-After"] = str(max(1, round(retry_after_s or 1)))
    return Response(
        orjson.dumps(document(status, reason, detail, violations)),
        status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


def document(status: int, reason: str, detail: str, violations: Sequence[Violation] = ()) -> dict[str, Any]:
    """Return the problem details themselves."""
    found: dict[str, Any] = {
        "type": f"{TYPE_PREFIX}{reason}",
        "title": TITLES.get(status, "Problem"),
        "status": status,
        "detail": detail,
        "code": reason,
    }
    if violations:
        found["violations"] = [
            {"field": each.field, "text": each.text, "reason": each.reason} for each in violations
        ]
    if trace := telemetry.current():
        found["trace_id"] = trace[3:35]
    return found


def status_of(refusal: Refusal) -> int:
    return FINER.get(refusal.reason) or STATUS.get(refusal.status, 500)


def of(refusal: Refusal, *, conditional: bool = False) -> Response:
    """Return a refusal as an HTTP answer; one of a conditional request that came too late is a 412."""
    status = status_of(refusal)
    if refusal.status == "ABORTED" and conditional:
        status = 412
    return problem(
        status,
        refusal.reason,
        refusal.text,
        violations=refusal.violations,
        retry_after_s=refusal.retry_after_s,
    )


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return of(error, conditional="if-match" in request.headers)


async def _not_valid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    rows = error.errors()
    if any(row["type"] == "json_invalid" for row in rows):
        return problem(400, "bad_json", "the body is not JSON")
    violations = [
        # Where and what, never the value: it may be personal.
        Violation(".".join(str(place) for place in row["loc"]), row["msg"], row["type"])
        for row in rows[:20]
    ]
    return problem(422, "invalid_request", "the request is not as described", violations=violations)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason = REASONS.get(error.status_code, f"http_{error.status_code}")
    return problem(error.status_code, reason, str(error.detail), headers=dict(error.headers or {}))


async def failed(request: Request, error: Exception) -> Response:
    log.error("request failed", exc_info=error, extra={"method": request.method, "path": request.url.path})
    return problem(500, "internal", "the gateway has failed; its log says why")


def install(app: Starlette) -> None:
    """Let every error of the application leave it as a problem."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, failed)
