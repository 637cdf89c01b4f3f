"""What the CRM context service does with the events it reads."""

from collections.abc import Sequence

from libs.apply import Apply
from libs.clock import Now
from libs.events import ivr, session, visitor
from libs.events.base import AnyEvent, Fact
from libs.identities import name_of
from libs.reading import Bus
from libs.stored import Key
from services.crm_context.domain.commands import ContactNoted, MergedAway, TicketNoted
from services.crm_context.domain.customer import TICKET_FACTS, Customer
from services.crm_context.domain.pack import Pack
from services.crm_context.domain.trail import Trail
from services.crm_context.preparing import Preparing
from services.crm_context.store import Directory

GROUP = "crm_context"
STEPS = (
    visitor.PageViewed,
    visitor.Searched,
    visitor.ScreenShown,
    visitor.ProductViewed,
    visitor.BillViewed,
    visitor.Identified,
)
BEGAN = (session.Started, session.Resumed)
OF_PACKS = (
    *BEGAN,
    session.ContactClosed,
    session.WrappedUp,
    session.SurveyAnswered,
    session.Closed,
    ivr.DialogueCompleted,
)
OF_CUSTOMERS = (MergedAway, ContactNoted, TicketNoted)  # handed on to the customer's record, never published
WANTED: tuple[type[Fact], ...] = (*STEPS, *OF_PACKS, *TICKET_FACTS)


class Telling:
    """Publishes facts, and hands those meant for a customer's record to its aggregate first."""

    def __init__(self, bus: Bus, directory: Directory, now: Now) -> None:
        self._bus = bus
        self._directory = directory
        self._now = now
        self.customers: Apply[Customer] | None = None  # tells by this very object

    async def __call__(self, facts: Sequence[AnyEvent]) -> None:
        own = [each for each in facts if isinstance(each.data, OF_CUSTOMERS)]
        if own:
            assert self.customers is not None
            pairs = [(Key(each.tenant, each.key), await self._free(each)) for each in own]
            await self.customers(pairs, self._now())
        if public := [each for each in facts if not isinstance(each.data, OF_CUSTOMERS)]:
            await self._bus.publish(public)

    async def _free(self, event: AnyEvent) -> AnyEvent:
        """Return a merge without the identities that somebody else has claimed in the meantime."""
        if not isinstance(event.data, MergedAway):
            return event
        known = await self._directory.customers_by(event.tenant, event.data.identities)
        free = tuple(
            each
            for each in event.data.identities
            if name_of(each) not in known or known[name_of(each)].customer_id == event.key
        )
        return event._replace(data=event.data.model_copy(update={"identities": free}))


class Handler:
    """Applies a batch: trails first, so that who begins a session is known; then packs; then tickets."""

    def __init__(
        self,
        customers: Apply[Customer],
        trails: Apply[Trail],
        packs: Apply[Pack],
        preparing: Preparing,
        now: Now,
    ) -> None:
        self._customers = customers
        self._trails = trails
        self._packs = packs
        self._preparing = preparing
        self._now = now

    async def __call__(self, events: Sequence[AnyEvent]) -> None:
        steps = [(Key(each.tenant, each.key), each) for each in events if isinstance(each.data, STEPS)]
        if steps:
            await self._trails(steps, self._now())
        await self._keep_packs([each for each in events if isinstance(each.data, OF_PACKS)])
        await self._keep_tickets([each for each in events if isinstance(each.data, TICKET_FACTS)])

        identified = [each for each in events if isinstance(each.data, visitor.Identified)]
        began = [each for each in events if isinstance(each.data, BEGAN)]
        await self._preparing.visitors(identified, began)

    async def _keep_packs(self, events: Sequence[AnyEvent]) -> None:
        if not events:
            return
        commands = await self._preparing.began([each for each in events if isinstance(each.data, BEGAN)])
        pairs = [(Key(each.tenant, each.key), commands.get(each.id, each)) for each in events]
        await self._packs(pairs, self._now())

    async def _keep_tickets(self, events: Sequence[AnyEvent]) -> None:
        """Give facts of tickets to the customer they name, else to their session: it may know him later."""
        named: list[tuple[Key, AnyEvent]] = []
        unnamed: list[tuple[Key, AnyEvent]] = []
        for each in events:
            if customer_id := str(getattr(each.data, "customer_id", "")):
                named.append((Key(each.tenant, customer_id), each))
            elif session_id := str(getattr(each.data, "session_id", "")):
                unnamed.append((Key(each.tenant, session_id), each))
        if unnamed:
            await self._packs(unnamed, self._now())
        if named:
            await self._customers(named, self._now())
