"""What a reader does when the group does not say what it reads."""

import asyncio
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from libs import bus_reading, metrics
from libs.bus_reading import NotJoined, read

PLACE = TopicPartition("trunkline.session", 0)


class Group:
    """A consumer whose group does what the test says."""

    def __init__(self, terms: Collection[str]) -> None:
        self.terms = list(terms)
        self.listener: ConsumerRebalanceListener | None = None
        self.committed = {PLACE: OffsetAndMetadata(3, "")}
        self.sought: dict[TopicPartition, int] = {}
        self._coordinator = self

    async def fetch_committed_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, Any]:
        return {place: self.committed[place] for place in places}

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.sought[place] = offset

    async def seek_to_beginning(self, *places: TopicPartition) -> None:
        self.sought |= dict.fromkeys(places, 0)

    def subscribe(self, topics: list[str], listener: ConsumerRebalanceListener) -> None:
        self.listener = listener

    async def getmany(self, **limits: Any) -> dict[TopicPartition, list[Any]]:
        await asyncio.sleep(0.005)
        assert self.listener is not None
        match self.terms.pop(0) if self.terms else "":
            case "assigned":
                await self.listener.on_partitions_assigned({PLACE})
            case "assigned nothing":
                await self.listener.on_partitions_assigned(set())
            case "revoked":
                await self.listener.on_partitions_revoked({PLACE})
        return {}

    def assignment(self) -> set[TopicPartition]:
        return set()


class Waiting(Group):
    """The same, as the real client is: while the group is at no terms it waits, whatever time it is given."""

    async def getmany(self, **limits: Any) -> dict[TopicPartition, list[Any]]:
        await asyncio.Event().wait()
        return {}


class Behind(Group):
    """The same, with a partition of seven records of which three were read before it came."""

    _subscription = SimpleNamespace(
        subscription=SimpleNamespace(
            assignment=SimpleNamespace(state_value=lambda place: SimpleNamespace(position=3))
        )
    )

    def assignment(self) -> set[TopicPartition]:
        return {PLACE}

    def highwater(self, place: TopicPartition) -> int:
        return 7


async def reading(terms: Collection[str]) -> None:
    async def handle(rows: Any) -> None:
        raise AssertionError("nothing was there to read")

    async with asyncio.timeout(0.3):
        await read(Group(terms), ["trunkline.session"], handle, "g", 10, join_within_s=0.05)


@pytest.mark.parametrize("terms", [[], ["assigned", "revoked"]])
async def test_it_gives_up_where_the_group_comes_to_no_terms(terms: list[str]) -> None:
    with pytest.raises(NotJoined):
        await reading(terms)


async def test_it_gives_up_although_the_client_waits_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_reading, "LOOK_EVERY_S", 0.01)

    async def handle(rows: Any) -> None:
        raise AssertionError("nothing was there to read")

    with pytest.raises(NotJoined):
        async with asyncio.timeout(0.3):
            await read(Waiting([]), ["trunkline.session"], handle, "g", 10, join_within_s=0.05)


async def test_it_gives_up_at_once_where_the_leader_of_the_group_is_gone() -> None:
    async def handle(rows: Any) -> None:
        raise AssertionError("nothing was there to read")

    gone: Any = SimpleNamespace(absent="ghost")

    with pytest.raises(NotJoined):
        async with asyncio.timeout(0.3):
            await read(Group([]), ["trunkline.session"], handle, "g", 10, rounds=gone)


async def test_it_says_how_far_behind_it_is_before_it_has_read_anything() -> None:
    async def handle(rows: Any) -> None:
        raise AssertionError("nothing was there to read")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await read(Behind(["assigned"]), ["trunkline.session"], handle, "behind", 10)

    assert metrics.lag.labels("behind", PLACE.topic, PLACE.partition)._value.get() == 4


@pytest.mark.parametrize(("committed", "sought"), [(3, 3), (-1, 0)])
async def test_it_goes_to_where_the_group_has_come(committed: int, sought: int) -> None:
    group = Group(["assigned"])
    group.committed[PLACE] = OffsetAndMetadata(committed, "")

    async def handle(rows: Any) -> None:
        raise AssertionError("nothing was there to read")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await read(group, ["trunkline.session"], handle, "g", 10)

    assert group.sought == {PLACE: sought}


@pytest.mark.parametrize("terms", [["assigned"], ["assigned nothing"], ["assigned", "revoked", "assigned"]])
async def test_it_goes_on_where_the_group_has_told_it_what_to_read(terms: list[str]) -> None:
    with pytest.raises(TimeoutError):
        await reading(terms)
