"""A customer's record: created, changed, merged, deleted; with what happened to him lately."""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from libs.errors import Conflict, NotFound, Refused
from libs.events import crm_context as told
from libs.events import workflow
from libs.events.base import AnyEvent, Facts, Identity, Scalar, after
from libs.stored import Key
from services.crm_context.domain.commands import (
    ContactNoted,
    Delete,
    MergedAway,
    MergeInto,
    NotedContact,
    NotedTicket,
    TicketNoted,
    Upsert,
)

CONTACTS = 20
TICKETS = 50
IDENTITIES = 64
AGENTS = 5  # who should serve him, as told to routing
EXCLUSIVE_TAG = "account_manager_only"
TICKET_FACTS = (
    workflow.TicketOpened,
    workflow.TicketAssigned,
    workflow.TicketEscalated,
    workflow.TicketResolved,
    workflow.TicketReopened,
    workflow.TicketClosed,
)
OPEN = ("open", "assigned", "waiting")


@dataclass(frozen=True, slots=True)
class Customer:
    """
    A customer of the tenant.

    `version` counts the changes of the record, not those of contacts and tickets. A merged record points to
    the one that stays and has no identities of its own; a deleted one has nothing but its version.
    """

    customer_id: str
    version: int = 0
    name: str = ""
    identities: tuple[Identity, ...] = ()
    profile: str = "{}"  # JSON text
    tags: tuple[str, ...] = ()
    vip_level: int = 0
    language: str = ""
    preferred_agent_id: str = ""
    created_at: datetime | None = None
    created_by: str = ""  # the event that did
    updated_at: datetime | None = None
    merged_ids: tuple[str, ...] = ()
    merged_into: str = ""
    deleted: bool = False
    contacts: tuple[NotedContact, ...] = ()  # the newest first
    tickets: tuple[NotedTicket, ...] = ()  # the newest first

    @property
    def exists(self) -> bool:
        return self.version > 0 and not self.deleted and not self.merged_into

    @property
    def open_tickets(self) -> tuple[NotedTicket, ...]:
        return tuple(each for each in self.tickets if each.status in OPEN)

    def agents_at(self, now: datetime, last_agent_days: float) -> tuple[str, ...]:
        """
        Return the agents he should be given, the best first and at most `AGENTS`.

        First the one named in the record, then who has helped him within `last_agent_days`, latest first.
        """
        since = now - timedelta(days=last_agent_days)
        helped = [
            each.agent_id
            for each in self.contacts
            if each.outcome == "handled" and datetime.fromisoformat(each.time) >= since
        ]
        return tuple(dict.fromkeys(each for each in (self.preferred_agent_id, *helped) if each))[:AGENTS]

    @property
    def has_his_own_agent(self) -> bool:
        """Say whether nobody but the agent named in the record shall serve him while that one is there."""
        return bool(self.preferred_agent_id) and EXCLUSIVE_TAG in self.tags

    @property
    def value(self) -> float:
        """Return what he is worth, in the tenant's own measure: the number `value` of his profile, else 0."""
        value = json.loads(self.profile).get("value")
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
        return float(value) if is_number else 0.0


def blank(key: Key) -> Customer:
    return Customer(key.id)


def decide(customer: Customer, event: AnyEvent, now: datetime) -> tuple[Customer, Facts]:
    """
    Return the record after a command or a fact.

    :raises Conflict: the record is not at the version that was expected.
    :raises NotFound: there is no such customer to merge, delete or, where he has to be there, change.
    """
    match event.data:
        case Upsert() as data:
            return upsert(customer, event, data, now)
        case MergeInto() as data:
            return merge_away(customer, event, data, now)
        case MergedAway() as data:
            return absorb(customer, event, data, now)
        case Delete() as data:
            return delete(customer, event, data, now)
        case ContactNoted() as data:
            if customer.merged_into:
                on = data.model_copy(update={"customer_id": customer.merged_into})
                return customer, [after(event, now, on)]
            return note(customer, data.contact), ()
        case TicketNoted() as data:
            if customer.merged_into:
                further = data.model_copy(update={"customer_id": customer.merged_into})
                return customer, [after(event, now, further)]
            return note_ticket(customer, data.ticket), ()
    if not isinstance(event.data, TICKET_FACTS):
        return customer, ()
    found = next((each for each in customer.tickets if each.ticket_id == event.key), None)
    return note_ticket(customer, ticket_after(found, event)), ()


