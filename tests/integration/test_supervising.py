"""A supervisor gives a contact to an agent and takes it back, through the outer doors only."""

from typing import Any

import pytest

from deploy.dev.demo.door import Door, DoorClosed
from tests.integration.people import Person

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

CHAT = "chat-supervised-1"
FLOW = {
    "flow_id": "straight-to-helped",
    "entry_points": ["helped-door"],
    "languages": ["en"],
    "start": "on",
    "nodes": {"on": {"kind": "queue", "queue_id": "helped", "reason": "help"}},
}


async def test_a_contact_goes_where_its_supervisor_wants_it(door: Door) -> None:
    admin, leader, desk = [await door.token(user) for user in ("admin1", "supervisor1", "agent1")]
    visitor = await door.send("POST", "/v1/visitors", "", {"tenant": "demo"})
    needs = [{"skill": "nobody-has-it", "level": 1, "hard": True}]
    await door.send(
        "PUT", "/v1/queues/helped", admin, {"name": "Helped", "needs": needs, "offer_timeout_s": 120}
    )
    await door.send("POST", "/v1/flows", admin, {"flow": {"document": FLOW}})
    ana, bob = [await at_work(door, user) for user in ("agent1", "agent2")]
    customer = Person(door, f"/v1/chat/socket?interaction_id={CHAT}", visitor["access_token"], "supervised")
    await customer.do("start", entry_point="helped-door")
    await customer.sees("wait", position=1)

    with pytest.raises(DoorClosed):  # the role is missing
        await act(door, desk, "direct", {"agent_id": "agent1"})
    await act(door, leader, "direct", {"agent_id": "agent1", "reason": "knows him"})
    await accepted(ana)

    await act(door, leader, "take-back", {"reason": "unwell"})
    taken = await ana.sees("taken_back", interaction_id=CHAT)
    assert (taken["data"]["by"], taken["data"]["reason"]) == ("supervisor1", "unwell")
    await customer.sees("requeued")

    await act(door, leader, "direct", {"agent_id": "agent2", "reason": "the next best"})
    await accepted(bob)
    await bob.do("end", interaction_id=CHAT, reason="solved")
    await bob.do("wrap_up", interaction_id=CHAT)
    closed = await customer.sees("closed")
    assert closed["data"]["outcome"] == "handled"

    for person in (customer, ana, bob):
        await person.leave()


async def act(door: Door, token: str, what: str, asked: dict[str, Any]) -> None:
    told = await door.send("POST", f"/v1/contacts/{CHAT}/{what}", token, asked)
    assert told["status"] == "accepted"


async def at_work(door: Door, user: str) -> Person:
    agent = Person(door, "/v1/agent/socket", await door.token(user), user)
    await agent.do("sign_in")
    await agent.do("ready")
    await agent.sees("state", state="ready")
    return agent


async def accepted(agent: Person) -> None:
    offer = await agent.sees("offer", interaction_id=CHAT)
    await agent.do("accept", offer_id=offer["data"]["offer_id"], interaction_id=CHAT)
    await agent.sees("assigned", interaction_id=CHAT)
