"""The session service on a bus in memory: placing, redelivery, order across topics, dead letters."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from libs.apply import Apply
from libs.events import crm_context, interaction, ivr, queue
from libs.events import session as told
from libs.events.base import AnyEvent, Event, Identity
from libs.local import LocalBus, LocalStore
from services.session import handlers
from services.session.domain import context
from services.session.domain.session import decider
from services.session.domain.state import Session, blank, due
from services.session.handlers import Handler
from services.session.tests.making import (
    RULES,
    ZHANG,
    LocalPlaces,
    at,
    event,
    identified,
    started,
)

LI = Identity(kind="phone", value="+8613900139000")
DLQ = "trunkline.interaction-dlq"


@dataclass
class Service:
    """The session service in memory, at a time that the test sets."""

    now_s: float = 0
    bus: LocalBus = field(default_factory=lambda: LocalBus("/trunkline/session"))

    def __post_init__(self) -> None:
        self.store: LocalStore[Session] = LocalStore("sessions", blank, lambda session: due(session, RULES))
        self.contexts = LocalStore("contexts", context.blank, context.due)
        self.apply = Apply(self.store, decider(RULES), self.bus.publish, "/trunkline/session")
        apply_contexts = Apply(self.contexts, context.decide, self.bus.publish, "/trunkline/session")
        self.handler = Handler(
            self.apply, apply_contexts, LocalPlaces(self.store), self.bus, RULES, lambda: at(self.now_s)
        )

    async def take(self, *events: AnyEvent, at_s: float | None = None) -> None:
        self.now_s = at_s if at_s is not None else max((each.time - at(0)).total_seconds() for each in events)
        await self.handler(events)

    def told(self, topic: str = "trunkline.session") -> list[AnyEvent]:
        """Return what was told, each fact once: telling again is allowed."""
        return list({each.id: each for each in self.bus.told(topic)}.values())

    def sessions(self) -> list[str]:
        return [stored.state.session_id for stored in self.store.kept.values()]


def starts(*said: tuple[str, str, tuple[Identity, ...]], seconds: float = 0) -> list[AnyEvent]:
    return [
        started(seconds + place, name, visitor_id=visitor_id, identities=identities)
        for place, (name, visitor_id, identities) in enumerate(said)
    ]


@pytest.mark.parametrize(
    ("said", "sessions"),
    [
        ([("i-1", "v-1", ()), ("i-2", "v-1", ())], 1),
        ([("i-1", "v-1", (ZHANG,)), ("i-2", "", (ZHANG,))], 1),
        ([("i-1", "", (ZHANG,)), ("i-2", "", (LI,))], 2),
        ([("i-1", "", ()), ("i-2", "", ())], 2),
        ([("i-1", "v-1", ()), ("i-2", "v-1", (ZHANG,)), ("i-3", "", (ZHANG,))], 1),
        ([("i-1", "", (Identity(kind="phone", value="138 0013 8000"),)), ("i-2", "", (ZHANG,))], 1),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_it_places_interactions_of_one_person_in_one_session(
    said: list[tuple[str, str, tuple[Identity, ...]]], sessions: int, at_once: bool
) -> None:
    service = Service()
    events = starts(*said)

    for batch in [events] if at_once else [[each] for each in events]:
        await service.take(*batch)

    assert len(service.sessions()) == sessions
    assert len(service.told()) == len(said)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("gap_s", "sessions"), [(60, 1), (10 + 1801, 2)])
async def test_it_goes_on_in_the_session_of_an_earlier_interaction_while_that_is_open(
    gap_s: float, sessions: int, at_once: bool
) -> None:
    service = Service()
    events = [
        started(0, "i-1", identities=(), distribution="external"),
        event(interaction.Ended(interaction_id="i-1", by="customer"), 10),
        started(gap_s, "i-2", identities=(), continues_id="i-1"),
        started(gap_s + 1, "i-3", identities=(), continues_id="nobody"),
    ]

    for batch in [events] if at_once else [[each] for each in events]:
        await service.take(*batch, at_s=100_000 if at_once else None)

    assert len(service.sessions()) == sessions + 1
    of_second = {each.key for each in service.told() if getattr(each.data, "interaction_id", "") == "i-2"}
    of_first = {each.key for each in service.told() if getattr(each.data, "interaction_id", "") == "i-1"}
    assert (of_first == of_second) == (sessions == 1)


async def test_it_opens_a_new_session_after_a_long_silence_by_the_adapters_clock() -> None:
    service = Service()
    first = started(0, "i-1", distribution="external")
    gone = event(interaction.Ended(interaction_id="i-1", by="customer"), 10)
    again = started(10 + 1800, "i-2", distribution="external")

    await service.take(first, gone, again, at_s=10_000_000)
    await service.take(first, gone, again, at_s=10_000_000)

    assert len(service.sessions()) == 2
    kinds = [each.type.split(".")[2] for each in service.told()]
    assert sorted(kinds) == ["closed", "contact_closed", "started", "started"]


async def test_it_changes_nothing_when_all_comes_twice() -> None:
    service = Service()
    events = [
        *starts(("i-1", "v-1", (ZHANG,)), ("i-2", "v-1", ())),
        identified("v-1", 3),
        event(interaction.Ended(interaction_id="i-1", by="customer"), 4),
    ]

    await service.take(*events)
    versions = {key: stored.version for key, stored in service.store.kept.items()}
    facts = service.told()
    await service.take(*events)

    assert {key: stored.version for key, stored in service.store.kept.items()} == versions
    assert service.told() == facts


async def test_it_sets_aside_what_belongs_to_no_interaction_and_takes_it_later() -> None:
    service = Service()
    gone = event(interaction.Ended(interaction_id="i-1", by="customer"), 5)

    await service.take(gone)
    (letter,) = service.bus.topics[DLQ]
    await service.take(started(0))
    await service.take(gone)

    assert dict(letter.headers)["dlq_reason"] == b"unknown_interaction"
    assert len(service.bus.topics[DLQ]) == 1
    (stored,) = service.store.kept.values()
    assert stored.state.contacts[0].ended_at == at(5)


async def test_it_keeps_tenants_apart() -> None:
    service = Service()
    ours = started(0, "i-1")
    theirs = started(1, "i-1")._replace(tenant="globex", id="other")

    await service.take(ours, theirs)
    await service.take(event(interaction.Ended(interaction_id="i-1", by="customer"), 2))

    states = {stored.state.tenant: stored.state for stored in service.store.kept.values()}
    assert states["acme"].contacts[0].ended_at == at(2)
    assert states["globex"].contacts[0].ended_at is None


async def test_it_puts_what_the_channel_knows_into_the_context() -> None:
    service = Service()

    await service.take(started(0, context={"page": "/fund", "huge": 2**70}))

    (stored,) = service.contexts.kept.values()
    assert [(each.name, each.value) for each in stored.state.entries] == [
        ("page", '"/fund"'),
        ("huge", str(2**70)),
    ]
    changed = [each.data for each in service.told() if isinstance(each.data, told.ContextChanged)]
    assert {each.session_id for each in changed} == {*service.sessions()}


def dialogue(session_id: str) -> AnyEvent:
    data = ivr.DialogueCompleted(
        session_id=session_id,
        interaction_id="i-1",
        flow_id="f",
        flow_version=1,
        outcome="queue",
        queue_id="service",
    )
    return event(data, 3)


def context_of(session_id: str) -> AnyEvent:
    data = crm_context.ContextPrepared(session_id=session_id, interaction_id="i-1", customer_id="c-1")
    return event(data, 3)


@pytest.mark.parametrize("crm_first", [True, False])
async def test_it_comes_to_the_same_whatever_topic_is_read_first(crm_first: bool) -> None:
    service = Service()
    await service.take(started(0))
    (session_id,) = service.sessions()
    pair = [dialogue(session_id), context_of(session_id)]

    for each in reversed(pair) if crm_first else pair:
        await service.take(each)

    (queued,) = [each.data for each in service.told("trunkline.queue")]
    assert isinstance(queued, queue.ContactQueued)
    assert queued.customer_id == "c-1"


async def consumed(service: Service, facts: Sequence[AnyEvent], expected: int) -> None:
    task = asyncio.create_task(
        service.bus.consume(
            handlers.GROUP,
            handlers.WANTED,
            service.handler,
            keeps_dead_letters_of=handlers.KEEPS_DEAD_LETTERS_OF,
        )
    )
    await service.bus.publish(facts)
    try:
        async with asyncio.timeout(5):
            while len(service.told()) < expected:  # noqa: ASYNC110  (nobody could set an event)
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_it_runs_on_a_bus() -> None:
    service = Service()

    await consumed(service, [started(0), started(1, "i-2")], 2)
    service.bus.rewind(handlers.GROUP)
    await consumed(service, [started(2, "i-3")], 3)

    assert [each.type for each in service.told()] == [told.Started.type, told.Resumed.type, told.Resumed.type]
    assert {each.journey_id for each in service.told()} == {"j-1"}


async def test_it_gives_an_interaction_without_a_journey_one_of_its_own() -> None:
    service = Service()
    bare = Event("e-1", "acme", at(0), started().data, "")

    await service.take(bare)

    (fact,) = service.told()
    assert fact.journey_id
