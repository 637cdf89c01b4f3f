"""The audit on a bus in memory: what it says as facts arrive, come again, come late or do not come."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from libs.events import audit, interaction, routing
from libs.local import LocalBus
from libs.reading import dead_letter
from libs.wire import Record, Unreadable, encode
from services.audit.tests.making import NINE, Day, about, at, clean, external
from services.audit.tests.running import Audit
from services.audit.tests.test_verdict import assigned_twice, closed_twice, more_than_he_can_hold, shuffled


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("day", [clean, external])
async def test_it_accounts_for_every_contact_in_any_order_of_topics(day: Any, seed: int) -> None:
    one = Audit()

    await one.hear(shuffled(day().events, seed))
    await one.pass_time(100_000)

    assert one.told() == []
    ledger = one.ledger()
    assert (ledger.opened, ledger.open, ledger.overdue) == (4 if day is clean else 2, 0, 0)
    assert sum(ledger.closed.values()) == ledger.opened


async def test_it_changes_nothing_when_all_topics_are_played_again() -> None:
    one = Audit()
    await one.hear(clean().events)
    await one.pass_time(100_000)
    before = (one.ledger(), one.bus.told("trunkline.audit"))

    await one.hear(clean().events)
    await one.pass_time(100_000)

    assert (one.ledger(), one.bus.told("trunkline.audit")) == before


async def test_it_tells_how_the_ledger_stands() -> None:
    one = Audit()

    await one.hear(clean().events)
    await one.pass_time(60)

    (told,) = [each.data for each in one.bus.told("trunkline.audit")]
    assert isinstance(told, audit.LedgerChecked)
    assert (told.opened, told.open, told.closed) == (
        4,
        0,
        {"abandoned_in_queue": 1, "handled": 2, "self_served": 1},
    )


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (assigned_twice, ("found", "I2", "c-1", "assigned to ben while ana holds it")),
        (closed_twice, ("found", "I1", "c-1", "closed as failed after it was closed as handled")),
        (more_than_he_can_hold, ("found", "I2", "ana", "holds 2 x chat, can hold 1")),
    ],
)
async def test_it_names_a_breach_at_once(wrong: Any, expected: tuple[str, ...]) -> None:
    one = Audit()

    await one.hear(wrong())

    assert expected in one.told()
    assert one.ledger().breaches[expected[1]] >= 1


async def test_it_calls_a_contact_overdue_when_its_limit_has_passed_and_takes_it_back_when_it_closes() -> (
    None
):
    one = Audit()
    day = Day().agent().begins("c-1").queues("c-1").serves("c-1").withdraws("c-1").released("c-1")
    what = "routing released it and its session did not close it"

    await one.hear(day.events)
    await one.pass_time(119)
    early = one.told()
    await one.pass_time(1)
    late, overdue = one.told(), one.ledger().overdue
    day.events.clear()
    await one.hear(day.closes("c-1").events)

    assert early == []
    assert (late, overdue) == ([("found", "I1", "c-1", what)], 1)
    assert one.told() == [("found", "I1", "c-1", what), ("mended", "I1", "c-1", what)]
    assert (one.ledger().overdue, one.ledger().breaches) == (0, {})


async def test_it_waits_a_day_for_an_open_contact() -> None:
    one = Audit()

    await one.hear(Day().agent().begins("c-1").queues("c-1").serves("c-1").events)
    await one.pass_time(86_400)
    early = [each for each in one.told() if each[1] == "I1"]
    await one.pass_time(3_600)

    assert early == []
    late = [each for each in one.told() if each[1] == "I1"]
    assert late == [("found", "I1", "c-1", "it has not reached a terminal state")]


async def test_it_finds_a_gap_and_mends_it() -> None:
    one = Audit()
    events = clean().events
    lost = next(each for each in events if isinstance(each.data, routing.AgentOffered))

    await one.hear([each for each in events if each is not lost])
    await one.pass_time(60)
    found = [each for each in one.told() if each[1] == "I4"]
    await one.hear([lost])

    assert found == [("found", "I4", "pool main", "number 4 never came")]
    assert one.told()[-1][0] == "mended"
    assert one.ledger().breaches == {}


async def test_it_judges_the_floor_again_after_a_gap() -> None:
    one = Audit()
    day = Day().agent("ana", chat=1).begins("c-1").queues("c-1").serves("c-1").withdraws("c-1")
    day.released("c-1").closes("c-1").begins("c-2").queues("c-2").serves("c-2")
    lost = next(each for each in day.events if isinstance(each.data, routing.ContactReleased))

    await one.hear([each for each in day.events if each is not lost])
    await one.pass_time(60)

    assert [each for each in one.told() if each[1] == "I2"] == []


async def test_it_compares_figures_with_what_analytics_says_last() -> None:
    one = Audit()
    day = Day().agent().handled("c-1").counted(revision=1, offered=1)
    subject, what = "service@20260302T0900", "analytics says answered 0 instead of 1"

    await one.hear(day.events)
    await one.pass_time(2000)
    found = one.told()
    day.events.clear()
    await one.hear(day.counted(revision=2, offered=1, answered=1).events)
    await one.pass_time(2000)

    assert found == [("found", "I6", subject, what)]
    assert one.told()[1:] == [("mended", "I6", subject, what)]


async def test_it_asks_for_figures_that_analytics_does_not_tell() -> None:
    one = Audit()

    await one.hear(Day().agent().handled("c-1").events)
    await one.pass_time(900 + 60 + 120)

    assert one.told() == [("found", "I6", "service@20260302T0900", "analytics told no figures of it")]


def unreadable() -> Record:
    event = Day().tell(interaction.Ended(interaction_id="c-1", by="customer"))
    return encode(event)._replace(value=b'{"by": 1}')


async def test_it_wants_a_dead_letter_for_what_cannot_be_read() -> None:
    one = Audit()
    subject, what = "trunkline.interaction-0@0", "a record that cannot be read was not set aside"

    (record,) = await one.read([unreadable()])
    await one.pass_time(120)
    found = one.told()
    await one.read([dead_letter(record, Unreadable("bad_data"), "session")])

    assert found == [("found", "I12", subject, what)]
    assert one.told() == [("found", "I12", subject, what), ("mended", "I12", subject, what)]
    part = one.part("trunkline.interaction")
    assert (part.read, part.events, part.unreadable, part.letters) == (1, 0, 1, 1)


async def test_it_takes_a_dead_letter_that_comes_before_its_record_and_one_without_a_place() -> None:
    one = Audit()
    record = unreadable()._replace(partition=0, offset=0)
    aside = dead_letter(encode(clean().events[3]), Unreadable("unknown_interaction"), "session")

    await one.read([dead_letter(record, Unreadable("bad_data"), "session"), aside])
    await one.read([unreadable()])
    await one.pass_time(1000)

    assert one.told() == []
    assert one.part("trunkline.interaction").letters == 1
    assert one.part(aside.topic.removesuffix("-dlq")).set_aside == 1


async def test_it_wants_a_reason_with_every_dead_letter() -> None:
    one = Audit()
    letter = dead_letter(unreadable()._replace(partition=0, offset=0), Unreadable(""), "session")

    await one.read([letter])

    assert [(each[1], each[3]) for each in one.told()] == [("I12", "a dead letter without a reason")]


async def test_it_counts_a_record_once_however_batches_are_cut() -> None:
    one = Audit()
    records = [one.placed(encode(event)) for event in clean().events]

    await one.auditing.handle(records)
    await one.auditing.handle(records[3:])
    await one.auditing.handle(records[:9])

    read = sum(each.read for each in one.states("partitions").values())
    events = sum(each.events for each in one.states("partitions").values())
    assert read == events == len(records)


async def test_it_judges_nothing_that_began_before_the_topics_do() -> None:
    one = Audit(now_s=30)
    day = clean()
    cut = [each for each in day.events if each.time >= NINE + timedelta(seconds=8)]
    one.offsets = {("trunkline.routing", 0): 5, ("trunkline.session", 0): 2, ("trunkline.interaction", 0): 1}

    await one.hear(cut)
    await one.pass_time(100_000)

    assert one.told() == []


async def test_it_judges_what_begins_after_the_topics_do() -> None:
    one = Audit(now_s=-100)
    one.offsets = {("trunkline.routing", 0): 5}

    await one.hear(closed_twice())

    assert ("found", "I1", "c-1", "closed as failed after it was closed as handled") in one.told()


async def test_it_calls_nothing_missing_while_it_has_not_kept_up() -> None:
    one = Audit()
    events = clean().events * 12

    await one.hear(events, batch=len(events))
    behind = one.auditing.settled(5)
    one.now_s += 5

    assert (behind, one.auditing.settled(5)) == (False, True)


async def test_it_reads_the_topics_of_the_bus() -> None:
    one = Audit()
    bus = LocalBus()
    task = asyncio.create_task(bus.consume_records("audit", ["trunkline.interaction"], one.auditing.handle))
    event = Day().tell(interaction.Started(interaction_id="c-1", channel="chat", entry_point="web"))

    await bus.publish([event])
    for _ in range(500):
        if one.states("ledgers"):
            break
        await asyncio.sleep(0.01)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert (one.ledger().opened, one.ledger().open) == (1, 1)


async def test_it_wraps_a_long_text() -> None:
    one = Audit()
    day = Day().agent().begins("c-1").queues("c-1")
    names = ("a" * 128, "b" * 128, "c" * 128)
    day.tell(
        routing.AgentOffered(
            **about("c-1"), offer_id=names[0], agent_id=names[1], waited_ms=0, expires_at=at(60)
        )
    )
    day.tell(routing.ContactAssigned(**about("c-1"), offer_id=names[0], agent_id=names[2], waited_ms=0))

    await one.hear(day.events)

    assert [each[1] for each in one.told()] == ["I3"]
