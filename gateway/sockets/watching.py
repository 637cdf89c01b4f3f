"""Sockets that only tell: an adapter follows an interaction, a supervisor follows his tenant."""

import asyncio
from typing import Any

from starlette.websockets import WebSocket

from gateway.frames import SUPERVISORS, interaction_stream, unnumbered
from gateway.hub import Reader
from gateway.messages import plain
from gateway.parts import Parts
from gateway.sockets.link import Link, accept, admit, after_of, deny
from libs.errors import Refusal
from libs.rpc.routing.v1 import routing_pb2
from libs.stored import Key

LOOK_EVERY_S = 2.0


async def interaction_socket(websocket: WebSocket) -> None:
    """Tell an adapter all that happens in one interaction of its tenant."""
    principal = await admit(websocket, "interaction_socket")
    if principal is None:
        return
    try:
        after = after_of(websocket) or 0
    except Refusal as refusal:
        await deny(websocket, refusal)
        return
    parts: Parts = websocket.app.state.parts
    key = Key(principal.tenant, interaction_stream(websocket.path_params["interaction_id"]))
    await accept(websocket)
    link = Link(websocket, parts, principal, "interaction")
    with parts.hub.reading(key) as reader, parts.hub.hearing(key, link.outbox):
        await link.run(link.pump(reader, after), link.obey({}))


async def supervisor_socket(websocket: WebSocket) -> None:
    """Tell a supervisor how his tenant stands and what happens in it."""
    principal = await admit(websocket, "supervisor_socket")
    if principal is None:
        return
    try:
        after = after_of(websocket)
    except Refusal as refusal:
        await deny(websocket, refusal)
        return
    parts: Parts = websocket.app.state.parts
    key = Key(principal.tenant, SUPERVISORS)
    await accept(websocket)
    link = Link(websocket, parts, principal, "supervisor")
    with parts.hub.reading(key) as reader:
        await link.run(_watch(link, reader, after), _look(link), link.obey({}))


async def _watch(link: Link, reader: Reader, after: int | None) -> None:
    stream = await reader.load()
    await link.send(unnumbered("hello", {"last_seq": stream.last}))
    await link.pump(reader, stream.last if after is None else after)


async def _look(link: Link) -> None:
    """Tell the pool once, then its queues whenever they have changed."""
    routing, pool_id = link.parts.services.routing, link.principal.pool_id
    told: dict[str, Any] | None = None
    while True:
        try:
            if told is None:
                pool = await routing.GetPool(routing_pb2.GetPoolRequest(pool_id=pool_id))
                told = {}
                link.put(unnumbered("snapshot", plain(pool)))
            found = await routing.ListQueues(routing_pb2.ListQueuesRequest(pool_id=pool_id))
            queues = {"queues": [plain(each) for each in found.queues]}
            if queues != told:
                told = queues
                link.put(unnumbered("queues", queues))
        except Refusal:
            pass  # the stream goes on; the next look may be answered
        await asyncio.sleep(LOOK_EVERY_S)
