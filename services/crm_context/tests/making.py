"""Events, customers and a directory in memory for the tests of the CRM context service."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from libs.events import session, visitor
from libs.events.base import AnyEvent, Event, Fact, Identity
from libs.events.interaction import StartedPii
from libs.identities import name_of
from libs.local import LocalStore
from services.crm_context.domain.commands import Upsert
from services.crm_context.domain.customer import Customer
from services.crm_context.domain.pack import Pack
from services.crm_context.store import index_customer, index_pack

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ZHANG = Identity(kind="phone", value="+8613800138000")
MAIL = Identity(kind="email", value="zhang@example.com")


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def event(data: Fact, seconds: float = 0, name: str = "") -> AnyEvent:
    return Event(name or f"{data.type}/{data.key}/{seconds}", "acme", at(seconds), data, "j-1")


def upsert(seconds: float = 0, customer_id: str = "c-1", **said: Any) -> AnyEvent:
    return event(Upsert(customer_id=customer_id, **said), seconds)


def began(
    seconds: float = 0,
    *identities: Identity,
    visitor_id: str = "",
    session_id: str = "s-1",
    resumed: bool = False,
) -> AnyEvent:
    kind = session.Resumed if resumed else session.Started
    data = kind(
        session_id=session_id,
        interaction_id=f"i-{seconds:g}",
        channel="chat",
        entry_point="web-chat",
        visitor_id=visitor_id,
        pii=StartedPii(identities=identities),
    )
    return event(data, seconds)


def contact_closed(seconds: float, interaction_id: str = "i-0", **said: Any) -> AnyEvent:
    data = session.ContactClosed(
        session_id="s-1",
        interaction_id=interaction_id,
        channel="chat",
        outcome=said.pop("outcome", "handled"),
        agent_id=said.pop("agent_id", "agent1"),
        **said,
    )
    return event(data, seconds)


def identified(seconds: float, *identities: Identity, visitor_id: str = "v-1") -> AnyEvent:
    return event(
        visitor.Identified(visitor_id=visitor_id, pii=visitor.IdentifiedPii(identities=identities)), seconds
    )


class LocalDirectory:
    """Finds customers and packs in local stores, by the same index fields as the database."""

    def __init__(self, customers: LocalStore[Customer], packs: LocalStore[Pack]) -> None:
        self._customers = customers
        self._packs = packs

    async def customers_by(self, tenant: str, identities: Collection[Identity]) -> dict[str, Customer]:
        names = {name_of(each) for each in identities}
        return {
            name: stored.state
            for key, stored in self._customers.kept.items()
            if key.tenant == tenant
            for name in index_customer(stored.state).get("identities", ())
            if name in names
        }

    async def packs_of(
        self, tenant: str, visitor_ids: Collection[str], identities: Collection[Identity]
    ) -> list[Pack]:
        names = {name_of(each) for each in identities}
        found: list[Pack] = []
        for key, stored in self._packs.kept.items():
            ix = index_pack(stored.state)
            by = ix and (ix["visitor"] in visitor_ids or names.intersection(ix["identities"]))
            if key.tenant == tenant and by:
                found.append(stored.state)
        return found
