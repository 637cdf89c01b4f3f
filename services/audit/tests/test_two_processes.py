"""Two processes of the audit share the partitions, and together say what one says."""

import asyncio
import random
from collections.abc import Callable, Sequence
from zlib import crc32

import pytest

from libs.events import interaction, routing, session
from libs.events.base import AnyEvent
from libs.wire import Record, encode
from services.audit.tests.making import Day, clean, external
from services.audit.tests.running import SETTLE_S, Audit
from services.audit.tests.test_verdict import (
    assigned_twice,
    closed_twice,
    lost_routing_fact,
    lost_session,
    miscounted,
    more_than_he_can_hold,
    not_counted,
    number_told_twice,
    shuffled,
)

LONG_S = 100_000
HISTORIES: list[Callable[[], Sequence[AnyEvent]]] = [
    lambda: clean().events,
    lambda: external().events,
    assigned_twice,
    closed_twice,
    lost_routing_fact,
    lost_session,
    miscounted,
    more_than_he_can_hold,
    not_counted,
    number_told_twice,
]


def halves(one: Audit, events: Sequence[AnyEvent]) -> list[list[Record]]:
    """Return the records of the even and of the odd partitions, in the order of the log."""
    parts: list[list[Record]] = [[], []]
    for event in events:
        number = crc32(f"{event.data.topic()}/{event.data.key}".encode()) % 2
        parts[number].append(one.placed(encode(event), number))
    return parts


async def share(one: Audit, events: Sequence[AnyEvent], dice: random.Random) -> None:
    """Let two processes read at once; in the middle the second dies with a batch that is not committed."""
    parts = halves(one, events)
    dies_at = dice.randrange(len(parts[1]) + 1)
    first, second = one.processes

    async def read(process: object, records: Sequence[Record]) -> None:
        at = 0
        while at < len(records):
            size = dice.randrange(1, 8)
            await process.handle(records[at : at + size])  # type: ignore[attr-defined]  # an Auditing
            at += size

    await asyncio.gather(read(first, parts[0]), read(second, parts[1][:dies_at]))
    again = max(0, dies_at - dice.randrange(8))
    await read(first, parts[1][again:])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("history", HISTORIES)
async def test_they_say_together_what_one_says(history: Callable[[], Sequence[AnyEvent]], seed: int) -> None:
    dice = random.Random(seed)
    events = shuffled(history(), seed)
    alone, both = Audit(), Audit(count=2, dice=dice)

    await alone.hear(events)
    await alone.pass_time(LONG_S)
    await share(both, events, dice)
    await both.pass_time(LONG_S)

    assert sorted(both.told()) == sorted(alone.told())
    assert both.ledger() == alone.ledger()
    assert counted(both) == counted(alone) == len(events)


def counted(one: Audit) -> int:
    """Return how many events all partitions add up to."""
    return sum(each.events for each in one.states("partitions").values())


async def test_both_have_a_share_of_the_work() -> None:
    both = Audit(count=2)
    parts = halves(both, clean().events)
    handled = [[], []]  # type: list[list[Record]]

    for process, records, seen in zip(both.processes, parts, handled, strict=True):
        await process.handle(records)
        seen.extend(records)

    assert all(handled)
    assert both.ledger().opened == 4


async def test_the_idle_one_calls_nothing_missing_while_the_other_is_behind() -> None:
    both = Audit(count=2)
    idle, busy = both.processes
    day = Day().agent().begins("c-1").queues("c-1").serves("c-1").withdraws("c-1").released("c-1")
    await idle.handle([both.placed(encode(event)) for event in day.events])
    noise = [both.placed(encode(event), 1) for event in external().events * 40]
    both.now_s = 130

    await busy.handle(noise)
    await both.tick(busy)
    await both.tick(idle)
    early = [each for each in both.told() if each[2] == "c-1" and each[1] == "I1"]
    await both.pass_time(SETTLE_S)

    assert early == []
    assert ("found", "I1", "c-1") in [each[:3] for each in both.told()]


async def test_the_one_learns_from_the_other_that_the_topics_were_cut() -> None:
    both = Audit(count=2)
    one, other = both.processes
    events = clean().events
    of_routing = [each for each in events if isinstance(each.data, routing.ContactReleased)]
    of_session = [each for each in events if isinstance(each.data, session.ContactClosed)]
    both.offsets = {("trunkline.interaction", 1): 40}

    await one.handle([both.placed(encode(each)) for each in (*of_routing, *of_session)])
    cut = Day().tell(interaction.Ended(interaction_id="c-9", by="customer"))
    await other.handle([both.placed(encode(cut), 1)])
    await both.tick(other)
    await both.pass_time(LONG_S)

    assert [each for each in both.told() if each[1] == "I1"] == []
