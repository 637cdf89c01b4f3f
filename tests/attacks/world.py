"""Two tenants with a business each, planted through the outer doors; every text of theirs is a canary."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlencode
from uuid import uuid4

from deploy.dev.demo.door import Door, cloud_event
from libs import clock
from tests.attacks.reading import plant, poison
from tests.attacks.tokens import Mint
from tests.integration.people import Person

PATIENCE_S = 60.0
NAMELESS = frozenset({"pool_id", "key", "channel", "section"})  # the same in every tenant


@dataclass(frozen=True)
class World:
    """What one tenant has: names by which it is asked for, and texts nobody else may ever see."""

    tenant: str
    mark: str  # stands in every id and every text of the tenant
    agent_id: str
    ids: dict[str, str] = field(default_factory=dict)
    canaries: dict[str, str] = field(default_factory=dict)

    def text(self, of: str) -> str:
        """Return a distinctive text, the same for the same thing."""
        return self.canaries.setdefault(of, f"canary-{self.mark}-{of}-{uuid4().hex[:6]}")

    @property
    def secrets(self) -> list[str]:
        """Return all that betrays the tenant's data to others."""
        named = [value for name, value in self.ids.items() if name not in NAMELESS]
        return [*self.canaries.values(), *named]


def new(tenant: str) -> World:
    mark = f"{tenant[0]}{uuid4().hex[:8]}"
    return World(tenant, mark, f"agent-{mark}")


async def settle(world: World, door: Door, mint: Mint) -> None:
    """Let a tenant live through a contact: page views, chat, agent, ticket, recording."""
    mark, say = world.mark, world.text
    admin = mint.token(world.tenant, f"admin-{mark}", "admin")
    adapter = mint.token(world.tenant, f"adapter-{mark}", "adapter")
    desk = mint.token(world.tenant, world.agent_id, "agent")
    phone = f"+86139{int(uuid4().hex[:8], 16) % 10**8:08d}"
    world.canaries["phone"] = phone
    queue_id, flow_id, chat_id = f"queue-{mark}", f"flow-{mark}", f"chat-{mark}"

    queue = {"name": say("queue"), "needs": [{"skill": "service"}], "wrap_up_s": 30}
    await door.send("PUT", f"/v1/queues/{queue_id}", admin, queue)
    agent = {"name": say("agent"), "skills": {"service": 5}, "team": f"team-{mark}"}
    await door.send("PUT", f"/v1/agents/{world.agent_id}", admin, agent)
    item_id = f"reason-{mark}"
    path = f"/v1/routing/configuration/reasons/{item_id}"
    await door.send("PUT", path, admin, {"name": say("reason")})
    flow = {
        "flow_id": flow_id,
        "name": {"en": say("flow")},
        "entry_points": [f"door-{mark}"],
        "languages": ["en"],
        "start": "on",
        "nodes": {"on": {"kind": "queue", "queue_id": queue_id, "reason": "direct"}},
    }
    published = await door.send("POST", "/v1/flows", admin, {"flow": {"document": flow}})
    assert published["flow_id"] == flow_id
    strategy_id = f"strategy-{mark}"
    strategy = {"strategy_id": strategy_id, "queues": [queue_id], "name": {"en": say("strategy")}}
    await door.send("POST", "/v1/strategies", admin, {"strategy": {"document": strategy}})
    customer = await door.send(
        "POST",
        "/v1/customers",
        admin,
        {
            "name": say("customer"),
            "identities": [{"kind": "phone", "value": phone}],
            "profile": {"note": say("profile")},
            "tags": [f"tag-{mark}"],
        },
    )
    visitor = await door.send("POST", "/v1/visitors", "", {"tenant": world.tenant})
    page = {"visitor_id": visitor["visitor_id"], "url": f"https://shop.example/{say('page')}"}
    now = clock.now().isoformat()
    await door.publish(adapter, [cloud_event(f"page-{mark}", VIEWED, now, page, 1)])

    person = Person(door, "/v1/agent/socket", desk, f"agent-{mark}")
    await person.do("sign_in")
    await person.do("ready")
    await person.sees("state", within_s=PATIENCE_S, state="ready")
    chat = Person(
        door, f"/v1/chat/socket?interaction_id={chat_id}", visitor["access_token"], f"customer-{mark}"
    )
    await chat.do(
        "start",
        entry_point=f"door-{mark}",
        identities=[{"kind": "phone", "value": phone}],
        display_name=say("display"),
        context={"why": say("context")},
    )
    offer = await person.sees("offer", within_s=PATIENCE_S)
    await person.do("accept", offer_id=offer["data"]["offer_id"], interaction_id=chat_id)
    session_id = (await person.sees("assigned", within_s=PATIENCE_S))["data"]["session_id"]
    await chat.do("message", text=say("said"))
    await person.sees("message", text=say("said"))
    await person.do("message", interaction_id=chat_id, text=say("answered"))
    await chat.sees("message", text=say("answered"))

    ticket = await door.send(
        "POST",
        "/v1/tickets",
        desk,
        {
            "type": "question",
            "subject": say("subject"),
            "description": say("description"),
            "session_id": session_id,
            "interaction_id": chat_id,
            "customer_id": customer["customer_id"],
        },
    )
    path = f"/v1/tickets/{ticket['ticket_id']}/comments"
    await door.send("POST", path, desk, {"text": say("comment"), "public": True})
    await door.send("PUT", f"/v1/sessions/{session_id}/context/step", desk, {"value": say("shared")})
    await person.do("end", interaction_id=chat_id, reason="solved")
    await chat.sees("ended")
    await person.do("wrap_up", interaction_id=chat_id, codes=["card"], notes=say("notes"))
    await person.sees("wrapped_up", within_s=PATIENCE_S)
    await chat.leave()

    of = {"session_id": session_id, "interaction_id": chat_id, "agent_id": world.agent_id}
    audio = f"/v1/recordings?{urlencode(of | {'started_at': now, 'ended_at': clock.now().isoformat()})}"
    recording = await door.send_text("POST", audio, adapter, say("audio"), "audio/wav")
    transcript = await found(door, admin, chat_id)
    later = (clock.now() + timedelta(days=30)).isoformat()
    callback = await door.send(
        "POST",
        "/v1/callbacks",
        desk,
        {
            "queue_id": queue_id,
            "customer_id": customer["customer_id"],
            "due_at": later,
            "reason": say("call"),
        },
    )
    explained = await door.get(f"/v1/contacts/{chat_id}/explanation", admin)
    journey = await door.get(f"/v1/sessions/{session_id}", admin)
    await person.leave()
    world.ids.update(
        customer_id=customer["customer_id"],
        visitor_id=visitor["visitor_id"],
        session_id=session_id,
        interaction_id=chat_id,
        journey_id=journey["journey_id"],
        event_id=f"page-{mark}",
        ticket_id=ticket["ticket_id"],
        recording_id=recording["recording_id"],
        transcript_id=transcript,
        queue_id=queue_id,
        agent_id=world.agent_id,
        team_id=f"team-{mark}",
        flow_id=flow_id,
        strategy_id=strategy_id,
        decision_id=explained["decisions"][-1]["decision_id"],
        offer_id=offer["data"]["offer_id"],
        callback_id=callback["event_id"],
        pool_id="main",
        section="reasons",
        item_id=item_id,
        key="step",
        channel="chat",
    )


