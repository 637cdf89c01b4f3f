"""The application: documented routes, hot routes beside them, sockets, and the limits around it all."""

from collections.abc import Sequence
from importlib import import_module
from time import perf_counter
from typing import Any

from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import documentation, openapi, problems
from gateway.ingest import PATH, Ingest
from gateway.limits import BodyLimit, body_limits
from gateway.parts import Parts
from gateway.sockets.agent import agent_socket
from gateway.sockets.chat import chat_socket
from gateway.sockets.watching import interaction_socket, supervisor_socket
from libs import metrics
from libs.errors import Unavailable

# An answer is data: no browser may take it for a page, frame it, or tell others where it was read.
ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
RESOURCES = (
    "identity",
    "customers",
    "sessions",
    "tickets",
    "recordings",
    "reports",
    "audit",
    "routing",
    "configuration",
    "callbacks",
    "strategies",
    "flows",
    "dead_letters",
)


def api() -> FastAPI:
    """Return the documented routes, without anything behind them."""
    app = FastAPI(title="Trunkline", openapi_url=None, docs_url=None, redoc_url=None)
    for name in RESOURCES:
        app.include_router(import_module(f"gateway.rest.{name}").routes)
    return app


def application(parts: Parts) -> ASGIApp:
    """Return the whole gateway."""
    app = api()
    app.state.parts = parts
    problems.install(app)
    document = openapi.describe(app)
    hot = Ingest(parts.bus, parts.verifier, parts.rates, parts.now)
    first: list[Any] = [Route(PATH, hot, methods=["POST"], name="ingest_events"), *sockets()]
    app.router.routes[:0] = first
    app.router.routes.extend(_pages(parts, document))
    if parts.issuer is not None:
        app.router.routes.extend(parts.issuer.routes())
    limited = BodyLimit(app, body_limits(parts.settings))
    return Measured(limited, ServerErrorMiddleware(hot, handler=problems.failed))


def sockets() -> list[WebSocketRoute]:
    """Return the WebSockets; each asks the table of roles under its name."""
    return [
        WebSocketRoute("/v1/agent/socket", agent_socket, name="agent_socket"),
        WebSocketRoute("/v1/chat/socket", chat_socket, name="chat_socket"),
        WebSocketRoute(
            "/v1/interactions/{interaction_id}/socket", interaction_socket, name="interaction_socket"
        ),
        WebSocketRoute("/v1/supervisor/socket", supervisor_socket, name="supervisor_socket"),
    ]


def _pages(parts: Parts, document: dict[str, Any]) -> list[Route]:
    async def welcome(request: Request) -> Response:
        return JSONResponse(
            {
                "name": "Trunkline",
                "api": "/v1",
                "docs": "/docs",
                "openapi": "/v1/openapi.json",
                "log_in": parts.settings.issuer,
            }
        )

    async def described(request: Request) -> Response:
        return JSONResponse(document)

    async def livez(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(request: Request) -> Response:
        try:
            await parts.ready()
        except Unavailable as error:
            return problems.of(error)
        return JSONResponse({"status": "ready"})

    return [
        Route("/", welcome, name="welcome"),
        Route("/v1/openapi.json", described, name="openapi"),
        Route("/openapi.json", described, name="openapi"),
        *documentation.routes("/v1/openapi.json"),
        Route("/livez", livez, name="livez"),
        Route("/readyz", readyz, name="readyz"),
    ]


def guarded(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer with those that every answer has."""
    given = {name.lower() for name, _ in headers}
    return [*headers, *(pair for pair in ALWAYS if pair[0] not in given)]


class Measured:
    """Measures how long requests take, by route, and guards answers; the hot one does all that itself."""

    def __init__(self, app: ASGIApp, hot: ASGIApp) -> None:
        self._app = app
        self._hot = hot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] == PATH and scope["method"] == "POST":
            await self._hot(scope, receive, send)
            return
        started, status = perf_counter(), 500

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": guarded(message["headers"])}
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            seconds = perf_counter() - started
            metrics.http_seconds.labels(scope["method"], route, status).observe(seconds)
