"""One customer's journey through every service, told and seen through the outer doors only."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from deploy.dev.demo.door import Door, cloud_event
from libs import clock
from tests.integration.people import Person, eventually
from tests.integration.watcher import Seen, everything
from tests.stack import Stack

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

CHAT = "chat-journey-1"
KNOWN_PHONE = "+8613800000003"  # of a seeded customer
PAGES = ("/cards", "/cards/lost")


async def test_it_takes_a_customer_through_every_service(door: Door, stack: Stack) -> None:
    admin, adapter, desk = [await door.token(user) for user in ("admin1", "adapter1", "agent1")]
    day = clock.now().replace(minute=0, second=0, microsecond=0)
    visitor = await door.send("POST", "/v1/visitors", "", {"tenant": "demo"})
    for number, url in enumerate(PAGES, 1):
        data = {"visitor_id": visitor["visitor_id"], "url": f"https://bank.example{url}"}
        page = cloud_event(
            f"page-{number}", "trunkline.visitor.page_viewed.v1", clock.now().isoformat(), data, number
        )
        await door.publish(adapter, [page])

    agent = Person(door, "/v1/agent/socket", desk, "agent")
    await agent.do("sign_in")
    await agent.do("ready")
    await agent.sees("state", state="ready")

    # The customer asks self-service, which hands him over with all it knows.
    customer = Person(door, f"/v1/chat/socket?interaction_id={CHAT}", visitor["access_token"], "customer")
    identities = [{"kind": "phone", "value": KNOWN_PHONE}]
    await customer.do("start", entry_point="web-chat", language="zh-CN", identities=identities)
    menu = await customer.sees("prompt")
    while not menu["data"]["choices"]:
        customer.frames.remove(menu)
        menu = await customer.sees("prompt")
    await customer.do("choose", key="0")

    offer = await agent.sees("offer", interaction_id=CHAT)
    pop = await agent.sees("screen_pop", interaction_id=CHAT)
    assert pop["data"]["customer"]["customer_id"]
    await agent.do("accept", offer_id=offer["data"]["offer_id"], interaction_id=CHAT)
    assigned = await agent.sees("assigned", interaction_id=CHAT)
    await customer.sees("agent_joined")
    session_id = assigned["data"]["session_id"]

    await customer.do("message", text="我的卡丢了")
    await agent.sees("message", text="我的卡丢了")
    await agent.do("message", interaction_id=CHAT, text="马上为您处理")
    await customer.sees("message", text="马上为您处理")

    ticket = await door.send(
        "POST",
        "/v1/tickets",
        desk,
        {
            "type": "card_loss",
            "priority": "high",
            "subject": "Lost card",
            "session_id": session_id,
            "interaction_id": CHAT,
            "customer_id": pop["data"]["customer"]["customer_id"],
        },
    )

    await agent.do("end", interaction_id=CHAT, reason="solved")
    await customer.sees("ended")
    await customer.sees("survey_requested")
    await customer.do("survey", csat=5)
    await agent.do("wrap_up", interaction_id=CHAT, codes=["card"], notes="补卡")
    await agent.sees("wrapped_up", interaction_id=CHAT)
    closed = await customer.sees("closed")
    assert closed["data"]["outcome"] == "handled"

    # What is left of it: ticket, transcript, journey, explanation, figures.
    assert (await door.get(f"/v1/tickets/{ticket['ticket_id']}", desk))["status"] in ("open", "assigned")

    async def transcript() -> dict[str, Any] | None:
        found = await door.get("/v1/recordings", admin, {"interaction_id": CHAT})
        for recording in found["items"]:
            return await door.get(f"/v1/recordings/{recording['recording_id']}/transcript", admin)
        return None

    lines = (await eventually(transcript))["lines"]
    assert {"我的卡丢了", "马上为您处理"} <= {line["text"] for line in lines}

    async def journey() -> set[str] | None:
        entries = (await door.get(f"/v1/sessions/{session_id}/journey", admin, {"limit": 200}))["items"]
        types = {entry["type"].split(".", 1)[1] for entry in entries}
        return types if "session.survey_answered.v1" in types else None

    types = await eventually(journey)
    assert {"visitor.page_viewed.v1", "routing.contact_assigned.v1", "session.wrapped_up.v1"} <= types

    decisions = (await door.get(f"/v1/contacts/{CHAT}/explanation", admin))["decisions"]
    assert decisions[-1]["chosen_agent_id"] == "agent1"

    async def figures() -> dict[str, float] | None:
        query: dict[str, str | int] = {
            "from": day.isoformat(),
            "to": (day + timedelta(hours=2)).isoformat(),
            "ids": "service",
            "interval": 0,
        }
        report = await door.get("/v1/reports", admin, query)
        total = dict(report["total"]["figures"])
        return total if total.get("surveys") and total.get("wrap_up_ms") is not None else None

    made = await eventually(figures)
    assert (made["offered"], made["answered"], made["handled"], made["csat"]) == (1, 1, 1, 1)
    assert made["asa_ms"] == assigned["data"]["waited_ms"]

    await customer.leave()
    await agent.leave()
    await asyncio.sleep(1)
    check_bus(await everything(stack.env["TRUNKLINE_KAFKA_BOOTSTRAP"]))


STEPS = (
    "visitor.page_viewed",
    "interaction.started",
    "session.started",
    "crm_context.context_prepared",
    "ivr.dialogue_started",
    "ivr.prompt_requested",
    "interaction.input_received",
    "ivr.dialogue_completed",
    "queue.contact_queued",
    "routing.contact_enqueued",
    "routing.agent_offered",
    "queue.offer_accepted",
    "routing.contact_assigned",
    "session.connected",
    "interaction.message_sent",
    "workflow.ticket_opened",
    "interaction.ended",
    "queue.contact_withdrawn",
    "routing.contact_released",
    "session.contact_closed",
    "session.survey_requested",
    "interaction.survey_submitted",
    "session.survey_answered",
    "queue.wrap_up_completed",
    "routing.contact_wrapped_up",
    "session.wrapped_up",
    "recording.recording_stored",
)


ONE_TELLER = {f"trunkline.{owner}" for owner in ("session", "routing", "ivr", "workflow")}


def check_bus(seen: list[Seen]) -> None:
    """Assert what any reader of the bus may rely on, for the journey of this test."""
    started = next(event for event in seen if event.name == "interaction.started")
    mine = [event for event in seen if event.correlation_id == started.correlation_id]
    by_id = {event.id: event for event in seen}
    missing = set(STEPS) - {event.name for event in mine}
    assert not missing, missing
    assert {event.tenant for event in mine} == {"demo"}
    assert all(event.key == event.subject for event in mine)

    twice = [event for event in seen if by_id[event.id] is not event]
    assert not twice, (
        f"told twice: {[(each.name, each.topic, each.partition, each.offset) for each in twice]}"
    )
    for event in mine:
        if event.causation_id in by_id:
            cause = by_id[event.causation_id]
            assert event.trace_id == cause.trace_id, (event.name, cause.name)

    # Whatever self-service, routing and the session did about the chat goes back to what the customer did.
    assigned = next(event for event in mine if event.name == "routing.contact_assigned")
    assert [event.name for event in chain(assigned, by_id)][-1] == "queue.offer_accepted"
    queued = next(event for event in mine if event.name == "queue.contact_queued")
    assert [event.name for event in chain(queued, by_id)] == [
        "queue.contact_queued",
        "ivr.dialogue_completed",
        "interaction.input_received",
    ]
    for key, numbers in sequences(mine):
        assert numbers == sorted(set(numbers)), key


def chain(event: Seen, by_id: dict[str, Seen]) -> Iterator[Seen]:
    """Yield an event and its causes, back to the first."""
    while True:
        yield event
        if event.causation_id not in by_id:
            return
        event = by_id[event.causation_id]


def sequences(seen: list[Seen]) -> Iterator[tuple[tuple[str, str], list[int]]]:
    """Yield the numbers of each key, where one aggregate is the only teller of a key, in the log's order."""
    found: dict[tuple[str, str], list[int]] = {}
    for event in seen:
        if event.sequence and event.topic in ONE_TELLER:
            found.setdefault((event.source, event.key), []).append(event.sequence)
    yield from found.items()