async def found(door: Door, token: str, interaction_id: str) -> str:
    """Return the id of a contact's transcript, as soon as there is one."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            query = {"interaction_id": interaction_id, "kind": "transcript"}
            for each in (await door.get("/v1/recordings", token, query))["items"]:
                return str(each["recording_id"])
            await asyncio.sleep(0.2)


VIEWED = "trunkline.visitor.page_viewed.v1"


async def letter(world: World, door: Door, mint: Mint, bootstrap: str) -> None:
    """Let the tenant have a dead letter: the one thing that no outer door lets in."""
    await plant(bootstrap, "trunkline.interaction", poison(world.text("letter"), world.tenant)[:1])
    admin = mint.token(world.tenant, f"admin-{world.mark}", "admin")
    async with asyncio.timeout(PATIENCE_S):
        while not (found := (await door.get("/v1/dead-letters", admin))["items"]):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    world.ids["letter_id"] = found[0]["letter_id"]


async def both(gateway_url: str, bootstrap: str, mint: Mint) -> tuple[World, World]:
    """Settle two tenants at once, so that everything of one comes beside something of the other."""
    door = Door(gateway_url)
    mine, theirs = new("demo"), new("acme")
    try:
        await asyncio.gather(*(settle(each, door, mint) for each in (mine, theirs)))
        await asyncio.gather(*(letter(each, door, mint, bootstrap) for each in (mine, theirs)))
    finally:
        await door.close()
    return mine, theirs
