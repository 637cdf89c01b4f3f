"""The agent's socket: presence, offers, answers, conversations, and what to show while it rings."""

import asyncio
from typing import Any

import orjson
from starlette.websockets import WebSocket

from gateway.conversation import Conversation
from gateway.frames import Frame, agent_stream, interaction_stream, unnumbered
from gateway.hub import Reader
from gateway.journeys import agent_journey, interaction_journey
from gateway.messages import plain
from gateway.parts import Parts
from gateway.sockets.commands import Answer, End, Presence, Say, Transfer, Typing, WrapUp
from gateway.sockets.link import Link, Table
from gateway.sockets.opening import accept, admit, after_of, deny
from gateway.sockets.screen_pop import screen_pop
from gateway.sockets.typing import Typist
from libs.errors import Forbidden, Invalid, NotFound, Refusal, Refused, Violation
from libs.events import interaction, queue
from libs.events.base import Event, follow_id
from libs.rpc.routing.v1 import routing_pb2
from libs.stored import Key

SHOWN = ('"type":"offer",', '"type":"assigned",')
SNAPSHOT_WITHIN_S = 2.0


class AgentDesk:
    """One agent at one screen."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._parts = link.parts
        self._me = link.principal
        self._typist = Typist(link)
        self.key = Key(self._me.tenant, agent_stream(self._me.agent_id))

    def table(self) -> Table:
        """Return what an agent can ask."""
        return {
            "sign_in": (Presence, self._sign_in),
            "sign_out": (Presence, self._sign_out),
            "ready": (Presence, self._ready),
            "not_ready": (Presence, self._not_ready),
            "accept": (Answer, self._accept),
            "decline": (Answer, self._decline),
            "message": (Say, self._say),
            "end": (End, self._end),
            "wrap_up": (WrapUp, self._wrap_up),
            "transfer": (Transfer, self._transfer),
            "typing": (Typing, self._typing),
        }

    async def open(self, reader: Reader, seen: int | None) -> None:
        """Say how it stands, then what happens."""
        last = await reader.last()
        hello = {"agent_id": self._me.agent_id, "pool_id": self._me.pool_id, "last_seq": last}
        await self._link.send(unnumbered("hello", hello))
        if seen is None:
            await self._snapshot()
        else:
            for row in await self._in_hand():
                self._show(row.interaction_id, row.session_id, _offer_to(row, self._me.agent_id), {})
        await self._link.pump(reader, last if seen is None else seen, self._before, self._snapshot)

    async def _in_hand(self) -> list[Conversation]:
        where = {"ix.agents": self._me.agent_id}
        return await self._parts.conversations.find(self._me.tenant, where, limit=50)

    async def _snapshot(self) -> None:
        """
        Tell what the agent has in hand; for a screen that begins anew, or that has missed something.

        It is read after the number from which the stream goes on, so what it lacks comes as a frame; what
        comes as a frame may be in it already.
        """
        rows = await self._in_hand()
        agent: dict[str, Any] | None = None
        try:
            request = routing_pb2.GetAgentRequest(agent_id=self._me.agent_id)
            async with asyncio.timeout(SNAPSHOT_WITHIN_S):
                agent = plain((await self._parts.services.routing.GetAgent(request)).agent)
        except (Refusal, TimeoutError):
            pass  # the screen learns it from the next state
        held = {"agent": agent, "conversations": [row.whole() for row in rows]}
        await self._link.send(unnumbered("snapshot", held))
        for row in rows:
            if row.session_id:
                self._link.spawn(self._pop_of_snapshot(row))

    async def _pop_of_snapshot(self, row: Conversation) -> None:
        found = await screen_pop(self._parts.services, row.session_id)
        self._link.put(unnumbered("screen_pop", {**found, "interaction_id": row.interaction_id}))

    async def _before(self, text: str) -> None:
        if any(mark in text[:64] for mark in SHOWN):
            frame = orjson.loads(text)
            data = frame["data"]
            self._show(data["interaction_id"], data["session_id"], data.get("offer_id", ""), frame)

    def _show(self, interaction_id: str, session_id: str, offer_id: str, origin: dict[str, Any]) -> None:
        if session_id and offer_id:
            self._link.spawn(self._screen_pop(interaction_id, session_id, offer_id, origin))

    async def _screen_pop(
        self, interaction_id: str, session_id: str, offer_id: str, origin: dict[str, Any]
    ) -> None:
        """
        Put into the agent's stream whom he was offered, once for each offer however many screens he has.

        Whichever gateway has a screen of his does it, when it sends the offer or when the screen comes back.
        """
        event_id = follow_id(f"{self.key}/{offer_id}", "screen_pop")
        if await self._parts.feed.has_told(self.key, event_id):
            return
        found = await screen_pop(self._parts.services, session_id)
        told = Frame(
            stream=self.key.id,
            kind="screen_pop",
            event_id=origin.get("event_id", event_id),
            event_type=origin.get("event_type", Frame.type),
            event_time=origin.get("time", ""),
            body={**found, "interaction_id": interaction_id, "offer_id": offer_id},
        )
        await self._parts.feed.tell([Event(event_id, self._me.tenant, self._parts.now(), told, "")])

    async def _sign_in(self, command: Presence) -> str:
        fact = queue.AgentSignedIn(pool_id=self._me.pool_id, agent_id=self._me.agent_id)
        return await self._link.tell(command, self._journey, fact)

    async def _sign_out(self, command: Presence) -> str:
        fact = queue.AgentSignedOut(pool_id=self._me.pool_id, agent_id=self._me.agent_id, by=self._me.subject)
        return await self._link.tell(command, self._journey, fact)

    async def _ready(self, command: Presence) -> str:
        fact = queue.AgentStateRequested(pool_id=self._me.pool_id, agent_id=self._me.agent_id, state="ready")
        return await self._link.tell(command, self._journey, fact)

    async def _not_ready(self, command: Presence) -> str:
        fact = queue.AgentStateRequested(
            pool_id=self._me.pool_id,
            agent_id=self._me.agent_id,
            state="not_ready",
            reason=command.reason,
        )
        return await self._link.tell(command, self._journey, fact)

    async def _accept(self, command: Answer) -> str:
        found = await self._offered(command)
        fact = queue.OfferAccepted(
            pool_id=found.pool_id,
            contact_id=found.interaction_id,
            agent_id=self._me.agent_id,
            offer_id=command.offer_id,
        )
        return await self._link.tell(command, self._journey_of(found), fact)

    async def _decline(self, command: Answer) -> str:
        found = await self._offered(command)
        fact = queue.OfferDeclined(
            pool_id=found.pool_id,
            contact_id=found.interaction_id,
            agent_id=self._me.agent_id,
            offer_id=command.offer_id,
            reason=command.reason,
        )
        return await self._link.tell(command, self._journey_of(found), fact)

    async def _say(self, command: Say) -> str:
        found = await self._mine(command.interaction_id)
        event_id = self._link.event_id(command)
        fact = interaction.MessageSent(
            interaction_id=found.interaction_id,
            message_id=event_id,
            author="agent",
            agent_id=self._me.agent_id,
            pii=interaction.MessagePii(text=command.text),
        )
        return await self._link.tell(command, self._journey_of(found), fact)

    async def _end(self, command: End) -> str:
        found = await self._mine(command.interaction_id)
        fact = interaction.Ended(interaction_id=found.interaction_id, by="agent", reason=command.reason)
        return await self._link.tell(command, self._journey_of(found), fact)

    async def _wrap_up(self, command: WrapUp) -> str:
        found = await self._known(command.interaction_id)
        if self._me.agent_id not in (*found.agents, *found.wrapping):
            raise _not_yours()
        fact = queue.WrapUpCompleted(
            pool_id=found.pool_id,
            contact_id=found.interaction_id,
            agent_id=self._me.agent_id,
            codes=command.codes,
            pii=queue.NotesPii(notes=command.notes),
        )
        return await self._link.tell(command, self._journey_of(found), fact)

    async def _transfer(self, command: Transfer) -> str:
        if not (command.to_queue_id or command.to_agent_id):
            raise Invalid(Violation("to_queue_id", "name a queue or an agent"))
        found = await self._mine(command.interaction_id)
        fact = queue.TransferRequested(
            pool_id=found.pool_id,
            contact_id=found.interaction_id,
            agent_id=self._me.agent_id,
            to_queue_id=command.to_queue_id,
            to_agent_id=command.to_agent_id,
            reason=command.reason,
        )
        return await self._link.tell(command, self._journey_of(found), fact)

    async def _typing(self, command: Typing) -> str:
        found = await self._mine(command.interaction_id)
        told = {"interaction_id": found.interaction_id, "author": "agent", "agent_id": self._me.agent_id}
        stream = interaction_stream(found.interaction_id)
        await self._typist.tell(command, [stream], self._journey_of(found), told)
        return ""

    async def _known(self, interaction_id: str) -> Conversation:
        found = await self._parts.conversations.get(Key(self._me.tenant, interaction_id))
        if found is None:
            raise NotFound("contact", interaction_id)
        return found

    async def _mine(self, interaction_id: str) -> Conversation:
        """Return a conversation that the agent serves now. :raises Refusal: he does not, or it is over."""
        found = await self._known(interaction_id)
        if self._me.agent_id not in found.agents:
            raise _not_yours()
        if found.ended_by:
            raise Refused("conversation_ended", "the customer is gone")
        return found

    async def _offered(self, command: Answer) -> Conversation:
        """Return what was offered to the agent, be it over or not: routing tells him so."""
        if command.interaction_id:
            found = await self._parts.conversations.get(Key(self._me.tenant, command.interaction_id))
        else:
            where = {"ix.offers": command.offer_id}
            rows = await self._parts.conversations.find(self._me.tenant, where, limit=1)
            found = rows[0] if rows else None
        agent_id = dict(found.offers).get(command.offer_id) if found else None
        if found is None or agent_id is None:
            raise NotFound("offer", command.offer_id)
        if agent_id != self._me.agent_id:
            raise Forbidden("not_your_offer", "the offer was made to somebody else")
        return found

    @property
    def _journey(self) -> str:
        return agent_journey(self._me.tenant, self._me.agent_id)

    def _journey_of(self, found: Conversation) -> str:
        return found.journey_id or interaction_journey(self._me.tenant, found.interaction_id)


def _offer_to(row: Conversation, agent_id: str) -> str:
    """Return the last offer of a conversation to an agent."""
    return next((offer_id for offer_id, offered in reversed(row.offers) if offered == agent_id), "")


def _not_yours() -> Forbidden:
    return Forbidden("not_your_contact", "the contact is not assigned to you")


async def agent_socket(websocket: WebSocket) -> None:
    """Serve one agent's screen."""
    principal = await admit(websocket, "agent_socket")
    if principal is None:
        return
    try:
        seen = after_of(websocket)
    except Refusal as refusal:
        await deny(websocket, refusal)
        return
    parts: Parts = websocket.app.state.parts
    await accept(websocket)
    link = Link(websocket, parts, principal, "agent")
    desk = AgentDesk(link)
    with parts.hub.reading(desk.key) as reader:
        await link.run(desk.open(reader, seen), link.obey(desk.table()))