def upsert(customer: Customer, event: AnyEvent, data: Upsert, now: datetime) -> tuple[Customer, Facts]:
    """Create the customer, or change what is named; a change that says nothing new is none."""
    version = customer.version if customer.exists else 0
    if data.expected_version is not None and data.expected_version != version:
        raise Conflict(data.expected_version, version)
    if customer.merged_into:
        raise Refused(
            "customer_merged", "the customer was merged into another", {"into": customer.merged_into}
        )
    if data.only_existing and not customer.exists:
        raise NotFound("customer", customer.customer_id)
    given = {
        "name": data.name,
        "identities": data.identities,
        "profile": data.profile,
        "tags": data.tags,
        "vip_level": data.vip_level,
        "language": data.language,
        "preferred_agent_id": data.preferred_agent_id,
    }
    changed = {
        field: value
        for field, value in given.items()
        if value is not None and value != getattr(customer, field)
    }
    if not customer.exists:
        new = Customer(customer.customer_id, customer.version + 1, created_at=now, created_by=event.id)
        new = _with(new, changed, now)
        created = told.CustomerCreated(
            customer_id=new.customer_id,
            version=new.version,
            vip_level=new.vip_level,
            tags=new.tags,
            pii=pii_of(new),
        )
        return new, [after(event, now, created)]
    if not changed:
        return customer, ()
    customer = _with(replace(customer, version=customer.version + 1), changed, now)
    return customer, [after(event, now, updated(customer, tuple(sorted(changed))))]


def merge_away(customer: Customer, event: AnyEvent, data: MergeInto, now: datetime) -> tuple[Customer, Facts]:
    """Give all up to the one that stays, and lead to it from now on."""
    if customer.merged_into == data.target_id:
        return customer, ()
    if not customer.exists:
        raise NotFound("customer", customer.customer_id)
    parting = MergedAway(
        customer_id=data.target_id,
        merged_id=customer.customer_id,
        name=customer.name,
        identities=customer.identities,
        profile=customer.profile,
        tags=customer.tags,
        vip_level=customer.vip_level,
        language=customer.language,
        preferred_agent_id=customer.preferred_agent_id,
        merged_ids=customer.merged_ids,
        contacts=customer.contacts,
        tickets=customer.tickets,
    )
    customer = replace(
        customer, version=customer.version + 1, merged_into=data.target_id, identities=(), updated_at=now
    )
    return customer, [after(event, now, parting)]


def absorb(customer: Customer, event: AnyEvent, data: MergedAway, now: datetime) -> tuple[Customer, Facts]:
    """Take over what the merged record had; where both say something, ours stays."""
    if customer.merged_into:  # merged on in the meantime
        on = data.model_copy(update={"customer_id": customer.merged_into})
        return customer, [after(event, now, on)]
    contacts = {each.interaction_id: each for each in (*data.contacts, *customer.contacts)}
    tickets = {each.ticket_id: each for each in (*data.tickets, *customer.tickets)}
    customer = replace(
        customer,
        version=customer.version + 1,
        deleted=False,
        name=customer.name or data.name,
        identities=tuple(dict.fromkeys((*customer.identities, *data.identities)))[:IDENTITIES],
        profile=json.dumps({**json.loads(data.profile), **json.loads(customer.profile)}, ensure_ascii=False),
        tags=tuple(dict.fromkeys((*customer.tags, *data.tags))),
        vip_level=max(customer.vip_level, data.vip_level),
        language=customer.language or data.language,
        preferred_agent_id=customer.preferred_agent_id or data.preferred_agent_id,
        merged_ids=tuple(dict.fromkeys((*customer.merged_ids, data.merged_id, *data.merged_ids))),
        created_at=customer.created_at or now,
        updated_at=now,
        contacts=newest(list(contacts.values())),
        tickets=tuple(sorted(tickets.values(), key=lambda each: each.opened_at, reverse=True))[:TICKETS],
    )
    merged = told.CustomerMerged(
        customer_id=customer.customer_id,
        merged_customer_id=data.merged_id,
        version=customer.version,
        pii=pii_of(customer),
    )
    return customer, [after(event, now, merged)]


