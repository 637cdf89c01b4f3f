"""The gateway's doors as a client sees them: HTTP that tries again, and sockets that resume without a gap."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import httpx
import websockets
from websockets.asyncio.client import ClientConnection

PATIENCE_S = 120.0  # how long a dead gateway is waited for
RETRY_S = 0.3
RESTARTING = 1012  # this gateway says goodbye; another one goes on
PUT_OFF = frozenset({429, 502, 503, 504})  # the same again, a little later
Json = dict[str, Any]


class DoorClosed(Exception):
    """The gateway did not come back in time, or refused what should be right."""


class Witness:
    """Sees all that a client is told; this one keeps nothing."""

    def answered(self, method: str, path: str, answer: httpx.Response) -> None:
        """A request was answered, whatever the status."""

    def unanswered(self, method: str, path: str, error: httpx.TransportError) -> None:
        """A request got no answer."""

    def published(self, events: Sequence[Json]) -> None:
        """Events were acknowledged."""

    def framed(self, stream: str, frame: Json) -> None:
        """A numbered frame came over a socket."""

    def commanded(self, stream: str, command: Json, answer: Json) -> None:
        """A command was acknowledged or refused."""

    def closed(self, stream: str, code: int) -> None:
        """A socket that was open has ended."""


class Door:
    """HTTP to the gateway: to one of its replicas, and to the next one where that does not answer."""

    def __init__(self, *urls: str, witness: Witness | None = None) -> None:
        self._urls = [url.rstrip("/") for url in urls]
        self.witness = witness or Witness()
        self._http = httpx.AsyncClient(timeout=15, limits=httpx.Limits(max_connections=100), trust_env=False)

    @property
    def url(self) -> str:
        """Return the replica in use."""
        return self._urls[0]

    def next_replica(self) -> None:
        """Use another replica from now on, where there is one."""
        self._urls.append(self._urls.pop(0))

    async def close(self) -> None:
        await self._http.aclose()

    @property
    def socket_url(self) -> str:
        return "ws" + self.url.removeprefix("http")

    async def token(self, user: str) -> str:
        """Log a demo user in at the development issuer; the password is the name."""
        form = {"grant_type": "password", "username": user, "password": user, "client_id": "trunkline-demo"}
        answer = await self._send("POST", "/oidc/token", None, data=form)
        return str(answer.json()["access_token"])

    async def get(self, path: str, token: str, query: Mapping[str, str | int] | None = None) -> Json:
        return dict((await self._send("GET", path, token, params=dict(query or {}))).json())

    async def get_text(self, path: str, token: str) -> str:
        """Return a text, such as YAML."""
        return (await self._send("GET", path, token)).text

    async def send(self, method: str, path: str, token: str, body: Any, **headers: str) -> Json:
        """Send JSON and return the answer; `body` is any JSON value."""
        content = json.dumps(body).encode()
        headers = {"content-type": "application/json", **headers}
        answer = await self._send(method, path, token, content=content, headers=headers)
        return dict(answer.json()) if answer.content else {}

    async def send_text(self, method: str, path: str, token: str, text: str, media_type: str) -> Json:
        """Send a text, such as CSV, and return the answer."""
        content, headers = text.encode(), {"content-type": media_type}
        return dict((await self._send(method, path, token, content=content, headers=headers)).json())

    async def publish(self, token: str, events: list[Json]) -> None:
        """Publish CloudEvents in one batch; every one must be accepted."""
        answer = await self._send(
            "POST",
            "/v1/events",
            token,
            content=json.dumps(events).encode(),
            headers={"content-type": "application/cloudevents-batch+json"},
        )
        if answer.status_code != 202:
            raise DoorClosed(f"events were refused: {answer.text[:500]}")
        self.witness.published(events)

    async def _send(self, method: str, path: str, token: str | None, **more: Any) -> httpx.Response:
        headers = dict(more.pop("headers", {}))
        if token:
            headers["authorization"] = f"Bearer {token}"
        clock = asyncio.get_running_loop().time
        give_up = clock() + PATIENCE_S
        while True:
            url = self.url
            try:
                answer = await self._http.request(method, f"{url}{path}", headers=headers, **more)
            except httpx.TransportError as error:
                self.witness.unanswered(method, path, error)
                if self.url == url:  # else somebody else has moved on already
                    self.next_replica()
            else:
                self.witness.answered(method, path, answer)
                if answer.status_code < 400:
                    return answer
                if answer.status_code not in PUT_OFF:
                    raise DoorClosed(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
            if clock() > give_up:
                raise DoorClosed(f"{method} {path}: no answer for {PATIENCE_S:.0f} s")
            await asyncio.sleep(RETRY_S)


class Socket:
    """
    A socket of numbered frames that survives the gateway's death.

    After a reconnect it asks for what follows the last frame seen, and sends again the commands that were not
    acknowledged: their ids make that safe. `gaps` counts numbers that were missed or came twice.
    """

    def __init__(self, door: Door, path: str, token: str, new_id: "NewId") -> None:
        self._door = door
        self.path = path
        self.name = f"{path} of {new_id.prefix}"
        self._token = token
        self._new_id = new_id
        self._connection: ClientConnection | None = None
        self._connected = asyncio.Event()
        self._answers: dict[str, asyncio.Future[Json]] = {}
        self._unanswered: dict[str, str] = {}
        self.seen = 0
        self.gaps = 0
        self.reconnects = 0

    async def frames(self) -> AsyncIterator[Json]:
        """Yield numbered frames in order, until cancelled. :raises DoorClosed: never let in again."""
        clock = asyncio.get_running_loop().time
        lost_at = clock()
        while True:
            url = self._door.url
            try:
                async with websockets.connect(
                    f"{self._door.socket_url}{self.path}{'&' if '?' in self.path else '?'}after={self.seen}",
                    additional_headers={"authorization": f"Bearer {self._token}"},
                    open_timeout=10,
                    ping_interval=20,
                    proxy=None,
                ) as connection:
                    self._connection = connection
                    for text in list(self._unanswered.values()):
                        await connection.send(text)
                    self._connected.set()
                    async for message in connection:
                        lost_at = clock()
                        frame = json.loads(message)
                        if "seq" not in frame:
                            self._answer(frame)
                            if frame["type"] == "gap":  # what it missed is not kept any more
                                self.gaps += 1
                                self.seen = frame["data"]["last"]
                            if frame["type"] == "screen_pop":
                                yield frame
                            continue
                        if self.seen and frame["seq"] != self.seen + 1:
                            self.gaps += 1
                        self.seen = frame["seq"]
                        self._door.witness.framed(self.name, frame)
                        yield frame
                    self._door.witness.closed(self.name, connection.close_code or 0)
            except websockets.ConnectionClosed as error:
                code = error.rcvd.code if error.rcvd else 0
                self._door.witness.closed(self.name, code)
                if code == RESTARTING and self._door.url == url:
                    self._door.next_replica()
            except (OSError, TimeoutError, websockets.WebSocketException) as error:
                if clock() - lost_at > PATIENCE_S:
                    raise DoorClosed(f"{self.path}: {type(error).__name__}") from error
                if self._door.url == url:
                    self._door.next_replica()
            self._connected.clear()
            self.reconnects += 1
            await asyncio.sleep(RETRY_S)

    async def command(self, kind: str, **fields: Any) -> Json:
        """Send a command, again where it is only put off; return its acknowledgement, or its refusal."""
        command_id = self._new_id()
        clock = asyncio.get_running_loop().time
        give_up = clock() + PATIENCE_S
        while True:
            answer = await self._ask(command_id, kind, fields)
            if answer.get("problem", {}).get("status") not in PUT_OFF or clock() > give_up:
                return answer
            await asyncio.sleep(RETRY_S)

    async def _ask(self, command_id: str, kind: str, fields: Json) -> Json:
        text = json.dumps({"id": command_id, "type": kind, **fields})
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._answers[command_id] = answer
        self._unanswered[command_id] = text
        await self._connected.wait()
        if self._connection is not None:
            with suppress(websockets.WebSocketException):
                await self._connection.send(text)
        async with asyncio.timeout(PATIENCE_S):
            return await answer

    def _answer(self, frame: Json) -> None:
        command_id = str(frame.get("id", ""))
        text = self._unanswered.pop(command_id, None)
        if text is not None:
            self._door.witness.commanded(self.name, json.loads(text), frame)
        answer = self._answers.pop(command_id, None)
        if answer and not answer.done():
            answer.set_result(frame)


class NewId:
    """Ids from a seeded dice: the same seed gives the same day."""

    def __init__(self, run: str, name: str) -> None:
        self.prefix = f"{run}-{name}"
        self._count = 0

    def __call__(self) -> str:
        self._count += 1
        return f"{self.prefix}-{self._count}"


def cloud_event(event_id: str, kind: str, time: str, data: Mapping[str, Any], sequence: int) -> Json:
    """Return a CloudEvent of an adapter; the gateway adds the tenant."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "type": kind,
        "source": "/demo/adapter",
        "time": time,
        "datacontenttype": "application/json",
        "sequence": str(sequence),
        "data": dict(data),
    }


__all__ = ["Door", "DoorClosed", "Json", "NewId", "Socket", "Witness", "cloud_event"]
