"""How a socket ends: what is in hand is answered and what waits is sent before it says goodbye."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

import pytest
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gateway.conversation import Conversation
from gateway.doors import SocketDoors
from gateway.feed import Feed
from gateway.hub import Hub
from gateway.limits import Rates
from gateway.settings import GatewaySettings
from gateway.sockets import link as links
from gateway.sockets.link import Command, Link, Obey, Table
from gateway.stream import Stream
from gateway.tests.making import Clock, event, principal
from gateway.tests.test_stream import told
from libs.errors import Exhausted
from libs.local import LocalStore
from libs.stored import Key

ANA = Key("demo", "agent:ana")
GOODBYE = ("close", "1012 restarting")


class Other:
    """The other side of a socket: asks what it is given, and reads when it may."""

    application_state = WebSocketState.CONNECTED

    def __init__(self, *asks: str) -> None:
        self.got: list[tuple[str, str]] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self._asks = list(asks)

    async def send_text(self, text: str) -> None:
        await self.reads.wait()
        for _ in range(5):  # it takes a while to go out
            await asyncio.sleep(0)
        frame = json.loads(text)
        self.got.append((frame["type"], str(frame.get("seq") or frame.get("id"))))

    async def receive_text(self) -> str:
        if self._asks:
            return json.dumps({"id": self._asks.pop(0), "type": "act"})
        await asyncio.Event().wait()
        raise WebSocketDisconnect

    async def close(self, code: int, reason: str) -> None:
        self.got.append(("close", f"{code} {reason}"))


class FewParts:
    """What a link needs of the gateway."""

    def __init__(self, **settings: Any) -> None:
        self.settings = GatewaySettings(gateway_sockets_of_one=1, **settings)
        self.doors = SocketDoors(self.settings)
        self.rates = Rates(self.settings)
        self.now = Clock()
        streams: LocalStore[Stream] = LocalStore("streams", lambda key: Stream())
        nothing: LocalStore[Conversation] = LocalStore("conversations", lambda key: Conversation(key.id))
        self.hub = Hub(streams)
        self.feed = Feed(nothing, streams, self.hub, self.now)


def linked(parts: FewParts, other: Other) -> Link:
    return Link(cast("WebSocket", other), cast("Any", parts), principal("agent"), "agent")


def table(obey: Callable[[Command], Awaitable[str]]) -> Table:
    return {"act": (Command, cast("Obey", obey))}


async def until(there: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not there():  # noqa: ASYNC110 - it is another task's doing
            await asyncio.sleep(0)


async def test_it_answers_the_command_in_hand_before_it_goes() -> None:
    parts, other, done = FewParts(), Other("c-1"), asyncio.Event()
    obeying = asyncio.Event()

    async def obey(command: Command) -> str:
        obeying.set()
        await done.wait()
        return "e-1"

    link = linked(parts, other)
    running = asyncio.create_task(link.run(link.obey(table(obey))))
    await obeying.wait()
    leaving = asyncio.create_task(parts.doors.leave())
    await parts.doors.leaving.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    early = list(other.got)
    done.set()
    await running
    await leaving

    assert early == []
    assert other.got == [("ack", "c-1"), GOODBYE]


async def test_it_obeys_nothing_more_once_it_is_going() -> None:
    parts, other, obeyed = FewParts(), Other("c-1", "c-2"), list[str]()

    async def obey(command: Command) -> str:
        obeyed.append(command.id)
        parts.doors.leaving.set()
        await asyncio.sleep(0.01)
        return "e-1"

    link = linked(parts, other)
    await link.run(link.obey(table(obey)))

    assert obeyed == ["c-1"]
    assert other.got == [("ack", "c-1"), GOODBYE]


async def test_it_sends_what_waits_of_its_stream_before_it_goes() -> None:
    parts, other = FewParts(), Other()
    other.reads.clear()
    with parts.hub.reading(ANA) as reader:
        await parts.feed.tell([event(told(number), number=number) for number in range(1, 41)])
        link = linked(parts, other)
        running = asyncio.create_task(link.run(link.pump(reader, 0)))
        for _ in range(5):
            await asyncio.sleep(0)
        leaving = asyncio.create_task(parts.doors.leave())
        await parts.doors.leaving.wait()
        other.reads.set()
        await running
        await leaving

    assert other.got == [*(("message", str(number)) for number in range(1, 41)), GOODBYE]


async def test_it_sends_the_answers_that_wait_before_it_goes() -> None:
    parts, other = FewParts(), Other()
    other.reads.clear()
    link = linked(parts, other)
    for number in range(30):
        link.put(json.dumps({"type": "queues", "id": number + 1}))
    running = asyncio.create_task(link.run())
    await until(lambda: not parts.doors._nobody.is_set())
    parts.doors.leaving.set()
    other.reads.set()
    await running

    assert other.got == [*(("queues", str(number + 1)) for number in range(30)), GOODBYE]


async def test_it_goes_though_the_other_side_never_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "FLUSH_S", 0.01)
    parts, other = FewParts(), Other()
    other.reads.clear()
    link = linked(parts, other)
    link.put(json.dumps({"type": "queues"}))
    running = asyncio.create_task(link.run())
    await until(lambda: not parts.doors._nobody.is_set())

    await asyncio.wait_for(parts.doors.leave(), 5)
    await running

    assert other.got == [GOODBYE]


async def test_it_counts_as_open_until_it_is_closed() -> None:
    parts, other = FewParts(), Other()
    link = linked(parts, other)
    running = asyncio.create_task(link.run())
    await until(lambda: not parts.doors._nobody.is_set())

    with pytest.raises(Exhausted):
        parts.doors.check(link.principal)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running

    parts.doors.check(link.principal)


async def test_it_lets_go_of_who_takes_no_frame() -> None:
    parts, other = FewParts(gateway_slow_after_s=0.01), Other()
    other.reads.clear()
    link = linked(parts, other)
    link.put(json.dumps({"type": "queues"}))

    await asyncio.wait_for(link.run(), 5)

    assert other.got == [("close", "1013 too_slow")]
