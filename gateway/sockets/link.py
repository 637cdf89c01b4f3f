"""One WebSocket from its opening to its end: frames out, commands in, both within bounds."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gateway import permissions, problems
from gateway.auth import Principal
from gateway.frames import unnumbered
from gateway.hub import Reader
from gateway.parts import Parts
from libs import metrics, telemetry
from libs.errors import Invalid, Refusal, Unauthenticated, Unavailable, Violation
from libs.events.base import AnyEvent, Event, Fact, follow_id
from libs.rpc_client import acting_for

log = logging.getLogger(__name__)

SEND_S = 10.0
OUTBOX = 256
REMEMBERED = 200  # commands of one socket; an older one that comes again is the same event again
TRY_LATER, POLICY, EXPIRED, FORBIDDEN = 1013, 1008, 4401, 4403
COMMAND_ID = r"^[A-Za-z0-9._:@+=~-]{1,128}$"


class Gone(Exception):
    """The socket is over; `code` is what it is closed with, 0 where the other side has closed it."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Command(BaseModel):
    """What a client asks; the same id again is the same command."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str = Field(pattern=COMMAND_ID)


Obey = Callable[[Any], Awaitable[str]]  # returns the id of the event that the command became
Table = dict[str, tuple[type[Command], Obey]]


class Link:
    """An accepted socket of somebody who may have it."""

    def __init__(self, websocket: WebSocket, parts: Parts, principal: Principal, kind: str) -> None:
        self.parts = parts
        self.principal = principal
        self.outbox: asyncio.Queue[str] = asyncio.Queue(OUTBOX)
        self._websocket = websocket
        self._kind = kind
        self._sending = asyncio.Lock()
        self._done: dict[str, str] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self, *jobs: Coroutine[Any, Any, None]) -> None:
        """Do the jobs until the socket is over, and close it."""
        code, reason = 1000, ""
        metrics.sockets_open.labels(self._kind).inc()
        try:
            with acting_for(self.principal.caller):
                async with asyncio.TaskGroup() as self._group:
                    for job in (*jobs, self._write(), self._expire()):
                        self._group.create_task(job)
        except* Gone as gone:
            first = _first(gone)
            code, reason = first.code, first.reason
        except* Unavailable:
            code, reason = TRY_LATER, "store_unreachable"
        finally:
            metrics.sockets_open.labels(self._kind).dec()
        await self._close(code, reason)

    def spawn(self, job: Coroutine[Any, Any, None]) -> None:
        """Do something beside, as long as the socket lives."""
        assert self._group is not None
        self._group.create_task(job)

    async def send(self, text: str) -> None:
        """Send a frame. :raises Gone: nobody is there, or he does not read."""
        try:
            async with self._sending, asyncio.timeout(SEND_S):
                await self._websocket.send_text(text)
        except TimeoutError:
            raise Gone(TRY_LATER, "too_slow") from None
        except (WebSocketDisconnect, RuntimeError):
            raise Gone(0, "disconnected") from None
        metrics.frames_sent.labels(self._kind).inc()

    def put(self, text: str) -> None:
        """Send a frame that is no part of a stream, after those that wait. :raises Gone: too many wait."""
        if self.outbox.full():
            raise Gone(TRY_LATER, "too_slow")
        self.outbox.put_nowait(text)

    async def pump(
        self, reader: Reader, after: int, before_sending: Callable[[str], Awaitable[None]] | None = None
    ) -> None:
        """Send the frames of a stream after a number, as they come."""
        while True:
            stream = await reader.after(after)
            if stream.misses(after):
                await self.send(unnumbered("reset", {"after": stream.first - 1}))
                after = stream.first - 1
            for seq, text in stream.since(after):
                if before_sending is not None:
                    await before_sending(text)
                await self.send(text)
                after = seq

    async def obey(self, table: Table) -> None:
        """Take commands and answer each, in order."""
        while True:
            try:
                text = await self._websocket.receive_text()
            except (WebSocketDisconnect, RuntimeError):
                raise Gone(0, "disconnected") from None
            except KeyError:
                raise Gone(POLICY, "text_only") from None
            self.put(await self._answer(text, table))

    async def _answer(self, text: str, table: Table) -> str:
        command_id = None
        try:
            asked = _read(text)
            given = asked.get("id")
            command_id = given if isinstance(given, str) else None
            self.parts.rates.count_command(f"{self.principal.who}/{id(self)}")
            name = asked.get("type")
            if not isinstance(name, str) or name not in table:
                raise Invalid(Violation("type", f"must be one of {', '.join(table)}", "unknown_command"))
            model, obey = table[name]
            command = _valid(model, asked)
            event_id = self._done.get(command.id)  # a double click is not even told twice
            if event_id is None:
                event_id = await obey(command)
                self._remember(command.id, event_id)
        except Refusal as refusal:
            status = problems.status_of(refusal)
            problem = problems.document(status, refusal.reason, refusal.text, refusal.violations)
            return orjson.dumps(
                {"type": "refused", "id": command_id, "code": refusal.reason, "problem": problem}
            ).decode()
        return orjson.dumps({"type": "ack", "id": command_id, "event_id": event_id}).decode()

    def _remember(self, command_id: str, event_id: str) -> None:
        self._done[command_id] = event_id
        if len(self._done) > REMEMBERED:
            self._done.pop(next(iter(self._done)))

    async def tell(self, command: Command, journey_id: str, data: Fact, event_id: str = "") -> str:
        """Publish what a command became, and return its id; a command that comes again is the same event."""
        event_id = event_id or self.event_id(command)
        source = f"{self.parts.bus.source}/{self._kind}"
        event: AnyEvent = Event(
            event_id,
            self.principal.tenant,
            self.parts.now(),
            data,
            journey_id,
            source=source,
            traceparent=telemetry.rooted(event_id),
        )
        try:
            async with asyncio.timeout(self.parts.settings.gateway_publish_timeout_s):
                await self.parts.bus.publish([event])
        except TimeoutError:
            raise Unavailable("bus_unreachable", "the bus does not answer; send it again") from None
        return event_id

    def event_id(self, command: Command) -> str:
        return follow_id(self.principal.who, f"command/{self._kind}/{command.id}")

    async def _write(self) -> None:
        while True:
            await self.send(await self.outbox.get())

    async def _expire(self) -> None:
        await asyncio.sleep(max(0.0, self.principal.expires_at - self.parts.now().timestamp()))
        raise Gone(EXPIRED, "token_expired")

    async def _close(self, code: int, reason: str) -> None:
        if code and self._websocket.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
                async with asyncio.timeout(SEND_S):
                    await self._websocket.close(code, reason)


def _first(group: BaseExceptionGroup[Gone]) -> Gone:
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    raise AssertionError("a group is never empty")


def _read(text: str) -> dict[str, Any]:
    try:
        asked = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Invalid(Violation("command", "is not JSON", "bad_json")) from None
    if not isinstance(asked, dict):
        raise Invalid(Violation("command", "must be a JSON object", "bad_json"))
    return asked


def _valid(model: type[Command], asked: dict[str, Any]) -> Command:
    try:
        return model.model_validate(asked)
    except ValidationError as error:
        rows = error.errors(include_input=False, include_url=False, include_context=False)[:10]
        violations = [Violation(".".join(map(str, row["loc"])), row["msg"], row["type"]) for row in rows]
        raise Invalid(*violations) from None


async def admit(websocket: WebSocket, operation: str) -> Principal | None:
    """Return who opens the socket, None after having turned him away."""
    parts: Parts = websocket.app.state.parts
    try:
        principal = await parts.verifier.verify(_token(websocket))
        permissions.check(principal, operation)
        parts.rates.count_request(principal.who)
    except Refusal as refusal:
        await deny(websocket, refusal)
        return None
    return principal


async def accept(websocket: WebSocket) -> None:
    """Open the socket; a token in the subprotocols is answered by the name of its scheme only."""
    offered = websocket.scope.get("subprotocols") or []
    await websocket.accept(subprotocol="bearer" if "bearer" in offered else None)


async def deny(websocket: WebSocket, refusal: Refusal) -> None:
    """Turn a client away before the socket is open: by an HTTP answer where the server can send one."""
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(problems.of(refusal))
        return
    code = {401: EXPIRED, 403: FORBIDDEN}.get(problems.status_of(refusal), POLICY)
    await websocket.close(code, refusal.reason)


def _token(websocket: WebSocket) -> str:
    scheme, _, token = websocket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    offered = websocket.scope.get("subprotocols") or []
    if len(offered) >= 2 and offered[0] == "bearer":
        return str(offered[1])
    if given := websocket.query_params.get("access_token"):
        return given
    raise Unauthenticated("token_missing", "a bearer token is needed")


def after_of(websocket: WebSocket) -> int | None:
    """
    Return the number of the last frame the client has seen, None where it wants what comes from now on.

    :raises Invalid: it is no number.
    """
    text = websocket.query_params.get("after", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Invalid(Violation("after", "must be the number of a frame"))
    number = int(text or 0)
    if number == 0 and (websocket.query_params.get("from") == "now" or not text):
        return None
    return number
