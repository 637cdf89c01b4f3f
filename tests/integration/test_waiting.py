"""A customer waits: he reads what his queue announces, and what he was told is measured; outer doors only."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.dev.demo.door import Door
from tests.integration.people import Person, eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

CHAT = "chat-waiting-1"
FLOW = {
    "flow_id": "straight-to-waiting",
    "entry_points": ["waiting-door"],
    "languages": ["en"],
    "start": "on",
    "nodes": {"on": {"kind": "queue", "queue_id": "waiting", "reason": "wait"}},
}
STRATEGY: dict[str, Any] = {
    "strategy_id": "patient",
    "queues": ["waiting"],
    "announcements": [
        {"id": "thanks", "say": {"en": "Thank you for waiting."}},
        {"id": "place", "kind": "position", "after_s": 2, "say": {"en": "You are number {{ position }}."}},
    ],
}


async def test_a_customer_reads_what_is_announced_and_the_estimate_is_measured(door: Door) -> None:
    admin = await door.token("admin1")
    visitor = await door.send("POST", "/v1/visitors", "", {"tenant": "demo"})
    needs = [{"skill": "nobody-has-it"}]
    await door.send("PUT", "/v1/queues/waiting", admin, {"needs": needs, "offer_timeout_s": 120})
    await door.send("POST", "/v1/flows", admin, {"flow": {"document": FLOW}})
    await door.send("POST", "/v1/strategies", admin, {"strategy": {"document": STRATEGY}})
    customer = Person(door, f"/v1/chat/socket?interaction_id={CHAT}", visitor["access_token"], "waiting")
    await customer.do("start", entry_point="waiting-door", language="en")

    told = await customer.sees("wait", position=1)
    await customer.sees("message", author="system", text="Thank you for waiting.")
    place = await customer.sees("message", author="system", announcement_id="place")
    assert (place["data"]["text"], place["data"]["position"]) == ("You are number 1.", 1)

    agent = Person(door, "/v1/agent/socket", await door.token("agent1"), "agent1")
    await agent.do("sign_in")
    await agent.do("ready")
    leader = await door.token("supervisor1")
    await door.send("POST", f"/v1/contacts/{CHAT}/direct", leader, {"agent_id": "agent1"})
    offer = await agent.sees("offer", interaction_id=CHAT)
    await agent.do("accept", offer_id=offer["data"]["offer_id"], interaction_id=CHAT)
    await customer.sees("agent_joined")

    found = await eventually(lambda: figures(door, admin))
    assert found["estimates"] >= 1
    # Nobody had learned yet how long contacts take, so far more was told than came.
    assert 0 < found["estimate_bias_ms"] <= told["data"]["estimated_wait_ms"]
    assert found["estimate_error_ms"] >= found["estimate_bias_ms"]
    texts = [frame["data"]["text"] for frame in customer.frames if frame["data"].get("author") == "system"]
    assert texts == ["Thank you for waiting.", "You are number 1."]

    for person in (customer, agent):
        await person.leave()


async def figures(door: Door, token: str) -> dict[str, float] | None:
    """Return the figures of the queue, once the waits told are among them."""
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    query = {"from": day.isoformat(), "to": (day + timedelta(days=3)).isoformat(), "ids": "waiting"}
    found: dict[str, float] = (await door.get("/v1/reports", token, query))["total"]["figures"]
    return found if found.get("estimates") else None
