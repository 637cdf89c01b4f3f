"""The service on the bus and store in memory: replayed once in effect, whatever dies in between."""

from collections.abc import Sequence

import pytest

from libs.apply import Apply
from libs.errors import Unavailable
from libs.events.base import AnyEvent, Event
from libs.local import LocalBus, LocalStore
from libs.wire import Record
from services.repair.domain.commands import Edit, Replay
from services.repair.domain.deciding import decide
from services.repair.domain.letter import Letter
from services.repair.handlers import SOURCE, handler, telling
from services.repair.tests.making import GOOD, NOON, TOPIC, aside, broken


class Lines:
    """The audit in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def keep(self, facts: Sequence[AnyEvent]) -> None:
        self.kept.update({fact.id: fact.type for fact in facts})


class Broken(LocalBus):
    """A bus that takes records, and dies on the facts that follow as often as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = 0

    async def publish(self, events: Sequence[AnyEvent]) -> None:
        if self.fails:
            self.fails -= 1
            raise Unavailable("bus_unreachable", "gone")
        await super().publish(events)


async def test_it_replays_once_in_effect_when_it_dies_between_saving_and_telling() -> None:
    bus, lines = Broken(), Lines()
    store: LocalStore[Letter] = LocalStore("letters", lambda key: Letter(key.id))
    apply = Apply(store, decide, telling(store, lines.keep, bus), SOURCE)
    await handler(apply, lambda: NOON)([aside(broken()), aside(broken())])
    (key,) = store.kept
    edit = Edit(letter_id=key.id, by="ana", body=GOOD)
    await apply([(key, Event("c-1", key.tenant, NOON, edit, "j"))], NOON)
    replay = Event("c-2", key.tenant, NOON, Replay(letter_id=key.id, by="ana"), "j")

    bus.fails = 1
    with pytest.raises(Unavailable):
        await apply([(key, replay)], NOON)
    successor = Apply(store, decide, telling(store, lines.keep, bus), SOURCE)
    await successor.sweep(NOON)
    await successor.settle()
    await successor([(key, replay)], NOON)
    await successor.sweep(NOON)

    sent: list[Record] = bus.topics[TOPIC]
    assert {dict(record.headers)["ce_id"] for record in sent} == {b"e-1"}
    assert len({(record.key, record.value, record.headers) for record in sent}) == 1
    told = bus.told("trunkline.repair")
    assert [event.sequence for event in told] == [1, 2]
    assert sorted(lines.kept) == sorted(event.id for event in told)
