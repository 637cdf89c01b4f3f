"""The customer's chat: he starts it, is asked, waits, talks, says how it was; and comes back where he was."""

import asyncio

from starlette.websockets import WebSocket

from gateway.conversation import Conversation
from gateway.frames import agent_stream, interaction_stream, unnumbered
from gateway.journeys import visitor_journey
from gateway.parts import Parts
from gateway.sockets.commands import CallBack, Choose, Leave, SayInChat, Start, Survey, Typing
from gateway.sockets.link import FORBIDDEN, NAME, Gone, Link, Table
from gateway.sockets.opening import accept, admit, after_of, deny
from gateway.sockets.typing import Typist
from libs.errors import Forbidden, Invalid, Refusal, Refused, Violation
from libs.events import interaction, queue
from libs.events.base import follow_id
from libs.stored import Key


class Chat:
    """One visitor in one chat."""

    def __init__(self, link: Link, interaction_id: str) -> None:
        self._link = link
        self._parts = link.parts
        self._me = link.principal
        self._interaction_id = interaction_id
        self._named = asyncio.Event()
        self._typist = Typist(link)
        self._is_mine = False
        self._has_started = False
        if interaction_id:
            self._named.set()

    def table(self) -> Table:
        """Return what a customer can ask."""
        return {
            "start": (Start, self._start),
            "message": (SayInChat, self._say),
            "choose": (Choose, self._choose),
            "survey": (Survey, self._survey),
            "typing": (Typing, self._typing),
            "callback": (CallBack, self._call_back),
            "end": (Leave, self._leave),
        }

    async def open(self, seen: int) -> None:
        """Send the frames of the chat, as soon as there is one."""
        await self._named.wait()
        key = Key(self._me.tenant, interaction_stream(self._interaction_id))
        with self._parts.hub.reading(key) as reader:
            await self._link.pump(reader, seen, self._before, self._snapshot)

    async def _before(self, text: str) -> None:
        """Let nothing out of a conversation that is not the visitor's own."""
        if not self._is_mine:
            await self._check()

    async def _check(self) -> Conversation:
        found = await self._found()
        if found is None or found.visitor_id != self._me.subject:
            raise Gone(FORBIDDEN, "not_your_conversation")
        self._is_mine = True
        return found

    async def _snapshot(self) -> None:
        """Tell how the conversation stands, in place of frames that are not kept any more."""
        found = await self._check()
        await self._link.send(unnumbered("snapshot", {"conversation": found.whole()}))

    async def _found(self) -> Conversation | None:
        return await self._parts.conversations.get(Key(self._me.tenant, self._interaction_id))

    async def _start(self, command: Start) -> str:
        if not self._interaction_id:
            self._interaction_id = self._link.event_id(command)
        found = await self._found()
        if found is not None and found.visitor_id not in ("", self._me.subject):
            raise Forbidden("not_your_conversation", "the conversation is somebody else's")
        fact = interaction.Started(
            interaction_id=self._interaction_id,
            channel="chat",
            entry_point=command.entry_point,
            language=command.language,
            visitor_id=self._me.subject,
            context=command.context,
            pii=interaction.StartedPii(identities=command.identities, display_name=command.display_name),
        )
        # Its id follows from the interaction: a chat starts once, whatever id the command has.
        event_id = follow_id(f"{self._me.tenant}/interaction/{self._interaction_id}", "started")
        told = await self._link.tell(command, self._journey, fact, event_id)
        self._has_started = True
        self._named.set()
        return told

    async def _say(self, command: SayInChat) -> str:
        await self._goes_on()
        fact = interaction.MessageSent(
            interaction_id=self._interaction_id,
            message_id=self._link.event_id(command),
            author="customer",
            pii=interaction.MessagePii(text=command.text),
        )
        return await self._link.tell(command, self._journey, fact)

    async def _choose(self, command: Choose) -> str:
        await self._goes_on()
        fact = interaction.InputReceived(
            interaction_id=self._interaction_id,
            kind="choice",
            pii=interaction.InputPii(value=command.key),
        )
        return await self._link.tell(command, self._journey, fact)

    async def _survey(self, command: Survey) -> str:
        if command.csat is None and command.nps is None and command.ces is None:
            raise Invalid(Violation("csat", "answer at least one question"))
        await self._own()
        fact = interaction.SurveySubmitted(
            interaction_id=self._interaction_id,
            csat=command.csat,
            nps=command.nps,
            ces=command.ces,
            pii=interaction.SurveyPii(comment=command.comment),
        )
        return await self._link.tell(command, self._journey, fact)

    async def _leave(self, command: Leave) -> str:
        await self._own()
        fact = interaction.Ended(interaction_id=self._interaction_id, by="customer", reason=command.reason)
        return await self._link.tell(command, self._journey, fact)

    async def _call_back(self, command: CallBack) -> str:
        found = await self._own()
        if found is None or not found.queue_id or found.agents or found.ended_by or found.outcome:
            raise Refused("not_waiting", "only who waits in a queue can ask to be called back")
        fact = queue.CallbackRequested(
            pool_id=found.pool_id,
            callback_id=self._link.event_id(command),
            queue_id=found.queue_id,
            contact_id=self._interaction_id,
            due_at=command.due_at,
            language=found.language,
            customer_id=found.customer_id,
            reason=command.reason,
            by="customer",
            pii=queue.CallbackPii(identities=command.identities),
        )
        return await self._link.tell(command, found.journey_id or self._journey, fact)

    async def _typing(self, command: Typing) -> str:
        found = await self._own()
        told = {"interaction_id": self._interaction_id, "author": "customer", "agent_id": ""}
        streams = [agent_stream(agent_id) for agent_id in found.agents] if found else []
        await self._typist.tell(command, streams, self._journey, told)
        return ""

    async def _own(self) -> Conversation | None:
        """Return the conversation, None while its start is on its way. :raises Refusal: there is none."""
        if not self._named.is_set():
            raise Refused("not_started", "start the chat first")
        found = await self._found()
        if found is None and not self._has_started:
            raise Refused("not_started", "start the chat first")
        if found is not None and found.visitor_id != self._me.subject:
            raise Forbidden("not_your_conversation", "the conversation is somebody else's")
        return found

    async def _goes_on(self) -> None:
        found = await self._own()
        if found is not None and found.ended_by:
            raise Refused("conversation_ended", "the conversation is over")

    @property
    def _journey(self) -> str:
        return visitor_journey(self._me.tenant, self._me.subject)


async def chat_socket(websocket: WebSocket) -> None:
    """Serve one customer's chat."""
    principal = await admit(websocket, "chat_socket")
    if principal is None:
        return
    parts: Parts = websocket.app.state.parts
    interaction_id = websocket.query_params.get("interaction_id", "")
    try:
        seen = after_of(websocket) or 0
        if interaction_id and not NAME.fullmatch(interaction_id):
            raise Invalid(Violation("interaction_id", "is no id"))
        found = (
            await parts.conversations.get(Key(principal.tenant, interaction_id)) if interaction_id else None
        )
        if found is not None and found.visitor_id != principal.subject:
            raise Forbidden("not_your_conversation", "the conversation is somebody else's")
    except Refusal as refusal:
        await deny(websocket, refusal)
        return
    await accept(websocket)
    link = Link(websocket, parts, principal, "chat")
    chat = Chat(link, interaction_id)
    await link.run(chat.open(seen), link.obey(chat.table()))
