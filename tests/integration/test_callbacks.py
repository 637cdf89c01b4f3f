"""A customer is called back at his place in the queue, or at a time; through the outer doors only."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.dev.demo.door import Door, DoorClosed
from tests.integration.people import Person, eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

FLOW = {
    "flow_id": "straight-to-busy",
    "entry_points": ["busy-door"],
    "languages": ["en"],
    "start": "on",
    "nodes": {"on": {"kind": "queue", "queue_id": "busy", "reason": "card"}},
}
PHONE = {"kind": "phone", "value": "+8613811110001"}


async def test_a_customer_is_called_back_at_his_place(door: Door) -> None:
    admin = await door.token("admin1")
    await door.send("PUT", "/v1/queues/busy", admin, {"offer_timeout_s": 120, "needs": [{"skill": "busy"}]})
    await door.send("POST", "/v1/flows", admin, {"flow": {"document": FLOW}})
    caller, other = [await in_queue(door, name) for name in ("chat-busy-1", "chat-busy-2")]

    asked = await caller.do("callback", identities=[PHONE], reason="on the move")
    callback_id = asked["event_id"]
    gone = await caller.sees("diverted", to="callback", callback_id=callback_id)
    assert gone["data"]["interaction_id"] == "chat-busy-1"
    await caller.sees("callback", what="started")
    assert (await caller.sees("closed"))["data"]["outcome"] == "overflowed"
    listed = await eventually(lambda: callback(door, admin, callback_id, "waiting"))
    assert (listed["requested_by"], listed["identities"]) == ("customer", [PHONE])

    await door.send("PUT", "/v1/agents/agent1", admin, {"name": "Ana", "skills": {"busy": 5}})
    agent = Person(door, "/v1/agent/socket", await door.token("agent1"), "agent1")
    await agent.do("sign_in")
    await agent.do("ready")
    offer = await agent.sees("offer")  # he came before the one who still waits in the chat
    assert (offer["data"]["interaction_id"], offer["data"]["callback"]) == (callback_id, True)
    assert offer["data"]["channel"] == "voice"
    assert offer["data"]["conversation"]["call_to"] == [PHONE]
    assert offer["data"]["session_id"] == gone["data"]["session_id"]
    pop = await agent.sees("screen_pop", interaction_id=callback_id)
    assert pop["data"]["offer_id"] == offer["data"]["offer_id"]
    await agent.do("accept", offer_id=offer["data"]["offer_id"], interaction_id=callback_id)
    await agent.sees("assigned", interaction_id=callback_id)
    await agent.do("end", interaction_id=callback_id, reason="solved")
    await agent.do("wrap_up", interaction_id=callback_id)
    await agent.sees("wrapped_up", interaction_id=callback_id)
    await agent.sees("offer", interaction_id="chat-busy-2")

    async def outcome() -> str:
        account = await door.get(f"/v1/audit/contacts/{callback_id}", admin)
        return str(account.get("outcome", ""))

    assert await eventually(outcome) == "handled"
    breaches = (await door.get("/v1/audit/breaches", admin))["items"]
    assert [each for each in breaches if callback_id in str(each) or "chat-busy-1" in str(each)] == []
    for person in (caller, other, agent):
        await person.leave()


async def test_staff_ask_for_a_call_at_a_time_and_cancel_it(door: Door) -> None:
    admin, desk = await door.token("admin1"), await door.token("agent1")
    await door.send("PUT", "/v1/queues/appointments", admin, {"needs": [{"skill": "nobody-has-it"}]})
    due_at = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    phone = {"kind": "phone", "value": "+8613811110002"}
    wanted = {"queue_id": "appointments", "identities": [phone], "due_at": due_at}

    callback_id = (await door.send("POST", "/v1/callbacks", desk, wanted))["event_id"]
    listed = await eventually(lambda: callback(door, admin, callback_id, "scheduled"))
    assert datetime.fromisoformat(listed["due_at"]) - datetime.fromisoformat(due_at) < timedelta(seconds=1)
    with pytest.raises(DoorClosed):  # nobody to call
        await door.send("POST", "/v1/callbacks", desk, {"queue_id": "appointments"})

    soon = {**wanted, "identities": [{**phone, "value": "+8613811110003"}], "due_at": None}
    at_once = (await door.send("POST", "/v1/callbacks", desk, soon))["event_id"]
    await eventually(lambda: callback(door, admin, at_once, "waiting"))
    for each in (callback_id, at_once):
        await door.send("POST", f"/v1/callbacks/{each}/cancel", desk, {"reason": "solved"})

    async def none_left() -> bool:
        return not (await door.get("/v1/callbacks", admin, {"queue_id": "appointments"}))["items"]

    assert await eventually(none_left)


async def in_queue(door: Door, chat_id: str) -> Person:
    """Return a customer who waits in the queue."""
    visitor = await door.send("POST", "/v1/visitors", "", {"tenant": "demo"})
    path = f"/v1/chat/socket?interaction_id={chat_id}"
    customer = Person(door, path, visitor["access_token"], f"of-{chat_id}")
    await customer.do("start", entry_point="busy-door", language="en")
    await customer.sees("wait")
    return customer


async def callback(door: Door, token: str, callback_id: str, state: str) -> dict[str, Any] | None:
    """Return a callback as it is listed, once it is in a state."""
    items = (await door.get("/v1/callbacks", token))["items"]
    found = (each for each in items if each["callback_id"] == callback_id and each["state"] == state)
    return next(found, None)
