"""One WebSocket from its opening to its end: frames out, commands in, both within bounds."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gateway import problems
from gateway.acts import Act, print_of
from gateway.auth import Principal
from gateway.frames import unnumbered
from gateway.hub import Reader
from gateway.parts import Parts
from gateway.sockets.outbox import Outbox, Overfull
from libs import metrics, telemetry
from libs.errors import AlreadyExists, Invalid, Refusal, Unavailable, Violation
from libs.events.base import AnyEvent, Event, Fact, follow_id
from libs.rpc_client import acting_for

log = logging.getLogger(__name__)

CLOSE_S = 2.0
FLUSH_S = 2.0  # how long a gateway that ends goes on sending what a socket waits for
REMEMBERED = 200  # commands of one socket; an older one is looked up among the acts
POLICY, RESTARTING, TRY_LATER, EXPIRED, FORBIDDEN = 1008, 1012, 1013, 4401, 4403
TOO_SLOW = (TRY_LATER, "too_slow")
COMMAND_ID = r"^[A-Za-z0-9._:@+=~-]{1,128}$"
NAME = re.compile(COMMAND_ID)


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
    type: str


Obey = Callable[[Any], Awaitable[str]]  # returns the id of the event that the command became
Snapshot = Callable[[], Awaitable[None]]
Table = dict[str, tuple[type[Command], Obey]]


class Link:
    """An accepted socket of somebody who may have it."""

    def __init__(self, websocket: WebSocket, parts: Parts, principal: Principal, kind: str) -> None:
        self.parts = parts
        self.principal = principal
        self._outbox = Outbox()
        self._websocket = websocket
        self._kind = kind
        self._sending = asyncio.Lock()
        self._acting = asyncio.Lock()
        self._has_caught_up = asyncio.Event()
        self._has_caught_up.set()
        self._done: dict[str, tuple[str, str]] = {}  # by id: print of the command, id of its event
        self._group: asyncio.TaskGroup | None = None

    async def run(self, *jobs: Coroutine[Any, Any, None]) -> None:
        """Do the jobs until the socket is over, and close it."""
        code, reason = 1000, ""
        metrics.sockets_open.labels(self._kind).inc()
        with self.parts.doors.entered(self.principal):
            try:
                with acting_for(self.principal.caller):
                    async with asyncio.TaskGroup() as self._group:
                        for job in (*jobs, self._write(), self._expire(), self._leave()):
                            self._group.create_task(job)
            except* (Gone, Overfull) as over:
                first = _first(over)
                code, reason = (first.code, first.reason) if isinstance(first, Gone) else TOO_SLOW
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
            async with self._sending, asyncio.timeout(self.parts.settings.gateway_slow_after_s):
                await self._websocket.send_text(text)
        except TimeoutError:
            metrics.slow_readers.labels(self._kind).inc()
            raise Gone(*TOO_SLOW) from None
        except (WebSocketDisconnect, RuntimeError):
            raise Gone(0, "disconnected") from None
        metrics.frames_sent.labels(self._kind).inc()

    def put(self, text: str) -> None:
        """Send a frame of no stream, after those that wait. :raises Overfull: too many wait."""
        self._outbox.put(text)

    async def pump(
        self,
        reader: Reader,
        seen: int,
        before_sending: Callable[[str], Awaitable[None]] | None = None,
        snapshot: Snapshot | None = None,
    ) -> None:
        """
        Send the frames of a stream after a number, as they come, at the pace of who reads them.

        Where some of them are not kept any more it says so, and how things stand now in their place.
        """
        while True:
            if reader.has_more_than(seen):
                self._has_caught_up.clear()
            else:
                self._has_caught_up.set()
            portion = await reader.after(seen)
            if missed := portion.missed:
                told = {"seen": seen, "first": missed.first, "last": missed.last, "why": missed.why}
                await self.send(unnumbered("gap", told))
                metrics.gaps_told.labels(self._kind, missed.why).inc()
                if snapshot is not None:
                    await snapshot()
                seen = missed.last
            for seq, text in portion.frames:
                if before_sending is not None:
                    await before_sending(text)
                await self.send(text)
                seen = seq

    async def obey(self, table: Table) -> None:
        """Take commands and answer each, in order."""
        while True:
            try:
                text = await self._websocket.receive_text()
            except (WebSocketDisconnect, RuntimeError):
                raise Gone(0, "disconnected") from None
            except KeyError:
                raise Gone(POLICY, "text_only") from None
            async with self._acting:
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
            event_id = await self._do(_valid(model, asked), obey)
        except Refusal as refusal:
            status = problems.status_of(refusal)
            problem = problems.document(status, refusal.reason, refusal.text, refusal.violations)
            return orjson.dumps(
                {"type": "refused", "id": command_id, "code": refusal.reason, "problem": problem}
            ).decode()
        return orjson.dumps({"type": "ack", "id": command_id, "event_id": event_id}).decode()

    async def _do(self, command: Command, obey: Obey) -> str:
        """Do what is asked, once: what was done before is answered as it was then, whatever holds now."""
        act = self._act(command)
        if command.id in self._done:  # a double click is not even told twice
            done, event_id = self._done[command.id]
            if done != act.print:
                raise AlreadyExists("command_id_reused", "the id was used for another command")
            return event_id
        try:
            event_id = await obey(command)
        except Unavailable:
            raise
        except Refusal:
            before = await self.parts.acts.find(act)
            if before is None:
                raise
            await self.parts.bus.publish([before])
            event_id = before.id
        self._done[command.id] = act.print, event_id
        if len(self._done) > REMEMBERED:
            self._done.pop(next(iter(self._done)))
        return event_id

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
        event = await self.parts.acts.keep(self._act(command), event)
        await self.parts.bus.publish([event])
        return event.id

    def _act(self, command: Command) -> Act:
        return Act(self.event_id(command), print_of(command.model_dump_json()))

    def event_id(self, command: Command) -> str:
        return follow_id(self.principal.who, f"command/{self._kind}/{command.id}")

    async def _write(self) -> None:
        while True:
            async with self._outbox.next() as text:
                await self.send(text)

    async def _leave(self) -> None:
        """When the gateway ends: answer the command in hand, send what waits, and say goodbye."""
        await self.parts.doors.leaving.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await self._acting.acquire()
                await self._has_caught_up.wait()
                await self._outbox.is_empty()
        raise Gone(RESTARTING, "restarting")

    async def _expire(self) -> None:
        await asyncio.sleep(max(0.0, self.principal.expires_at - self.parts.now().timestamp()))
        raise Gone(EXPIRED, "token_expired")

    async def _close(self, code: int, reason: str) -> None:
        if code and self._websocket.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._websocket.close(code, reason)


def _first(group: BaseExceptionGroup[Gone | Overfull]) -> Gone | Overfull:
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
