"""A group that waits for a leader who is gone is found out, and he is made to leave."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRebalanceListener

from libs.bus_joining import ROUNDS, Rounds, dismiss

ME, GHOST = "me", "ghost"
REBALANCING = 27


def joined(leader: str = GHOST, generation: int = 5) -> SimpleNamespace:
    return SimpleNamespace(leader_id=leader, generation_id=generation, member_id=ME, error_code=0)


def synced(error: int = REBALANCING) -> SimpleNamespace:
    return SimpleNamespace(member_assignment=b"", error_code=error)


async def after(answers: Sequence[SimpleNamespace]) -> Rounds:
    """Return what is made of a coordinator's answers."""
    left = list(answers)

    async def send(request: object) -> SimpleNamespace:
        return left.pop(0)

    consumer: Any = SimpleNamespace(_coordinator=SimpleNamespace(_send_req=send))
    rounds = Rounds(consumer)
    for answer in answers:
        assert await consumer._coordinator._send_req(object()) is answer
    return rounds


async def test_it_knows_a_leader_who_is_named_again_and_again_and_never_shares_out() -> None:
    assert (await after([joined(), synced()] * ROUNDS)).absent == GHOST


@pytest.mark.parametrize(
    "answers",
    [
        [joined(), synced()] * (ROUNDS - 1),
        [each for generation in range(9) for each in (joined(generation=generation), synced())],
        [each for number in range(9) for each in (joined(leader=f"m{number % 2}"), synced())],
        [joined(leader=ME), synced()] * 9,
        [joined(), synced()] * (ROUNDS - 1) + [joined(), synced(0)],
        [SimpleNamespace(leader_id="", generation_id=-1, member_id=ME, error_code=79)] * 9,
    ],
    ids=["too few", "generations go on", "leaders change", "it leads itself", "it came to terms", "refused"],
)
async def test_it_takes_no_leader_for_gone_who_may_be_there(answers: list[SimpleNamespace]) -> None:
    assert (await after(answers)).absent == ""


class Member:
    """A consumer whose group comes to terms once it is its leader."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self._coordinator = SimpleNamespace(member_id="")

    async def start(self) -> None:
        self.did.append("started")

    def subscribe(self, topics: list[str], listener: ConsumerRebalanceListener) -> None:
        self.did.append(f"joined as {self._coordinator.member_id}")
        self._assigning = asyncio.ensure_future(listener.on_partitions_assigned(set()))

    async def stop(self) -> None:
        self.did.append("left")


async def test_it_takes_the_place_of_the_leader_and_leaves() -> None:
    member: Any = Member()

    await dismiss(lambda: member, ["trunkline.session"], GHOST)

    assert member.did == ["started", f"joined as {GHOST}", "left"]
