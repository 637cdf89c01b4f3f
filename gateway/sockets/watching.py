"""Sockets that only tell: an adapter follows an interaction, a supervisor follows his tenant."""

import asyncio
from typing import Any

from starlette.websockets import WebSocket

from gateway.frames import SUPERVISORS, interaction_stream, unnumbered
from gateway.hub import Reader
from gateway.messages import plain
from gateway.parts import Parts
from gateway.sockets.link import NAME, Link
from gateway.sockets.opening import accept, admit, after_of, deny
from libs.errors import Invalid, Refusal, Violation
from libs.rpc.routing.v1 import routing_pb2
from libs.stored import Key

LOOK_EVERY_S = 2.0
SNAPSHOT_WITHIN_S = 2.0


async def interaction_socket(websocket: WebSocket) -> None:
    """Tell an adapter all that happens in one interaction of its tenant."""
    principal = await admit(websocket, "interaction_socket")
    if principal is None:
        return
    interaction_id = websocket.path_params["interaction_id"]
    try:
        seen = after_of(websocket) or 0
        if not NAME.fullmatch(interaction_id):
            raise Invalid(Violation("interaction_id", "is no id"))
    except Refusal as refusal:
        await deny(websocket, refusal)
        return
    parts: Parts = websocket.app.state.parts
    key = Key(principal.tenant, interaction_stream(interaction_id))
    await accept(websocket)
    link = Link(websocket, parts, principal, "interaction")

    async def snapshot() -> None:
        found = await parts.conversations.get(Key(principal.tenant, interaction_id))
        held = found.whole() if found is not None else None
        await link.send(unnumbered("snapshot", {"conversation": held}))

    with parts.hub.reading(key) as reader:
        await link.run(link.pump(reader, seen, snapshot=snapshot), link.obey({}))


async def supervisor_socket(websocket: WebSocket) -> None:
    """Tell a supervisor how his tenant stands and what happens in it."""
    principal = await admit(websocket, "supervisor_socket")
    if principal is None:
        return
    try:
        seen = after_of(websocket)
    except Refusal as refusal:
        await deny(websocket, refusal)
        return
    parts: Parts = websocket.app.state.parts
    key = Key(principal.tenant, SUPERVISORS)
    await accept(websocket)
    link = Link(websocket, parts, principal, "supervisor")
    board = Board(link)
    with parts.hub.reading(key) as reader:
        await link.run(board.open(reader, seen), board.look(), link.obey({}))


class Board:
    """One supervisor's view of his pool."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._routing = link.parts.services.routing
        self._pool_id = link.principal.pool_id
        self._owes_snapshot = False

    async def open(self, reader: Reader, seen: int | None) -> None:
        """Say how it stands, then what happens."""
        last = await reader.last()
        await self._link.send(unnumbered("hello", {"last_seq": last}))
        if seen is None:
            await self._snapshot()
        await self._link.pump(reader, last if seen is None else seen, snapshot=self._snapshot)

    async def look(self) -> None:
        """Tell the queues whenever they have changed, and the pool where it could not be told before."""
        told: dict[str, Any] | None = None
        while True:
            if self._owes_snapshot:
                await self._snapshot()
            try:
                request = routing_pb2.ListQueuesRequest(pool_id=self._pool_id)
                found = await self._routing.ListQueues(request)
                queues = {"queues": [plain(each) for each in found.queues]}
                if queues != told:
                    told = queues
                    self._link.put(unnumbered("queues", queues))
            except Refusal:
                pass  # the stream goes on; the next look may be answered
            await asyncio.sleep(LOOK_EVERY_S)

    async def _snapshot(self) -> None:
        """Tell the pool, read after the number from which the stream goes on: nothing lies between."""
        try:
            async with asyncio.timeout(SNAPSHOT_WITHIN_S):
                pool = await self._routing.GetPool(routing_pb2.GetPoolRequest(pool_id=self._pool_id))
        except (Refusal, TimeoutError):
            self._owes_snapshot = True
            return
        self._owes_snapshot = False
        await self._link.send(unnumbered("snapshot", plain(pool)))
