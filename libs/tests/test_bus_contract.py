"""What a bus promises, asked of the one in memory and of the one on a real broker alike."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import pytest

from libs import bus, clock, topics, wire
from libs.events import visitor
from libs.events.base import AnyEvent, Event
from libs.local import LocalBus
from libs.reading import Bus
from libs.settings import Settings

MakeBus = Callable[[], AbstractAsyncContextManager[Bus]]


def page(visitor_id: str, number: int) -> AnyEvent:
    data = visitor.PageViewed(visitor_id=visitor_id, url=f"/{number}")
    return Event(f"{visitor_id}-{number}", "acme", clock.now(), data, "j-1")


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.real)])
async def make_bus(request: pytest.FixtureRequest) -> MakeBus:
    if request.param == "memory":
        kept = LocalBus()

        @asynccontextmanager
        async def in_memory() -> AsyncIterator[Bus]:
            yield kept

        return in_memory
    settings = Settings(kafka_bootstrap=request.getfixturevalue("kafka_bootstrap"))
    await topics.create(settings)
    return lambda: bus.connect(settings, "/test")


@asynccontextmanager
async def reading(a_bus: Bus, group: str, *, patient: bool = False) -> AsyncIterator[list[AnyEvent]]:
    seen: list[AnyEvent] = []

    async def handle(events: Sequence[AnyEvent]) -> None:
        seen.extend(events)

    task = asyncio.create_task(
        a_bus.consume(
            group,
            [visitor.PageViewed],
            handle,
            keeps_dead_letters_of=["trunkline.visitor"],
            patient=patient,
        )
    )
    try:
        yield seen
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool], timeout_s: float = 15) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - the bus has no event for a test to wait on
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("patient", [False, True])
async def test_it_gives_what_was_published_in_order_by_key(make_bus: MakeBus, patient: bool) -> None:
    mine = uuid.uuid4().hex[:6]
    sent = [page(f"{mine}-{n % 3}", n) for n in range(300)]

    async with make_bus() as a_bus, reading(a_bus, f"g-{mine}", patient=patient) as seen:
        await a_bus.publish(sent)
        await until(lambda: sum(e.key.startswith(mine) for e in seen) >= 300)

    for key in (f"{mine}-0", f"{mine}-1", f"{mine}-2"):
        assert [e.id for e in seen if e.key == key] == [e.id for e in sent if e.key == key]


async def test_it_goes_on_where_it_committed(make_bus: MakeBus) -> None:
    mine = uuid.uuid4().hex[:6]
    async with make_bus() as a_bus:
        async with reading(a_bus, f"g-{mine}") as first:
            await a_bus.publish([page(mine, 1)])
            await until(lambda: any(e.id == f"{mine}-1" for e in first))

        await a_bus.publish([page(mine, 2)])
        async with reading(a_bus, f"g-{mine}") as second:
            await until(lambda: any(e.id == f"{mine}-2" for e in second), 30)

    assert [e.id for e in second] == [f"{mine}-2"]


async def test_it_sets_unreadable_records_aside_and_reads_on(make_bus: MakeBus) -> None:
    mine = uuid.uuid4().hex[:6]
    good = wire.encode(page(mine, 1))
    bad = [
        good._replace(value=b"{"),
        good._replace(headers=()),
        good._replace(
            headers=tuple(
                (n, b"trunkline.visitor.flown.v1" if n == "ce_type" else v) for n, v in good.headers
            )
        ),
    ]
    letters: list[wire.Record] = []

    async def keep(records: Sequence[wire.Record]) -> None:
        letters.extend(record for record in records if record.key == mine.encode())

    async with make_bus() as a_bus, reading(a_bus, f"g-{mine}") as seen:
        task = asyncio.create_task(a_bus.consume_records(f"d-{mine}", ["trunkline.visitor-dlq"], keep))
        await a_bus.publish_records([*bad, good])
        await until(lambda: any(e.id == f"{mine}-1" for e in seen) and len(letters) == 3)
        task.cancel()

    reasons = {dict(letter.headers)["dlq_reason"] for letter in letters}
    assert reasons == {b"bad_data", b"no_type", b"unknown_type"}