def delete(customer: Customer, event: AnyEvent, data: Delete, now: datetime) -> tuple[Customer, Facts]:
    """Forget everything but that there was a record."""
    if not customer.exists:
        raise NotFound("customer", customer.customer_id)
    if data.expected_version is not None and data.expected_version != customer.version:
        raise Conflict(data.expected_version, customer.version)
    gone = Customer(customer.customer_id, customer.version + 1, deleted=True, updated_at=now)
    fact = told.CustomerDeleted(customer_id=gone.customer_id, version=gone.version)
    return gone, [after(event, now, fact)]


def note(customer: Customer, contact: NotedContact) -> Customer:
    """Keep a contact, or what has become known of it since."""
    if not customer.exists:
        return customer
    others = [each for each in customer.contacts if each.interaction_id != contact.interaction_id]
    return replace(customer, contacts=newest([contact, *others]))


def note_ticket(customer: Customer, ticket: NotedTicket) -> Customer:
    """Keep how a ticket stands."""
    if not customer.exists:
        return customer
    others = [each for each in customer.tickets if each.ticket_id != ticket.ticket_id]
    tickets = sorted([ticket, *others], key=lambda each: each.opened_at, reverse=True)
    return replace(customer, tickets=tuple(tickets)[:TICKETS])


def ticket_after(found: NotedTicket | None, event: AnyEvent) -> NotedTicket:
    """Return how a ticket stands after one of the facts of tickets."""
    ticket = found or NotedTicket(ticket_id=event.key, opened_at=event.time)
    match event.data:
        case workflow.TicketOpened() as data:
            said: dict[str, object] = {
                "ticket_type": data.ticket_type,
                "priority": data.priority,
                "subject": data.pii.subject,
                "opened_at": event.time,
            }
        case workflow.TicketAssigned():
            said = {"status": "assigned"}
        case workflow.TicketEscalated() as data:
            said = {"priority": data.priority}
        case workflow.TicketResolved():
            said = {"status": "resolved"}
        case workflow.TicketReopened():
            said = {"status": "open"}
        case workflow.TicketClosed():
            said = {"status": "closed"}
        case _:
            return ticket
    return ticket.model_copy(update=said)


def newest(contacts: list[NotedContact]) -> tuple[NotedContact, ...]:
    return tuple(sorted(contacts, key=lambda each: (each.time, each.interaction_id), reverse=True))[:CONTACTS]


def updated(customer: Customer, changed: tuple[str, ...]) -> told.CustomerUpdated:
    return told.CustomerUpdated(
        customer_id=customer.customer_id,
        version=customer.version,
        vip_level=customer.vip_level,
        tags=customer.tags,
        changed=changed,
        pii=pii_of(customer),
    )


def pii_of(customer: Customer) -> told.CustomerPii:
    return told.CustomerPii(
        name=customer.name, identities=customer.identities, profile=flat(customer.profile)
    )


def flat(profile: str) -> dict[str, Scalar]:
    """Return a profile as facts carry it: what is nested goes as JSON text."""
    values: dict[str, Any] = json.loads(profile)
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
        for name, value in values.items()
    }


def _with(customer: Customer, changed: dict[str, Any], now: datetime) -> Customer:
    return replace(customer, **changed, updated_at=now)
