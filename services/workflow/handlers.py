"""What workflow does with the facts it reads: self-service asks for tickets, sessions name their journeys."""

from collections.abc import Sequence

from libs.apply import Apply
from libs.clock import Now
from libs.events import ivr, session
from libs.events.base import AnyEvent, Fact
from libs.reading import Handle
from libs.stored import Key
from services.workflow.domain.journey import Journey
from services.workflow.domain.ticket import Ticket

WANTED: tuple[type[Fact], ...] = (ivr.TicketRequested, session.Started)


def handler(tickets: Apply[Ticket], journeys: Apply[Journey], now: Now) -> Handle:
    """Return what takes batches of the bus."""

    async def handle(events: Sequence[AnyEvent]) -> None:
        asked: list[tuple[Key, AnyEvent]] = []
        begun: list[tuple[Key, AnyEvent]] = []
        for event in events:
            match event.data:
                case ivr.TicketRequested(ticket_id=ticket_id):
                    asked.append((Key(event.tenant, ticket_id), event))
                case session.Started(session_id=session_id, distribution="platform"):
                    begun.append((Key(event.tenant, session_id), event))
        if begun:
            await journeys(begun, now())
        if asked:
            await tickets(asked, now())

    return handle
