"""Two real gateways side by side: what their clients see while these and the store fail."""

import asyncio
import json
import random
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import pytest_asyncio
import websockets

from deploy.dev.processes import LOOPBACK
from gateway.sockets.link import CLOSE_S
from gateway.tests.house import House, Screen
from gateway.tests.pair import Pair, Talker, Wanderer, command_store, read_all
from gateway.tests.test_real import assigned, contact, offered, on_the_bus, started, state, told
from libs import clock
from libs.events import agent, interaction, routing
from libs.events.base import AnyEvent
from tests.servers import broker_server, mongo_server

pytestmark = [pytest.mark.real, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

SEED = 20261124
SAID = 400
POOLS = 40
SLOW_AFTER_S = 1.5
PING_S = 3.0


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    folders: list[Path] = [tmp_path_factory.mktemp(name) for name in ("mongo", "two")]
    with mongo_server(folders[0]) as mongo, broker_server(folders[1]) as broker:
        house = House(
            folders[1], mongo.address, broker, gateway_slow_after_s=SLOW_AFTER_S, gateway_ping_s=PING_S
        )
        async with house.opened():
            both = Pair(house, mongo.address)
            try:
                await both.start(1)
                yield both
            finally:
                both.stop()


def said(interaction_id: str, number: int, text: str) -> AnyEvent:
    return told(
        interaction.MessageSent(
            interaction_id=interaction_id,
            message_id=f"{interaction_id}-{number}",
            author="customer",
            pii=interaction.MessagePii(text=text),
        )
    )


def estimated(interaction_id: str, number: int) -> AnyEvent:
    return told(
        routing.WaitEstimated(**contact(interaction_id), position=number, estimated_wait_ms=number * 1000)
    )


async def converse(pair: Pair, dice: random.Random) -> None:
    """Let a long conversation go on, of facts from several topics."""
    for number in range(1, SAID + 1):
        text = dice.choice(["好", "hm", "x" * 3000]) * dice.randint(1, 3)
        events = [said("long-1", number, text)]
        if dice.random() < 0.3:
            events.append(estimated("long-1", number))
        if dice.random() < 0.3:
            events.append(state("agent1", dice.choice(["ready", "busy", "not_ready"])))
        await pair.house.bus.publish(events)
        await asyncio.sleep(dice.uniform(0, 0.07))


async def trouble(pair: Pair) -> None:
    """Kill one gateway, take the store's primary, send the other gateway away."""
    await asyncio.sleep(2)
    await pair.kill(0, signal.SIGKILL)
    await asyncio.sleep(1.5)
    await pair.start(0)
    await command_store(pair.mongo_url, replSetStepDown=2, force=True)
    await asyncio.sleep(3)
    assert await pair.kill(1, signal.SIGTERM) == 0
    await asyncio.sleep(1)
    await pair.start(1)


async def test_a_client_that_comes_and_goes_sees_what_one_who_stays_sees(pair: Pair) -> None:
    dice = random.Random(SEED)
    adapter, agent = await pair.house.token("adapter1"), await pair.house.token("agent1")
    supervisor = await pair.house.token("supervisor1")
    paths = {
        "/v1/interactions/long-1/socket": adapter,
        "/v1/agent/socket": agent,
        "/v1/supervisor/socket": supervisor,
    }
    opening = [started("long-1"), offered("long-1", "agent1"), assigned("long-1", "agent1")]
    await pair.house.bus.publish(opening)
    wanderers = {
        path: [Wanderer(pair, path, token, random.Random(f"{SEED}/{path}/{number}")) for number in range(2)]
        for path, token in paths.items()
    }
    everybody = [each for some in wanderers.values() for each in some]
    is_enough = asyncio.Event()
    wandering = [asyncio.create_task(each.wander(is_enough)) for each in everybody]

    await asyncio.gather(converse(pair, dice), trouble(pair))
    await pair.house.bus.publish([said("long-1", SAID + 1, "the end"), state("agent1", "wrap_up")])

    def is_over(each: Wanderer) -> bool:
        return any(frame["data"].get("text") == "the end" for frame in each.frames) or any(
            frame["data"].get("state") == "wrap_up" for frame in each.frames
        )

    async with asyncio.timeout(60):
        while not all(map(is_over, everybody)):  # noqa: ASYNC110  (frames come over sockets)
            await asyncio.sleep(0.1)
    is_enough.set()
    await asyncio.gather(*wandering)

    for path, token in paths.items():
        longest = max(each.seen for each in wanderers[path])
        stayed = await read_all(pair, path, token, longest, place=0)
        for each in wanderers[path]:
            assert [frame["seq"] for frame in each.frames] == list(range(1, each.seen + 1))
            assert each.frames == stayed[: each.seen]
            assert each.gaps == []
            assert each.visits > 5
    of_contact = await read_all(
        pair,
        "/v1/interactions/long-1/socket",
        adapter,
        wanderers["/v1/interactions/long-1/socket"][0].seen,
        1,
    )
    messages = [frame["data"]["message_id"] for frame in of_contact if frame["type"] == "message"]
    assert messages == [f"long-1-{number}" for number in range(1, SAID + 2)]
    assert any((1012, "restarting") in each.goodbyes for each in everybody)


async def test_a_customer_who_comes_back_at_the_other_gateway_misses_nothing_and_says_nothing_twice(
    pair: Pair,
) -> None:
    dice, agents_words = random.Random(SEED + 1), 150
    visitor = (await pair.house.ask("POST", "/v1/visitors", json={"tenant": "demo"})).json()
    token, path = visitor["access_token"], "/v1/chat/socket?interaction_id=chat-2gw"
    async with pair.house.socket(path, token, pair.urls[0]) as chat:
        await chat.do("start", "start", entry_point="web-chat")
    customer = Talker(pair, path, token, dice)
    is_enough = asyncio.Event()
    wandering = asyncio.create_task(customer.wander(is_enough))

    async def the_agent_talks() -> None:
        for number in range(1, agents_words + 1):
            words = interaction.MessageSent(
                interaction_id="chat-2gw",
                message_id=f"agent-{number}",
                author="agent",
                agent_id="agent7",
                pii=interaction.MessagePii(text=f"line {number}"),
            )
            await pair.house.bus.publish([told(words)])
            await asyncio.sleep(dice.uniform(0, 0.12))

    async def the_gateways_go_down() -> None:
        await asyncio.sleep(2)
        await pair.kill(0, signal.SIGKILL)
        await asyncio.sleep(1)
        await pair.start(0)
        assert await pair.kill(1, signal.SIGTERM) == 0
        await pair.start(1)

    await asyncio.gather(the_agent_talks(), the_gateways_go_down())
    async with asyncio.timeout(60):
        while len(customer.said_by("agent")) < agents_words or customer.unanswered:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await pair.house.bus.publish([said("chat-2gw", 0, "the end")])
    async with asyncio.timeout(20):
        while "the end" not in customer.said_by("customer"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    is_enough.set()
    await wandering
    stayed = await read_all(pair, path, token, customer.seen, place=1)

    assert [frame["seq"] for frame in customer.frames] == list(range(1, customer.seen + 1))
    assert customer.frames == stayed
    assert customer.gaps == []
    assert customer.said_by("agent") == [f"line {number}" for number in range(1, agents_words + 1)]
    assert sorted(customer.said_by("customer")) == sorted([*customer.says, "the end"])
    assert len(customer.says) > 10
    assert customer.sent > len(customer.says)  # some words were said again, at another gateway


async def test_it_shows_both_screens_of_one_agent_everything_at_once(pair: Pair) -> None:
    token, contact_id = await pair.house.token("agent2"), "tabs-1"
    adapter = await pair.house.token("adapter1")
    async with (
        pair.house.socket("/v1/agent/socket", token, pair.urls[0]) as one,
        pair.house.socket("/v1/agent/socket", token, pair.urls[1]) as two,
        pair.house.socket(f"/v1/interactions/{contact_id}/socket", adapter, pair.urls[1]) as line,
    ):
        await one.sees("snapshot")
        await two.sees("snapshot")
        await pair.house.bus.publish([started(contact_id), offered(contact_id, "agent2")])
        pops = [await each.sees("screen_pop") for each in (one, two)]
        await pair.house.bus.publish([assigned(contact_id, "agent2")])
        for each in (one, two):
            await each.sees("assigned")
        for command_id, on in (("t-1", True), ("t-2", True), ("t-3", False)):
            await one.do("typing", command_id, interaction_id=contact_id, on=on)
        await line.sees("typing")
        await line.sees("typing")
        hops = [await hop(pair, number, one, two) for number in range(20)]

    assert pops[0] == pops[1]
    assert "seq" in pops[0]
    typed = [frame["data"] for frame in line.frames if frame["type"] == "typing"]
    assert [(frame["on"], frame["agent_id"]) for frame in typed] == [(True, "agent2"), (False, "agent2")]
    assert numbered_frames(one) == numbered_frames(two)
    assert sum(frame["type"] == "screen_pop" for frame in numbered_frames(one)) == 1
    assert sorted(hops)[10] < 1.0  # looking every now and then would take seconds


def numbered_frames(screen: Screen) -> list[dict[str, Any]]:
    return [frame for frame in screen.frames if "seq" in frame]


async def hop(pair: Pair, number: int, *screens: Screen) -> float:
    """Return how long after the first of two screens the other one sees a state."""
    await pair.house.bus.publish([state("agent2", "ready" if number % 2 else "busy")])

    async def seen(screen: Screen) -> float:
        await screen.sees("state")
        return monotonic()

    times = await asyncio.gather(*map(seen, screens))
    return max(times) - min(times)


async def test_it_loses_nothing_where_both_gateways_write_one_stream(pair: Pair) -> None:
    token, count = await pair.house.token("supervisor1"), 1500
    async with AsyncExitStack() as stack:
        boards = [
            await stack.enter_async_context(pair.house.socket("/v1/supervisor/socket", token, url))
            for url in pair.urls
        ]
        await boards[1].sees("hello")
        early = 0
        async with asyncio.timeout(60):
            while not all([await asyncio.to_thread(pair.folded, place) for place in (0, 1)]):
                await pair.house.bus.publish([busy_in(number) for number in range(POOLS)])
                early += POOLS
                await asyncio.sleep(0.5)
        first = (await boards[0].sees("hello"))["data"]["last_seq"] + early
        busy = [busy_in(number) for number in range(count)]
        for start in range(0, count, 25):
            await pair.house.bus.publish(busy[start : start + 25])
        for board in boards:
            while not board.numbers or board.numbers[-1] < first + count:
                await board.sees("agent_state")
            while not {event.id for event in busy} <= {frame["event_id"] for frame in numbered_frames(board)}:
                await board.sees("agent_state")  # a late one of another test came in between

    for board in boards:
        assert board.numbers == list(range(first - early + 1, board.numbers[-1] + 1))
        shown = [frame["event_id"] for frame in numbered_frames(board)]
        assert len(set(shown)) == len(shown) >= early + count


def busy_in(number: int) -> AnyEvent:
    """Return a state in one of many pools: they have partitions of their own, so both gateways fold some."""
    name, pool_id = f"agent{number % POOLS + 100}", f"pool-{number % POOLS}"
    return told(agent.StateEntered(agent_id=name, pool_id=pool_id, state="busy", since=clock.now()))


async def test_it_does_once_what_is_asked_again_at_another_gateway(pair: Pair) -> None:
    token, contact_id = await pair.house.token("agent3"), "acts-1"
    await pair.house.bus.publish([started(contact_id), assigned(contact_id, "agent3")])
    async with pair.house.socket("/v1/agent/socket?after=0", token, pair.urls[0]) as desk:
        await desk.sees("assigned")
        await desk.connection.send(
            json.dumps({"id": "end-1", "type": "end", "interaction_id": contact_id})
        )  # and is gone before the answer
        await desk.sees("ended")

    async with pair.house.socket("/v1/agent/socket?after=0", token, pair.urls[1]) as desk:
        again = await desk.do("end", "end-1", interaction_id=contact_id)
        other = await desk.do("end", "end-1", interaction_id=contact_id, reason="another")
        late = await desk.do("end", "end-2", interaction_id=contact_id)
    async with pair.house.socket("/v1/agent/socket?after=0", token, pair.urls[0]) as desk:
        once_more = await desk.do("end", "end-1", interaction_id=contact_id)
        await pair.house.bus.publish([state("agent3", "ready")])
        await desk.sees("state")

    assert (again["type"], again) == ("ack", once_more)
    assert other["code"] == "command_id_reused"
    assert late["code"] == "conversation_ended"
    assert sum(frame["type"] == "ended" for frame in desk.frames) == 1
    events = await on_the_bus(pair.house, "trunkline.interaction", {again["event_id"]})
    assert len({event.time for event in events}) == 1  # the same event, to the letter


async def test_it_closes_who_does_not_read_and_holds_up_nobody_else(pair: Pair) -> None:
    dice, token, path = (
        random.Random(SEED),
        await pair.house.token("adapter1"),
        "/v1/interactions/slow-1/socket",
    )
    events = [started("slow-1"), *(said("slow-1", n, random_text(dice)) for n in range(1, 201))]
    slow = Wanderer(pair, path, token, dice)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    sock.connect((LOOPBACK, pair.house.settings.gateway_port))
    how: dict[str, Any] = {"sock": sock, "compression": None, "max_queue": 1, "ping_interval": None}
    async with (
        pair.house.socket(f"{path}?after=0", token, **how) as sleeper,
        pair.house.socket(f"{path}?after=0", token) as quick,
    ):
        await pair.house.bus.publish(events)
        began = monotonic()
        while not quick.numbers or quick.numbers[-1] < len(events):
            await quick.sees("message")
        took_s = monotonic() - began
        await asyncio.sleep(SLOW_AFTER_S + CLOSE_S + 1)  # it wakes up when the goodbye is long sent

        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                slow.take(json.loads(await sleeper.connection.recv()))
        seen_before = slow.seen
        assert quick.connection.close_code is None
    async with asyncio.timeout(20):
        while slow.seen < len(events):
            with suppress(TimeoutError):
                await slow.read(pair.urls[1], 2)

    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1013, "too_slow")
    assert 0 < seen_before < len(events)
    assert took_s < 10 * SLOW_AFTER_S
    assert slow.gaps == []
    assert slow.frames == numbered_frames(quick)


def random_text(dice: random.Random) -> str:
    return "".join(dice.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=12_000))


