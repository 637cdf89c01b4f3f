"""Find out who is behind a session, and put together what an agent should know."""

from collections.abc import Sequence
from dataclasses import dataclass

from libs.apply import Apply
from libs.clock import Now
from libs.events import session
from libs.events.base import AnyEvent, Event, Identity
from libs.events.crm_context import PastContact
from libs.identities import name_of, normal
from libs.stored import Key, Store
from services.crm_context.domain.commands import Prepare
from services.crm_context.domain.customer import Customer
from services.crm_context.domain.pack import Pack
from services.crm_context.domain.trail import Trail
from services.crm_context.store import Directory

LAST_CONTACTS = 5


@dataclass(frozen=True, slots=True)
class Somebody:
    """What a session gives to recognise a person by."""

    tenant: str
    session_id: str
    visitor_id: str
    identities: tuple[Identity, ...]
    customer_id: str = ""  # who he is already known to be


class Preparing:
    """Looks people up and prepares their packs."""

    def __init__(
        self,
        directory: Directory,
        customers: Store[Customer],
        trails: Store[Trail],
        packs: Apply[Pack],
        pack_store: Store[Pack],
        now: Now,
        last_agent_days: float,
    ) -> None:
        self._directory = directory
        self._customers = customers
        self._trails = trails
        self._packs = packs
        self._pack_store = pack_store
        self._now = now
        self._last_agent_days = last_agent_days

    async def began(self, events: Sequence[AnyEvent]) -> dict[str, AnyEvent]:
        """Return what is to be prepared for sessions that began or were resumed, by the ids of the events."""
        there = await self._pack_store.load({Key(each.tenant, each.key) for each in events})
        people: list[Somebody] = []
        for event in events:
            assert isinstance(event.data, session.ContactBegan)
            stored = there.get(Key(event.tenant, event.key))
            earlier = stored.state if stored else Pack(event.key)
            people.append(
                Somebody(
                    event.tenant,
                    event.key,
                    event.data.visitor_id or earlier.visitor_id,
                    (*map(normal, event.data.pii.identities), *earlier.identities),
                    event.data.customer_id or earlier.customer_id,
                )
            )
        found = await self.look_up(people)
        return {
            event.id: self.command(event, somebody, customer)
            for event, somebody, customer in zip(events, people, found, strict=True)
        }

    def command(self, event: AnyEvent, somebody: Somebody, customer: Customer | None) -> AnyEvent:
        """Return `event` as the command to prepare a pack; it keeps its id, so the pack sees it once."""
        began = event.data if isinstance(event.data, session.ContactBegan) else None
        data = Prepare(
            session_id=somebody.session_id,
            interaction_id=began.interaction_id if began else "",
            channel=began.channel if began else "",
            visitor_id=somebody.visitor_id,
            identities=somebody.identities,
        )
        if customer is not None:
            data = data.model_copy(update=self._known(customer))
        return event._replace(data=data)

    def _known(self, customer: Customer) -> dict[str, object]:
        contacts = tuple(
            PastContact.model_validate(each.model_dump()) for each in customer.contacts[:LAST_CONTACTS]
        )
        preferred, *others = customer.agents_at(self._now(), self._last_agent_days) or ("",)
        return {
            "customer_id": customer.customer_id,
            "name": customer.name,
            "customer_identities": customer.identities,
            "profile": customer.profile,
            "vip_level": customer.vip_level,
            "tags": customer.tags,
            "language": customer.language,
            "preferred_agent_id": preferred,
            "then_agent_ids": tuple(others),
            "exclusive": customer.has_his_own_agent,
            "value": customer.value,
            "last_contacts": contacts,
            "open_ticket_ids": tuple(each.ticket_id for each in customer.open_tickets),
        }

    async def visitors(self, identified: Sequence[AnyEvent], began: Sequence[AnyEvent]) -> None:
        """
        Prepare again the packs of open sessions whose visitor has just logged in.

        Asked after trails and packs are saved: of two processes that save a login and the beginning of a
        session at one moment, the later one sees both.
        """
        causes: dict[Key, AnyEvent] = {}
        visiting = dict.fromkeys(
            Key(each.tenant, each.data.visitor_id)
            for each in began
            if isinstance(each.data, session.ContactBegan) and each.data.visitor_id
        )
        for key, stored in (await self._trails.load(visiting) if visiting else {}).items():
            if stored.state.identified_by:
                event = Event(
                    stored.state.identified_by, key.tenant, self._now(), Prepare(session_id="-"), ""
                )
                causes[key] = event
        causes |= {Key(each.tenant, each.key): each for each in identified}
        for tenant in dict.fromkeys(key.tenant for key in causes):
            by_visitor = {key.id: cause for key, cause in causes.items() if key.tenant == tenant}
            packs = await self._directory.packs_of(tenant, by_visitor, ())
            await self._recognise(tenant, [(each, by_visitor[each.visitor_id]) for each in packs])

    async def customer(self, cause: AnyEvent, identities: Sequence[Identity]) -> None:
        """Prepare again the packs of open sessions whose person has just got a record."""
        packs = await self._directory.packs_of(cause.tenant, (), identities)
        await self._recognise(cause.tenant, [(each, cause) for each in packs])

    async def _recognise(self, tenant: str, packs: Sequence[tuple[Pack, AnyEvent]]) -> None:
        people = [Somebody(tenant, each.session_id, each.visitor_id, each.identities) for each, _ in packs]
        found = await self.look_up(people) if people else []
        pairs = [
            (Key(tenant, somebody.session_id), self.command(cause, somebody, customer))
            for (_, cause), somebody, customer in zip(packs, people, found, strict=True)
            if customer is not None
        ]
        if pairs:
            await self._packs(pairs, self._now())

    async def look_up(self, people: Sequence[Somebody]) -> list[Customer | None]:
        """Return who each person is, None where nobody knows; his first identity that is known decides."""
        trails = await self._trails.load(
            {Key(each.tenant, each.visitor_id) for each in people if each.visitor_id}
        )
        known: dict[tuple[str, str], Customer] = {}
        identities = {
            each: (
                *each.identities,
                *(
                    trails[Key(each.tenant, each.visitor_id)].state.identities
                    if Key(each.tenant, each.visitor_id) in trails
                    else ()
                ),
            )
            for each in people
        }
        for tenant in dict.fromkeys(each.tenant for each in people):
            names = {one for each in people if each.tenant == tenant for one in identities[each]}
            for name, customer in (await self._directory.customers_by(tenant, names)).items():
                known[tenant, name] = customer
        by_id = await self._customers.load(
            {Key(each.tenant, each.customer_id) for each in people if each.customer_id}
        )
        found: list[Customer | None] = []
        for each in people:
            stored = by_id.get(Key(each.tenant, each.customer_id))
            already = stored.state if stored is not None and stored.state.exists else None
            matches = (known.get((each.tenant, name_of(one))) for one in identities[each])
            found.append(already or next((one for one in matches if one is not None), None))
        return found
