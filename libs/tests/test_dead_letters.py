"""Dead letters can be seen and tried again."""

from libs.dead_letters import listing, reason_of, replay
from libs.local import LocalBus
from libs.reading import dead_letter
from libs.wire import Record, Unreadable

BROKEN = Record("trunkline.visitor", b"v", b"{", (("ce_id", b"e-1"),))


async def with_two_letters() -> LocalBus:
    bus = LocalBus()
    await bus.publish_records(
        [dead_letter(BROKEN, Unreadable(reason), "session") for reason in ("bad_data", "no_type")]
    )
    return bus


async def test_it_lists_all_with_their_reasons() -> None:
    found = await listing(await with_two_letters(), "trunkline.visitor", "x", quiet_s=0.05)

    assert [reason_of(record) for record in found] == ["bad_data", "no_type"]


async def test_it_replays_each_once_as_it_was() -> None:
    bus = await with_two_letters()

    first = await replay(bus, "trunkline.visitor", quiet_s=0.05)
    second = await replay(bus, "trunkline.visitor", quiet_s=0.05)

    assert (first.total(), second.total()) == (2, 0)
    assert {(r.key, r.value, r.headers) for r in bus.topics["trunkline.visitor"]} == {
        (BROKEN.key, BROKEN.value, BROKEN.headers)
    }


async def test_it_replays_those_of_one_reason_only() -> None:
    counted = await replay(await with_two_letters(), "trunkline.visitor", "no_type", quiet_s=0.05)

    assert counted == {"no_type": 1}
