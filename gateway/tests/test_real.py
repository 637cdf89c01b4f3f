"""The real gateway under uvicorn, with a real broker and a real database."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
import websockets

from gateway.tests.house import House
from gateway.tests.test_cloudevents import PAGE, document
from gateway.tests.test_ingest import BATCH, BINARY, STRUCTURED
from libs import clock, wire
from libs.events import agent, interaction, queue, routing
from libs.events.base import AnyEvent, Event, Fact
from libs.wire import Record
from tests.servers import broker_server

pytestmark = [pytest.mark.real, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]
NUMBERS = iter(range(1, 100_000))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house(folder: Path, mongo_url: str) -> AsyncIterator[House]:
    with broker_server(folder) as broker:
        async with House(folder, mongo_url, broker).opened() as opened:
            yield opened


def told(data: Fact, tenant: str = "demo") -> AnyEvent:
    return Event(f"real-{next(NUMBERS)}", tenant, clock.now(), data, "jo-1", source="/test")


def contact(interaction_id: str) -> dict[str, Any]:
    return {
        "session_id": f"se-{interaction_id}",
        "contact_id": interaction_id,
        "pool_id": "main",
        "queue_id": "service",
        "channel": "chat",
    }


def started(interaction_id: str, visitor_id: str = "v-1") -> AnyEvent:
    return told(
        interaction.Started(
            interaction_id=interaction_id, channel="chat", entry_point="web-chat", visitor_id=visitor_id
        )
    )


def offered(interaction_id: str, agent_id: str) -> AnyEvent:
    expires_at = clock.now() + timedelta(seconds=15)
    return told(
        routing.AgentOffered(
            **contact(interaction_id),
            offer_id=f"of-{interaction_id}",
            agent_id=agent_id,
            waited_ms=7,
            expires_at=expires_at,
        )
    )


def assigned(interaction_id: str, agent_id: str) -> AnyEvent:
    offer_id = f"of-{interaction_id}"
    return told(
        routing.ContactAssigned(**contact(interaction_id), offer_id=offer_id, agent_id=agent_id, waited_ms=9)
    )


def state(agent_id: str, name: Any) -> AnyEvent:
    return told(agent.StateEntered(agent_id=agent_id, pool_id="main", state=name, since=clock.now()))


async def on_the_bus(house: House, topic: str, event_ids: set[str]) -> list[AnyEvent]:
    """Return the events of a topic with these ids, once all are there."""
    found: list[AnyEvent] = []
    complete = asyncio.Event()

    async def keep(records: Sequence[Record]) -> None:
        events = [wire.decode(record.headers, record.value) for record in records]
        found.extend(event for event in events if event.id in event_ids)
        if event_ids <= {event.id for event in found}:
            complete.set()

    reading = asyncio.create_task(house.bus.consume_records(f"test-{uuid4().hex}", [topic], keep))
    try:
        async with asyncio.timeout(20):
            await complete.wait()
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    return found


async def test_it_writes_events_to_the_bus_before_it_says_so(house: House) -> None:
    token = await house.token("adapter1")

    single = await house.ask(
        "POST", "/v1/events", token, headers=STRUCTURED, content=json.dumps(document(id="single"))
    )
    binary = await house.ask(
        "POST", "/v1/events", token, headers={**BINARY, "ce-id": "binary"}, content=json.dumps(PAGE)
    )
    many = [document(id=f"many-{n}") for n in range(500)]
    batch = await house.ask("POST", "/v1/events", token, headers=BATCH, content=json.dumps(many))

    assert [answer.status_code for answer in (single, binary, batch)] == [202, 202, 202]
    ids = {"single", "binary", *(each["id"] for each in many)}
    events = await on_the_bus(house, "trunkline.visitor", ids)
    assert len(events) == len(ids)
    assert {event.tenant for event in events} == {"demo"}


async def test_it_refuses_a_body_too_large_and_goes_on(house: House) -> None:
    token = await house.token("adapter1")
    large = b"[" + b" " * 2_000_000 + b"]"

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 65_536):
            yield large[start : start + 65_536]

    announced = await house.ask("POST", "/v1/events", token, headers=BATCH, content=large)
    chunked = await house.ask("POST", "/v1/events", token, headers=BATCH, content=chunks())
    after = await house.ask("GET", "/v1/me", token)

    assert [each.status_code for each in (announced, chunked, after)] == [413, 413, 200]


async def test_it_gives_the_answer_of_the_first_time_to_a_post_with_a_key(house: House) -> None:
    token, body = await house.token("agent1"), {"type": "question"}
    headers = {"idempotency-key": "click-1"}

    first, again = [
        await house.ask("POST", "/v1/tickets", token, headers=headers, json=body) for _ in range(2)
    ]
    other = await house.ask("POST", "/v1/tickets", token, headers=headers, json={"type": "fault"})
    bad = await house.ask("POST", "/v1/tickets", token, headers={"idempotency-key": "a b"}, json=body)
    someone = await house.ask("POST", "/v1/tickets", await house.token("agent2"), headers=headers, json=body)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert bad.status_code == 422
    assert someone.json()["ticket_id"] != first.json()["ticket_id"]
    assert len(house.workflow.request_ids) == 2


async def test_it_does_a_thing_once_however_often_it_is_asked_at_the_same_time(house: House) -> None:
    token, headers = await house.token("agent1"), {"idempotency-key": "storm"}
    before = len(house.workflow.request_ids)

    storm = [
        house.ask("POST", "/v1/tickets", token, headers=headers, json={"type": "question"}) for _ in range(8)
    ]
    answers = await asyncio.gather(*storm)

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len(house.workflow.request_ids) == before + 1


async def test_it_shows_one_tenant_nothing_of_another(house: House) -> None:
    mine, theirs = await house.token("agent1"), await house.token("acme-agent1")
    await house.bus.publish([started("secret-1"), offered("secret-1", "agent1")])

    adapter = await house.token("acme-adapter1")
    async with house.socket("/v1/interactions/secret-1/socket", adapter) as spy:
        assert await spy.sees_nothing(1.0)
    found = await house.ask("GET", "/v1/customers/cu-1", mine)
    foreign = await house.ask("GET", "/v1/customers/cu-1", theirs)

    assert (found.status_code, found.headers["etag"]) == (200, '"3"')
    assert (foreign.status_code, foreign.json()["code"]) == (404, "customer_not_found")


async def test_it_says_that_a_service_is_away(house: House) -> None:
    answer = await house.ask("GET", "/v1/sessions/se-1", await house.token("agent1"))

    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert answer.headers["content-type"] == "application/problem+json"


async def test_it_rings_the_agent_and_shows_him_who_it_is(house: House) -> None:
    token, contact_id = await house.token("agent3"), "ring-1"
    async with house.socket("/v1/agent/socket?from=now", token) as desk:
        await desk.sees("snapshot")
        await house.bus.publish([started(contact_id), offered(contact_id, "agent3")])

        offer = await desk.sees("offer")
        pop = await desk.sees("screen_pop")
        taken = await desk.do("accept", "take-1", offer_id=offer["data"]["offer_id"])
        again = await desk.do("accept", "take-1", offer_id=offer["data"]["offer_id"])

    assert offer["event_type"] == "trunkline.routing.agent_offered.v1"
    assert (offer["data"]["interaction_id"], offer["data"]["waited_ms"]) == (contact_id, 7)
    assert pop["data"]["customer"]["name"] == "王芳"
    assert pop["event_id"] == offer["event_id"]
    assert taken == again
    (event,) = await on_the_bus(house, "trunkline.queue", {taken["event_id"]})
    assert isinstance(event.data, queue.OfferAccepted)
    assert (event.data.agent_id, event.data.contact_id, event.journey_id) == (
        "agent3",
        contact_id,
        "jo-1",
    )


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"type": "message", "interaction_id": "theirs-1", "text": "hello"}, "not_your_contact"),
    ({"type": "end", "interaction_id": "theirs-1"}, "not_your_contact"),
    ({"type": "wrap_up", "interaction_id": "theirs-1"}, "not_your_contact"),
    ({"type": "transfer", "interaction_id": "theirs-1", "to_queue_id": "vip"}, "not_your_contact"),
    ({"type": "accept", "offer_id": "of-theirs-1"}, "not_your_offer"),
    ({"type": "accept", "offer_id": "never-made"}, "offer_not_found"),
    ({"type": "message", "interaction_id": "nobody's", "text": "hello"}, "invalid_request"),
    ({"type": "message", "interaction_id": "unknown", "text": "hello"}, "contact_not_found"),
    ({"type": "message", "interaction_id": "theirs-1"}, "invalid_request"),
    ({"type": "accept", "offer_id": {"$ne": ""}}, "invalid_request"),
    ({"type": "shout"}, "invalid_request"),
    ({}, "invalid_request"),
]


async def test_it_refuses_what_an_agent_may_not_do_and_keeps_the_socket(house: House) -> None:
    token = await house.token("agent5")
    theirs = [started("theirs-1"), offered("theirs-1", "agent4"), assigned("theirs-1", "agent4")]
    await house.bus.publish(theirs)
    async with house.socket("/v1/agent/socket?after=0", await house.token("agent4")) as owner:
        await owner.sees("assigned")
    async with house.socket("/v1/agent/socket", token) as desk:
        answers = [
            await desk.do(command.get("type", ""), f"try-{n}", **{**command, "id": f"try-{n}"})
            for n, (command, _) in enumerate(REFUSED)
        ]
        await desk.connection.send("no JSON")
        unreadable = await desk.sees("refused")

    assert [answer["code"] for answer in answers] == [code for _, code in REFUSED]
    assert all(answer["type"] == "refused" for answer in answers)
    assert unreadable["id"] is None


async def test_it_gives_a_screen_that_comes_back_what_it_missed(house: House) -> None:
    token = await house.token("agent6")
    async with house.socket("/v1/agent/socket?from=now", token) as desk:
        await house.bus.publish([state("agent6", "not_ready")])
        seen = (await desk.sees("state"))["seq"]

    missed: list[Any] = ["ready", "busy", "wrap_up"]
    await house.bus.publish([state("agent6", name) for name in missed])
    async with house.socket(f"/v1/agent/socket?after={seen}", token) as desk:
        states = [(await desk.sees("state"))["data"]["state"] for _ in missed]

        assert states == missed
        assert desk.numbers == [seen + 1, seen + 2, seen + 3]


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
async def test_it_forgets_nothing_when_it_is_started_again(house: House, signum: signal.Signals) -> None:
    agent_id = "agent7" if signum is signal.SIGKILL else "agent8"
    token = await house.token(agent_id)
    async with house.socket("/v1/agent/socket?from=now", token) as desk:
        await house.bus.publish([state(agent_id, "ready")])
        seen = (await desk.sees("state"))["seq"]

        code = await asyncio.gather(
            house.restart_gateway(signum), house.bus.publish([state(agent_id, "busy")])
        )

    # The old token is still good: the issuer's key outlives the process.
    async with house.socket(f"/v1/agent/socket?after={seen}", token) as desk:
        await house.bus.publish([state(agent_id, "wrap_up")])
        states = [(await desk.sees("state"))["data"]["state"] for _ in range(2)]

        assert states == ["busy", "wrap_up"]
        assert desk.numbers == [seen + 1, seen + 2]
    assert code[0] == (-signal.SIGKILL if signum is signal.SIGKILL else 0)


async def visitor(house: House) -> tuple[str, str]:
    made = (await house.ask("POST", "/v1/visitors", json={"tenant": "demo"})).json()
    return made["visitor_id"], made["access_token"]


async def test_it_takes_a_customer_through_his_chat_and_back(house: House) -> None:
    visitor_id, token = await visitor(house)
    path = "/v1/chat/socket?interaction_id=chat-1"
    async with house.socket(path, token) as chat:
        early = await chat.do("message", "m-0", text="anybody?")
        start = await chat.do("start", "s-1", entry_point="web-chat", language="zh-CN")
        begun = await chat.sees("started")
        said = await chat.do("message", "m-1", text="我的卡丢了")
        seen = (await chat.sees("message"))["seq"]

    await house.bus.publish([assigned("chat-1", "agent9")])
    async with house.socket(f"{path}&after={seen}", token) as chat:
        joined = await chat.sees("agent_joined")
        left = await chat.do("end", "e-1")
        await chat.sees("ended")
        late = await chat.do("message", "m-2", text="one more thing")

    assert early["code"] == "not_started"
    assert (start["type"], said["type"], left["type"]) == ("ack", "ack", "ack")
    assert begun["data"]["visitor_id"] == visitor_id
    assert joined["data"]["agent_id"] == "agent9"
    assert late["code"] == "conversation_ended"
    async with house.socket("/v1/agent/socket?after=0", await house.token("agent9")) as desk:
        told_agent = await desk.sees("assigned")
        lines = [line["text"] for line in told_agent["data"]["conversation"]["lines"]]
        assert lines == ["我的卡丢了"]


async def test_it_lets_nobody_into_the_chat_of_another(house: House) -> None:
    _, token = await visitor(house)
    _, thief = await visitor(house)
    path = "/v1/chat/socket?interaction_id=chat-private"
    async with house.socket(path, thief) as waiting, house.socket(path, token) as chat:
        await chat.do("start", "s-1", entry_point="web-chat")
        await chat.sees("started")

        with pytest.raises(websockets.ConnectionClosed) as closed:
            await waiting.sees("started", within_s=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403

    with pytest.raises(websockets.InvalidStatus) as turned_away:
        async with house.socket(path, thief):
            pass
    assert turned_away.value.response.status_code == 403


@pytest.mark.parametrize(
    ("path", "user"),
    [
        ("/v1/agent/socket", "adapter1"),
        ("/v1/supervisor/socket", "agent1"),
        ("/v1/chat/socket", "agent1"),
        ("/v1/interactions/x/socket", "customer1"),
    ],
)
async def test_it_opens_no_socket_for_the_wrong_role_or_a_bad_token(
    house: House, path: str, user: str
) -> None:
    for token, status in ((await house.token(user), 403), ("a.b.c", 401)):
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with house.socket(path, token):
                pass
        assert refused.value.response.status_code == status


async def test_it_takes_the_token_where_a_browser_can_put_it_and_logs_it_nowhere(house: House) -> None:
    token = await house.token("agent10")

    async with house.socket(f"/v1/agent/socket?access_token={token}", "", additional_headers={}) as desk:
        await desk.sees("hello")
    subprotocols = [websockets.Subprotocol("bearer"), websockets.Subprotocol(token)]
    async with house.socket("/v1/agent/socket", "", additional_headers={}, subprotocols=subprotocols) as desk:
        await desk.sees("hello")
        assert desk.connection.subprotocol == "bearer"

    assert token not in house.gateway.log.read_text()


async def test_it_closes_a_socket_that_sends_too_large_a_frame(house: House) -> None:
    async with house.socket("/v1/agent/socket", await house.token("agent1")) as desk:
        await desk.connection.send("x" * 100_000)

        with pytest.raises(websockets.ConnectionClosed):
            await desk.sees("never", within_s=10)


async def test_it_shows_supervisors_what_happens_in_their_tenant(house: House) -> None:
    token, theirs = await house.token("supervisor1"), await house.token("acme-supervisor1")
    async with (
        house.socket("/v1/supervisor/socket", token) as board,
        house.socket("/v1/supervisor/socket", theirs) as other,
    ):
        await board.sees("hello")
        await other.sees("hello")
        await house.bus.publish([state("agent11", "ready"), assigned("seen-1", "agent11")])

        shown = await board.has("agent_state")
        event = await board.has("contact")
        assert (shown["data"]["agent_id"], shown["data"]["state"]) == ("agent11", "ready")
        assert (event["data"]["what"], event["data"]["interaction_id"]) == ("assigned", "seen-1")
        assert await other.sees_nothing()


async def test_it_never_acknowledges_what_it_could_not_write(house: House) -> None:
    """Comes last: the broker of this house dies."""
    token = await house.token("adapter1")
    await asyncio.to_thread(house.broker.kill)

    down = await house.ask(
        "POST", "/v1/events", token, headers=STRUCTURED, content=json.dumps(document(id="lost"))
    )
    await house.restart_broker()

    async def up() -> bool:
        answer = await house.ask(
            "POST", "/v1/events", token, headers=STRUCTURED, content=json.dumps(document(id="kept"))
        )
        return answer.status_code == 202

    async with asyncio.timeout(60):
        while not await up():  # noqa: ASYNC110  (the answer comes over HTTP)
            await asyncio.sleep(0.5)
    assert (down.status_code, down.json()["code"]) == (503, "bus_unreachable")
    assert int(down.headers["retry-after"]) >= 1
    assert await on_the_bus(house, "trunkline.visitor", {"kept"})