async def test_it_lets_go_of_a_client_that_answers_no_ping(pair: Pair) -> None:
    token = await pair.house.token("agent4")
    reader, writer = await asyncio.open_connection(LOOPBACK, pair.house.settings.gateway_port)
    asked = (
        f"GET /v1/agent/socket HTTP/1.1\r\nHost: {LOOPBACK}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )
    writer.write(asked.encode())
    assert b"101" in await reader.readline()

    async with asyncio.timeout(3 * PING_S):
        while await reader.read(65_536):  # pings among others; nothing is answered
            pass

    writer.close()


async def test_it_opens_no_more_sockets_of_one_person_than_it_may(pair: Pair) -> None:
    token = await pair.house.token("agent5")
    async with AsyncExitStack() as stack:
        for _ in range(20):
            await stack.enter_async_context(pair.house.socket("/v1/agent/socket", token))

        with pytest.raises(websockets.InvalidStatus) as refused:
            await stack.enter_async_context(pair.house.socket("/v1/agent/socket", token))
        await stack.enter_async_context(
            pair.house.socket("/v1/agent/socket", await pair.house.token("agent6"))
        )

    assert refused.value.response.status_code == 429
    async with pair.house.socket("/v1/agent/socket", token) as desk:  # the others are gone
        await desk.sees("hello")
