"""Apply under crashes and repetition: whatever goes wrong in between, the end is the same."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs import telemetry
from libs.apply import Apply
from libs.errors import NotFound, Unavailable
from libs.events import visitor
from libs.events.base import AnyEvent, Event, Facts, Tick, after
from libs.local import LocalStore
from libs.stored import REMEMBERED, Change, Key, Stored

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
KEY = Key("acme", "v")


@dataclass(frozen=True, slots=True)
class Trail:
    """The pages seen; `due` asks for a tick."""

    pages: tuple[str, ...] = ()
    due: datetime | None = None
    ticks: int = 0


def decide(trail: Trail, event: AnyEvent, now: datetime) -> tuple[Trail, Facts]:
    match event.data:
        case visitor.PageViewed(url="/nothing"):
            return trail, []
        case visitor.PageViewed() as data:
            told = visitor.Searched(visitor_id=data.visitor_id, query=data.url)
            return replace(trail, pages=(*trail.pages, data.url)), [after(event, now, told)]
        case visitor.Consented():
            return replace(trail, due=now + timedelta(seconds=10)), []
        case Tick() if trail.due and now >= trail.due:
            return replace(trail, due=None, ticks=trail.ticks + 1), []
        case _:
            return trail, []


def page(number: int, url: str = "") -> AnyEvent:
    data = visitor.PageViewed(visitor_id="v", url=url or f"/{number}")
    return Event(f"e-{number}", "acme", NOON, data, "j")


class Broken:
    """A store and a bus that fail when their plan says so, before or after having done it."""

    def __init__(self, plan: Sequence[int]) -> None:
        self.store: LocalStore[Trail] = LocalStore("trails", lambda key: Trail(), lambda trail: trail.due)
        self.told: list[AnyEvent] = []
        self._plan = list(plan)
        save = self.store.save

        async def saves(changes: Sequence[Change[Trail]]) -> set[Key]:
            self._fail(1)
            refused = await save(changes)
            self._fail(2)
            return refused

        self.store.save = saves  # type: ignore[method-assign]  # the fault is here

    def _fail(self, kind: int) -> None:
        if self._plan and self._plan[0] == kind:
            self._plan.pop(0)
            raise Unavailable("broken", "as planned")

    async def tell(self, events: Sequence[AnyEvent]) -> None:
        self._fail(3)
        self.told.extend(events)
        self._fail(4)

    async def feed(self, batches: Sequence[Sequence[int]]) -> None:
        """Give batches until each is taken; every failure is a new process with no memory of its own."""
        apply = Apply(self.store, decide, self.tell, "/test")
        for batch in batches:
            while True:
                try:
                    await apply([(KEY, page(number)) for number in batch], NOON)
                    break
                except Unavailable:
                    apply = Apply(self.store, decide, self.tell, "/test")


@given(
    plan=st.lists(st.integers(1, 4), max_size=8),
    batches=st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=6),
)
async def test_it_ends_the_same_whatever_fails(plan: list[int], batches: list[list[int]]) -> None:
    sound, broken = Broken([]), Broken(plan)

    await sound.feed(batches)
    await broken.feed(batches)
    await Apply(broken.store, decide, broken.tell, "/test").sweep(NOON)

    assert await broken.store.get(KEY) == await sound.store.get(KEY)
    assert list(dict.fromkeys(broken.told)) == list(dict.fromkeys(sound.told))
    assert [event.sequence for event in dict.fromkeys(sound.told)] == list(range(1, len(set(sound.told)) + 1))


async def test_it_remembers_what_fell_out_of_its_window() -> None:
    whole = Broken([])
    numbers = list(range(3 * REMEMBERED))

    await whole.feed([numbers[start : start + 100] for start in range(0, len(numbers), 100)])
    await whole.feed([numbers])

    state = await whole.store.get(KEY)
    assert state is not None and len(state.pages) == len(numbers)
    assert len(whole.store.kept[KEY].applied) <= 2 * REMEMBERED


async def test_it_keeps_nothing_of_an_aggregate_of_which_nothing_came_to_be_known() -> None:
    whole = Broken([])

    await Apply(whole.store, decide, whole.tell, "/test")([(KEY, page(1, "/nothing"))], NOON)

    assert whole.store.kept == {}


async def test_it_loses_nothing_of_a_large_batch_when_it_dies_after_the_log_and_before_the_state() -> None:
    whole = Broken([])
    store, dying = whole.store, False
    save = store.save

    async def log_first(changes: Sequence[Change[Trail]]) -> set[Key]:
        """Write as the real store does: what is pushed out goes to the log before anything else."""
        for change in changes:
            store._log[change.key].update(change.evicted_ids)
        if dying:
            raise Unavailable("broken", "as planned")
        return await save(changes)

    store.save = log_first  # type: ignore[method-assign]  # the fault is here
    numbers = range(10 * REMEMBERED)
    first, second = ([(KEY, page(n)) for n in numbers if n % 2 == half] for half in (0, 1))
    await Apply(store, decide, whole.tell, "/test")(first, NOON)
    await Apply(store, decide, whole.tell, "/test")([(KEY, page(-1))], NOON)
    dying = True
    with pytest.raises(Unavailable):
        await Apply(store, decide, whole.tell, "/test")(second, NOON)

    dying = False
    for batch in (second, first, second):
        await Apply(store, decide, whole.tell, "/test")(batch, NOON)

    state = await store.get(KEY)
    assert state is not None and len(state.pages) == len(set(state.pages)) == 1 + len(numbers)


async def test_it_lets_a_deadline_come_once() -> None:
    whole = Broken([])
    apply = Apply(whole.store, decide, whole.tell, "/test")
    asked = Event("c-1", "acme", NOON, visitor.Consented(visitor_id="v", purposes=(), granted=True), "j")
    await apply([(KEY, asked)], NOON)

    early = await apply.tick(NOON + timedelta(seconds=9))
    late = [await apply.tick(NOON + timedelta(seconds=seconds)) for seconds in (10, 11)]

    assert (early, late) == (0, [1, 0])
    state = await whole.store.get(KEY)
    assert state is not None and state.ticks == 1


@given(turns=st.lists(st.tuples(st.integers(0, 2), st.lists(st.integers(0, 12), max_size=4)), max_size=12))
async def test_it_ends_the_same_whoever_of_several_processes_applies(
    turns: list[tuple[int, list[int]]],
) -> None:
    alone, shared = Broken([]), Broken([])
    processes = [Apply(shared.store, decide, shared.tell, "/test") for _ in range(3)]

    for number, batch in turns:
        await alone.feed([batch])
        await processes[number]([(KEY, page(each)) for each in batch], NOON)

    assert await shared.store.get(KEY) == await alone.store.get(KEY)
    assert list(dict.fromkeys(shared.told)) == list(dict.fromkeys(alone.told))


async def test_it_loads_once_what_only_it_writes() -> None:
    whole = Broken([])
    loads = 0
    load = whole.store.load

    async def counted(keys: Collection[Key]) -> dict[Key, Stored[Trail]]:
        nonlocal loads
        loads += 1
        return await load(keys)

    whole.store.load = counted  # type: ignore[method-assign]  # what is asked of the store is counted here
    apply = Apply(whole.store, decide, whole.tell, "/test")

    for number in range(5):
        await apply([(KEY, page(number))], NOON)

    assert loads == 1
    assert [event.sequence for event in whole.told] == [1, 2, 3, 4, 5]


async def test_it_asks_the_store_before_it_refuses_by_what_it_remembers() -> None:
    def once(trail: Trail, event: AnyEvent, now: datetime) -> tuple[Trail, Facts]:
        if isinstance(event.data, visitor.Consented):
            if trail.due is None:
                raise NotFound("deadline", "none is set")
            return replace(trail, due=None), []
        return replace(decide(trail, event, now)[0], due=NOON), []

    whole = Broken([])
    here, there = [Apply(whole.store, once, whole.tell, "/test") for _ in range(2)]
    asked = [
        Event(f"c-{number}", "acme", NOON, visitor.Consented(visitor_id="v", purposes=(), granted=True), "j")
        for number in range(3)
    ]
    await here([(KEY, page(1))], NOON)
    await here([(KEY, asked[0])], NOON)
    await there([(KEY, page(2))], NOON)

    stored = (await here([(KEY, asked[1])], NOON))[KEY]

    assert (stored.version, stored.state.due) == (4, None)
    with pytest.raises(NotFound):
        await here([(KEY, asked[2])], NOON)


async def test_it_answers_a_repeated_command_by_what_the_store_knows() -> None:
    whole = Broken([])
    here, there = [Apply(whole.store, decide, whole.tell, "/test") for _ in range(2)]
    await here([(KEY, page(1))], NOON)
    await there([(KEY, page(2))], NOON)

    stored = (await here([(KEY, page(1))], NOON))[KEY]

    assert stored.state.pages == ("/1", "/2")


async def test_it_tells_once_what_a_tick_finds_while_it_is_being_told() -> None:
    whole = Broken([])
    telling, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(events: Sequence[AnyEvent]) -> None:
        telling.set()
        await go_on.wait()
        await whole.tell(events)

    apply = Apply(whole.store, decide, slowly, "/test")
    asked = Event("c-1", "acme", NOON, visitor.Consented(visitor_id="v", purposes=(), granted=True), "j")
    batch = asyncio.create_task(apply([(KEY, asked), (KEY, page(1))], NOON))
    await telling.wait()
    ticking = asyncio.create_task(apply.tick(NOON + timedelta(minutes=1)))
    sweeping = asyncio.create_task(apply.sweep(NOON + timedelta(minutes=1)))
    await asyncio.sleep(0)

    go_on.set()
    await asyncio.gather(batch, ticking, sweeping)

    assert [event.sequence for event in whole.told] == [1]
    state = await whole.store.get(KEY)
    assert state is not None and state.ticks == 1


async def test_it_tells_once_what_is_being_settled_while_a_batch_is_loaded() -> None:
    whole = Broken([])
    apply = Apply(whole.store, decide, whole.tell, "/test")
    await apply([(KEY, page(1))], NOON)
    load = whole.store.load

    async def settled_meanwhile(keys: Collection[Key]) -> dict[Key, Stored[Trail]]:
        loaded = await load(keys)
        await apply.settle()
        return loaded

    whole.store.load = settled_meanwhile  # type: ignore[method-assign]  # the race is here
    await apply([(KEY, page(2))], NOON)

    assert [event.sequence for event in whole.told] == [1, 2]


async def test_it_may_tell_another_aggregate_of_its_own_kind() -> None:
    store: LocalStore[Trail] = LocalStore("trails", lambda key: Trail())
    other = Key("acme", "w")
    asked = visitor.Consented(visitor_id="w", purposes=(), granted=True)

    async def hand_over(events: Sequence[AnyEvent]) -> None:
        await apply([(other, event._replace(data=asked)) for event in events], NOON)

    apply = Apply(store, decide, hand_over, "/test")

    async with asyncio.timeout(5):
        await apply([(KEY, page(1)), (other, page(2, "/nothing"))], NOON)

    assert store.kept[KEY].state.pages == ("/1",)
    assert store.kept[other].state.due == NOON + timedelta(seconds=10)


async def test_it_continues_the_trace_of_the_cause() -> None:
    whole = Broken([])
    cause = page(1)._replace(traceparent=telemetry.rooted("somewhere"))

    await Apply(whole.store, decide, whole.tell, "/test")([(KEY, cause)], NOON)

    (fact,) = whole.told
    assert fact.traceparent[:36] == cause.traceparent[:36]
    assert fact.traceparent != cause.traceparent


async def test_it_refuses_two_facts_of_one_id() -> None:
    def careless(trail: Trail, event: AnyEvent, now: datetime) -> tuple[Trail, Facts]:
        told = visitor.Searched(visitor_id="v", query="x")
        return trail, [after(event, now, told), after(event, now, told)]

    whole = Broken([])

    with pytest.raises(AssertionError, match="tell them apart"):
        await Apply(whole.store, careless, whole.tell, "/test")([(KEY, page(1))], NOON)


@pytest.mark.parametrize("plan", [[], [1], [2], [3], [4], [1, 2]])
async def test_it_saves_large_batches_in_shares_and_fails_only_when_no_share_is_in_hand(
    plan: list[int],
) -> None:
    broken, sound = Broken(plan), Broken([])
    pairs = [(Key("acme", f"v{number % 250}"), page(number)) for number in range(2 * 250)]

    async def give(whole: Broken) -> int:
        tries = 0
        apply = Apply(whole.store, decide, whole.tell, "/test")
        while True:
            tries += 1
            try:
                found = await apply(pairs, NOON)
            except Unavailable:
                assert not apply._hold._held
                continue
            assert len(found) == 250
            return tries

    tries = [await give(broken), await give(sound)]

    assert tries == [2 if plan else 1, 1]
    keys = {key for key, _ in pairs}
    assert {key: each.state for key, each in (await broken.store.load(keys)).items()} == {
        key: each.state for key, each in (await sound.store.load(keys)).items()
    }
    assert {each.id for each in broken.told} == {each.id for each in sound.told}
    assert len({each.id for each in sound.told}) == len(sound.told) == len(pairs)
