"""A strategy is checked, published, followed, explained and rolled back, through the outer doors only."""

from typing import Any

import pytest

from deploy.dev.demo.door import Door, DoorClosed
from tests.integration.people import Person, eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

FLOW = {
    "flow_id": "straight-to-gold",
    "entry_points": ["gold-door"],
    "languages": ["en"],
    "start": "on",
    "nodes": {"on": {"kind": "queue", "queue_id": "gold", "reason": "gold"}},
}
STRATEGY = """
strategy_id: gold
queues: [gold]
vocabulary: {agent: {licences: set}}
filters:
  - {id: licensed, keep: '"gold" in agent.licences'}
"""


async def test_a_queue_follows_the_strategy_that_is_in_force(door: Door) -> None:
    admin, visitor = (
        await door.token("admin1"),
        await door.send("POST", "/v1/visitors", "", {"tenant": "demo"}),
    )
    await door.send("PUT", "/v1/queues/gold", admin, {"name": "Gold", "offer_timeout_s": 120})
    await door.send("POST", "/v1/flows", admin, {"flow": {"document": FLOW}})
    for agent_id, licences in (("agent1", []), ("agent2", ["gold"])):
        attributes = {"licences": licences}
        await door.send("PUT", f"/v1/agents/{agent_id}", admin, {"name": agent_id, "attributes": attributes})
    with pytest.raises(DoorClosed):
        await publish(door, admin, STRATEGY.replace("agent.licences", "agent.licenses"))
    assert (await publish(door, admin, STRATEGY))["version"] == 1
    ana, bob = [await at_work(door, agent_id) for agent_id in ("agent1", "agent2")]

    first = await a_customer(door, visitor, "chat-gold-1")
    await accepted(bob, "chat-gold-1")

    found = await eventually(lambda: explanation(door, admin, "chat-gold-1"))
    assert (found["strategy_id"], found["strategy_version"], found["chosen_agent_id"]) == (
        "gold",
        1,
        "agent2",
    )
    why = {each["agent_id"]: each.get("obstacles", []) for each in found["candidates"]}
    assert why["agent1"] == ["filter:licensed"]
    assert any(each["agent_id"] == "agent1" for each in found["would_have_changed"])

    await publish(door, admin, "strategy_id: gold\nqueues: [gold]\nselect: {order: [least_loaded]}")
    second = await a_customer(door, visitor, "chat-gold-2")
    await accepted(ana, "chat-gold-2")

    back = await door.send("POST", "/v1/strategies/gold/rollback", admin, {"version": 1})
    assert back["version"] == 3
    third = await a_customer(door, visitor, "chat-gold-3")
    await accepted(bob, "chat-gold-3")
    assert (await door.get("/v1/strategies/gold", admin))["version"]["rolled_back_to"] == 1

    for person in (first, second, third, ana, bob):
        await person.leave()


async def publish(door: Door, token: str, text: str) -> dict[str, Any]:
    return await door.send("POST", "/v1/strategies", token, {"strategy": {"text": text}})


async def at_work(door: Door, user: str) -> Person:
    agent = Person(door, "/v1/agent/socket", await door.token(user), user)
    await agent.do("sign_in")
    await agent.do("ready")
    await agent.sees("state", state="ready")
    return agent


async def a_customer(door: Door, visitor: dict[str, Any], chat_id: str) -> Person:
    customer = Person(
        door, f"/v1/chat/socket?interaction_id={chat_id}", visitor["access_token"], f"of-{chat_id}"
    )
    await customer.do("start", entry_point="gold-door")
    return customer


async def accepted(agent: Person, chat_id: str) -> None:
    offer = await agent.sees("offer", interaction_id=chat_id)
    await agent.do("accept", offer_id=offer["data"]["offer_id"], interaction_id=chat_id)
    await agent.sees("assigned", interaction_id=chat_id)


async def explanation(door: Door, token: str, chat_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await door.get(f"/v1/contacts/{chat_id}/explanation", token))["decisions"][-1]
    return found
