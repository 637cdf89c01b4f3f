"""The CRM context service on a bus in memory: look-up, late identification, redelivery, history."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from libs.apply import Apply
from libs.events import crm_context as told
from libs.events import ivr, session, visitor, workflow
from libs.events.base import AnyEvent
from libs.local import LocalBus, LocalStore
from libs.stored import Key
from services.crm_context import handlers
from services.crm_context.domain import customer, pack, trail
from services.crm_context.domain.commands import MergeInto
from services.crm_context.handlers import Handler, Telling
from services.crm_context.preparing import Preparing
from services.crm_context.tests.making import (
    MAIL,
    ZHANG,
    LocalDirectory,
    at,
    began,
    contact_closed,
    event,
    identified,
    upsert,
)

SOURCE = "/trunkline/crm_context"


@dataclass
class Service:
    """The service in memory."""

    bus: LocalBus = field(default_factory=lambda: LocalBus(SOURCE))

    def __post_init__(self) -> None:
        self.customers = LocalStore("customers", customer.blank)
        self.trails = LocalStore("trails", trail.blank)
        self.packs = LocalStore("context_packs", pack.blank)
        directory = LocalDirectory(self.customers, self.packs)
        tell = Telling(self.bus, directory, self.now)
        self.apply = tell.customers = Apply(self.customers, customer.decide, tell, SOURCE)
        packs = Apply(self.packs, pack.decide, tell, SOURCE)
        self.preparing = Preparing(directory, self.customers, self.trails, packs, self.packs, self.now, 30)
        trails = Apply(self.trails, trail.decide, tell, SOURCE)
        self.handler = Handler(self.apply, trails, packs, self.preparing, self.now)

    def now(self) -> datetime:
        return at(100)

    async def command(self, *commands: AnyEvent) -> None:
        await self.apply([(Key("acme", each.key), each) for each in commands], at(100))

    def prepared(self) -> list[told.ContextPrepared]:
        facts = {each.id: each.data for each in self.bus.told("trunkline.crm_context")}
        return [each for each in facts.values() if isinstance(each, told.ContextPrepared)]

    def customer(self, name: str = "c-1") -> customer.Customer:
        return self.customers.kept[Key("acme", name)].state


@pytest.fixture
async def service() -> Service:
    service = Service()
    await service.command(upsert(0, name="张伟", identities=(ZHANG,), vip_level=3, tags=("gold",)))
    return service


async def test_it_knows_who_begins_a_session(service: Service) -> None:
    await service.handler([began(0, ZHANG)])

    (pack,) = service.prepared()
    assert (pack.customer_id, pack.vip_level, pack.interaction_id, pack.pii.name) == ("c-1", 3, "i-0", "张伟")


async def test_it_says_so_when_nobody_is_known(service: Service) -> None:
    await service.handler([began(0, MAIL)])

    (pack,) = service.prepared()
    assert (pack.customer_id, pack.key) == ("", "s-1")


@pytest.mark.parametrize("order", ["login first", "session first", "at once", "at once, reversed"])
async def test_it_knows_a_visitor_who_logs_in(service: Service, order: str) -> None:
    login, start = identified(1, ZHANG), began(2, visitor_id="v-1")
    batches = {
        "login first": [[login], [start]],
        "session first": [[start], [login]],
        "at once": [[login, start]],
        "at once, reversed": [[start, login]],
    }

    for batch in batches[order]:
        await service.handler(batch)

    assert service.prepared()[-1].customer_id == "c-1"


async def test_it_prepares_again_when_the_record_comes_after_the_session(service: Service) -> None:
    await service.handler([began(0, MAIL), contact_closed(5)])
    await service.command(upsert(9, "c-2", identities=(MAIL,)))
    fact = service.bus.told("trunkline.crm_context")[-1]

    await service.preparing.customer(fact, [MAIL])

    assert [each.customer_id for each in service.prepared()] == ["", "c-2"]
    assert [each.interaction_id for each in service.customer("c-2").contacts] == ["i-0"]


async def test_it_keeps_the_history_of_contacts_and_prefers_the_last_agent(service: Service) -> None:
    wrapped = session.WrappedUp(
        session_id="s-1", interaction_id="i-0", agent_id="agent1", queue_id="q", codes=("card",), wrap_up_ms=1
    )
    rated = session.SurveyAnswered(session_id="s-1", interaction_id="i-0", channel="chat", csat=5)

    await service.handler([began(0, ZHANG), contact_closed(5), event(wrapped, 6), event(rated, 7)])
    await service.handler([began(50, ZHANG, session_id="s-2")])

    (contact,) = service.customer().contacts
    assert (contact.codes, contact.csat, contact.began_at) == (("card",), 5, at(0))
    latest = service.prepared()[-1]
    assert (latest.preferred_agent_id, [each.codes for each in latest.last_contacts]) == (
        "agent1",
        [("card",)],
    )


async def test_it_tells_who_should_serve_the_customer_and_what_he_is_worth(service: Service) -> None:
    await service.handler([began(0, ZHANG), contact_closed(5)])
    tags, profile = ("account_manager_only",), '{"value": 9000}'
    await service.command(upsert(20, preferred_agent_id="carl", tags=tags, profile=profile))

    await service.handler([began(50, ZHANG, session_id="s-2")])

    latest = service.prepared()[-1]
    assert (latest.preferred_agent_id, latest.then_agent_ids) == ("carl", ("agent1",))
    assert (latest.exclusive, latest.value) == (True, 9000.0)


async def test_it_changes_nothing_when_all_comes_twice(service: Service) -> None:
    handed_over = ivr.DialogueCompleted(
        session_id="s-1", interaction_id="i-1", flow_id="f", flow_version=1, outcome="queue"
    )
    events = [
        identified(0, ZHANG),
        began(1, visitor_id="v-1"),
        event(visitor.PageViewed(visitor_id="v-1", url="/fund", title="Funds"), 2),
        event(handed_over, 3),
        contact_closed(5, "i-1"),
        began(6, visitor_id="v-1", resumed=True),
    ]
    await service.handler(events)
    facts = {each.id for each in service.bus.told("trunkline.crm_context")}
    versions = {key: stored.version for key, stored in service.packs.kept.items()}
    record = service.customer()

    await service.handler(events)

    assert {each.id for each in service.bus.told("trunkline.crm_context")} == facts
    assert {key: stored.version for key, stored in service.packs.kept.items()} == versions
    assert service.customer() == record


async def test_it_moves_everything_when_two_are_one(service: Service) -> None:
    await service.command(upsert(1, "c-2", name="Zhang", identities=(MAIL,)))
    await service.handler([began(0, ZHANG)])

    await service.command(event(MergeInto(customer_id="c-1", target_id="c-2"), 2))
    await service.handler([contact_closed(5)])
    await service.handler([began(9, ZHANG, session_id="s-2")])

    assert service.customer("c-2").identities == (MAIL, ZHANG)
    assert [each.interaction_id for each in service.customer("c-2").contacts] == ["i-0"]
    assert service.prepared()[-1].customer_id == "c-2"


async def test_it_lists_open_tickets_of_a_session_whose_customer_is_known(service: Service) -> None:
    opened = workflow.TicketOpened(ticket_id="t-1", session_id="s-1", ticket_type="loss", priority="high")
    await service.handler([began(0, ZHANG)])

    await service.handler([event(opened, 5)])
    await service.handler([began(9, ZHANG, session_id="s-2")])

    assert service.prepared()[-1].open_ticket_ids == ("t-1",)


async def test_it_keeps_tenants_apart(service: Service) -> None:
    await service.handler([began(0, ZHANG)._replace(tenant="globex")])

    assert service.prepared()[-1].customer_id == ""


async def test_it_runs_on_a_bus(service: Service) -> None:
    task = asyncio.create_task(service.bus.consume(handlers.GROUP, handlers.WANTED, service.handler))
    start = began(0, ZHANG)
    try:
        await service.bus.publish([start])
        async with asyncio.timeout(5):
            while not service.prepared():  # noqa: ASYNC110  (nobody could set an event)
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    fact = service.bus.told("trunkline.crm_context")[-1]
    assert (fact.caused_by, fact.journey_id) == (start.id, "j-1")


async def test_it_keeps_tickets_for_a_customer_who_becomes_known_later(service: Service) -> None:
    opened = workflow.TicketOpened(ticket_id="t-1", session_id="s-1", ticket_type="loss", priority="high")
    resolved = workflow.TicketResolved(ticket_id="t-1", session_id="s-1")
    events = [event(opened, 1), began(2, MAIL), contact_closed(5)]
    await service.handler(events)
    await service.command(upsert(9, "c-2", identities=(MAIL,)))

    await service.preparing.customer(service.bus.told("trunkline.crm_context")[-1], [MAIL])
    await service.handler([event(resolved, 10)])
    known = service.customer("c-2")
    await service.handler(events)

    assert service.customer("c-2") == known  # what is read again changes nothing
    (ticket,) = known.tickets
    assert (ticket.ticket_id, ticket.ticket_type, ticket.status) == ("t-1", "loss", "resolved")
    assert [each.interaction_id for each in service.customer("c-2").contacts] == ["i-0"]


async def test_it_hands_all_over_where_the_end_of_a_contact_says_whose_it_was(service: Service) -> None:
    opened = workflow.TicketOpened(ticket_id="t-1", session_id="s-1", ticket_type="loss", priority="high")
    await service.command(upsert(0, "c-2", name="Li"))
    await service.handler([began(1), event(opened, 2), contact_closed(3, "i-0")])

    await service.handler([contact_closed(4, "i-1", customer_id="c-2")])

    known = service.customer("c-2")
    assert [each.interaction_id for each in known.contacts] == ["i-1", "i-0"]
    assert [each.ticket_id for each in known.tickets] == ["t-1"]
