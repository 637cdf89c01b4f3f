"""The bounds of sockets: what may wait for one, how many there may be, how much one write takes."""

import asyncio

import pytest

from gateway import doors
from gateway.conversation import MOST_CHARACTERS as MOST_OF_CONVERSATION
from gateway.doors import SocketDoors
from gateway.feed import HEAVIEST, portions, weight_of_fact, weight_of_frame
from gateway.frames import agent_stream, frame
from gateway.settings import GatewaySettings
from gateway.sockets.outbox import MOST_CHARACTERS, MOST_FRAMES, Outbox, Overfull
from gateway.tests.making import event, principal
from gateway.tests.test_folding import ASSIGNED, STARTED, said
from libs.errors import Exhausted, Unavailable
from libs.stored import Key

SETTINGS = GatewaySettings(gateway_sockets_of_one=2, gateway_sockets_of_tenant=3)


def test_it_lets_so_many_answers_wait_and_no_more() -> None:
    outbox = Outbox()
    for _ in range(MOST_FRAMES):
        outbox.put("{}")

    with pytest.raises(Overfull):
        outbox.put("{}")


async def test_it_lets_so_much_wait_and_no_more_until_something_has_left() -> None:
    outbox = Outbox()
    outbox.put("x" * (MOST_CHARACTERS + 1))

    with pytest.raises(Overfull):
        outbox.put("{}")
    async with outbox.next():
        pass
    outbox.put("{}")


async def test_it_is_empty_only_when_the_last_answer_has_left() -> None:
    outbox = Outbox()
    outbox.put("{}")
    waiting = asyncio.create_task(outbox.is_empty())

    async with outbox.next():
        await asyncio.sleep(0)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 1)


def test_it_counts_the_sockets_of_a_person_until_they_are_closed() -> None:
    entrance, ana = SocketDoors(SETTINGS), principal("agent")
    with entrance.entered(ana), entrance.entered(ana):
        with pytest.raises(Exhausted):
            entrance.check(ana)
        entrance.check(principal("agent", subject="ben"))
        entrance.check(principal("agent", tenant="acme"))

    entrance.check(ana)


def test_it_counts_adapters_by_their_tenant_only() -> None:
    entrance, adapter = SocketDoors(SETTINGS), principal("adapter")
    with entrance.entered(adapter), entrance.entered(adapter):
        entrance.check(adapter)
        with entrance.entered(adapter), pytest.raises(Exhausted):
            entrance.check(adapter)


async def test_it_lets_nobody_in_while_it_waits_for_all_to_leave() -> None:
    entrance, ana = SocketDoors(SETTINGS), principal("agent")
    with entrance.entered(ana):
        leaving = asyncio.create_task(entrance.leave())
        await asyncio.wait_for(entrance.leaving.wait(), 1)

        assert not leaving.done()
        with pytest.raises(Unavailable):
            entrance.check(principal("agent", subject="ben"))
    await asyncio.wait_for(leaving, 1)


async def test_it_does_not_wait_for_ever_for_who_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "LEAVE_WITHIN_S", 0.01)
    entrance = SocketDoors(SETTINGS)
    with entrance.entered(principal("agent")):
        await asyncio.wait_for(entrance.leave(), 1)


def test_it_writes_no_more_of_one_conversation_at_once_than_a_document_holds() -> None:
    long = said("x" * 16_000)
    facts = [event(fact, number=n) for n, fact in enumerate([STARTED, *[long] * 100, ASSIGNED, ASSIGNED])]
    pairs = [(Key("demo", f"in-{n % 2}"), fact) for n, fact in enumerate(facts)]

    some = list(portions(pairs, weight_of_fact))

    assert [pair for portion in some for pair in portion] == pairs
    assert len(some) > 1
    for portion in some:
        for name in ("in-0", "in-1"):
            assert sum(weight_of_fact(fact) for key, fact in portion if key.id == name) <= HEAVIEST


def test_it_weighs_frames_by_what_they_say() -> None:
    stream, cause = agent_stream("ana"), event(STARTED)
    spoken = event(frame(stream, "message", cause, {"text": "x" * 9000}))
    whole = event(frame(stream, "assigned", cause, {"conversation": {}}))

    assert (weight_of_frame(spoken), weight_of_frame(whole)) == (11_000, MOST_OF_CONVERSATION)


def test_it_takes_what_is_light_in_one_portion() -> None:
    pairs = [(Key("demo", "in-1"), event(said("hm"), number=number)) for number in range(200)]

    assert [len(portion) for portion in portions(pairs, weight_of_fact)] == [200]
