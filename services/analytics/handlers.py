"""Which fact goes to which aggregate, and what is counted goes on to the intervals."""

from collections.abc import Sequence
from typing import Any, Protocol

from libs.apply import Apply
from libs.backoff import Wait, at_once
from libs.clock import Now
from libs.events import agent, interaction, routing, session
from libs.events.base import AnyEvent, Fact
from libs.reading import Handle
from libs.stored import Key, Store
from services.analytics.domain import agent_time, contact, interval
from services.analytics.domain.agent_time import AgentTime
from services.analytics.domain.contact import Contact
from services.analytics.domain.interval import Interval

SOURCE = "/trunkline/analytics"

WANTED: tuple[type[Fact], ...] = (
    session.Started,
    session.Resumed,
    session.ContactClosed,
    session.SurveyAnswered,
    routing.ContactEnqueued,
    routing.ContactAssigned,
    routing.ContactRequeued,
    routing.ContactAbandoned,
    routing.ContactOverflowed,
    routing.ContactMoved,
    routing.ContactDiverted,
    routing.ContactTransferred,
    routing.ContactReleased,
    routing.ContactWrappedUp,
    routing.ContactRejected,
    routing.AgentOffered,
    routing.OfferExpired,
    routing.OfferDeclined,
    agent.StateEntered,
    interaction.Started,
    interaction.QueueEntered,
    interaction.MediaChanged,
    interaction.Ended,
)


def contact_of(data: Fact) -> str:
    """Return the id of the contact a fact speaks of."""
    said = data.__dict__  # a fact that lacks a field answers slowly when asked for it by name
    return str(said.get("contact_id") or said.get("interaction_id", ""))


class Publishing(Protocol):
    """What analytics needs of a bus to tell its facts."""

    async def publish(self, events: Sequence[AnyEvent]) -> None: ...


class Counting:
    """The three applies of analytics: contacts and agents count, intervals add up."""

    def __init__(
        self,
        contacts: Store[Contact],
        agents: Store[AgentTime],
        intervals: Store[Interval],
        bus: Publishing,
        now: Now,
        kind: type[Apply[Any]] = Apply,
        wait: Wait = at_once,
    ) -> None:
        self.intervals: Apply[Interval] = kind(intervals, interval.decide, bus.publish, SOURCE, wait=wait)

        async def add_up(counted: Sequence[AnyEvent]) -> None:
            await self.intervals([(Key(event.tenant, event.key), event) for event in counted], now())

        self.contacts: Apply[Contact] = kind(contacts, contact.decide, add_up, SOURCE, wait=wait)
        self.agents: Apply[AgentTime] = kind(agents, agent_time.decide, add_up, SOURCE, wait=wait)
        self._now = now

    @property
    def handle(self) -> Handle:
        """Return what the consumer gives its batches to."""

        async def handle(events: Sequence[AnyEvent]) -> None:
            of_agents = [event for event in events if isinstance(event.data, agent.StateEntered)]
            of_contacts = [event for event in events if not isinstance(event.data, agent.StateEntered)]
            now = self._now()
            if of_contacts:
                await self.contacts(
                    [(Key(event.tenant, contact_of(event.data)), event) for event in of_contacts], now
                )
            if of_agents:
                await self.agents([(Key(event.tenant, event.key), event) for event in of_agents], now)

        return handle
