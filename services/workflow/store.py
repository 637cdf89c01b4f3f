"""How tickets are kept and found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from libs.mongo import Database, IndexModel, MongoStore, Shape
from libs.stored import Store
from services.workflow.domain.journey import Journey
from services.workflow.domain.ticket import Ticket, due


def index(ticket: Ticket) -> dict[str, Any]:
    """Return the fields that tickets are found by."""
    return {
        "id": ticket.ticket_id,
        "status": ticket.status,
        "agent_id": ticket.agent_id,
        "group_id": ticket.group,
        "customer_id": ticket.customer_id,
        "session_id": ticket.session_id,
        "type": ticket.ticket_type,
        "overdue": bool(ticket.overdue),
        "due": ticket.resolution_due,
    }


TICKETS: Shape[Ticket] = Shape(
    "tickets",
    Ticket,
    blank=lambda key: Ticket(key.id),
    due=due,
    index=index,
    indexes=tuple(
        IndexModel([("tenant", 1), *[(each, 1) for each in fields]], name=name)
        for name, fields in {
            "due_first": ("ix.due", "ix.id"),
            "customer": ("ix.customer_id", "ix.due", "ix.id"),
            "agent": ("ix.agent_id", "ix.status", "ix.due", "ix.id"),
            "group": ("ix.group_id", "ix.status", "ix.due", "ix.id"),
            "session": ("ix.session_id",),
        }.items()
    ),
)
JOURNEYS: Shape[Journey] = Shape("journeys", Journey, blank=lambda key: Journey(key.id))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tickets are wanted; every field that is set must hold. `after` is the last of the page before."""

    statuses: Sequence[str] = ()
    agent_id: str = ""
    group_id: str = ""
    customer_id: str = ""
    session_id: str = ""
    type: str = ""
    overdue_only: bool = False
    after: tuple[datetime, str] | None = None


class TicketStore(Store[Ticket], Protocol):
    """Tickets, found by what they are about."""

    async def search(self, tenant: str, wanted: Wanted, limit: int) -> list[Ticket]:
        """Return tickets, the one due first in front."""
        ...


class MongoTickets(MongoStore[Ticket]):
    """Tickets in the database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, TICKETS)

    async def search(self, tenant: str, wanted: Wanted, limit: int) -> list[Ticket]:
        exact = ("agent_id", "group_id", "customer_id", "session_id", "type")
        where: dict[str, Any] = {
            f"ix.{name}": getattr(wanted, name) for name in exact if getattr(wanted, name)
        }
        if wanted.statuses:
            where["ix.status"] = {"$in": list(wanted.statuses)}
        if wanted.overdue_only:
            where["ix.overdue"] = True
        if wanted.after:
            due_at, ticket_id = wanted.after
            where["$or"] = [
                {"ix.due": {"$gt": due_at}},
                {"ix.due": due_at, "ix.id": {"$gt": ticket_id}},
            ]
        order = [("ix.due", 1), ("ix.id", 1)]
        return await self.find(tenant, where, sort=order, limit=limit)
