"""The context pack of a session: who it is, what he told self-service, and how his contacts ended."""

import json
from dataclasses import dataclass, replace
from datetime import datetime

from libs.events import crm_context as told
from libs.events import ivr, session
from libs.events.base import AnyEvent, Facts, Identity, after
from libs.stored import Key
from libs.wire import format_time
from services.crm_context.domain.commands import ContactNoted, NotedContact, NotedTicket, Prepare, TicketNoted
from services.crm_context.domain.customer import TICKET_FACTS, flat, ticket_after

TICKETS = 50  # of one session


@dataclass(frozen=True, slots=True)
class Begun:
    """A contact of the session."""

    interaction_id: str
    channel: str
    began_at: datetime


@dataclass(frozen=True, slots=True)
class Pack:
    """
    What is known of a session for the agent's screen.

    Contacts that end and tickets that are opened before it is known whose they are wait here for him.
    """

    session_id: str
    journey_id: str = ""
    customer_id: str = ""
    visitor_id: str = ""
    identities: tuple[Identity, ...] = ()
    begun: tuple[Begun, ...] = ()
    ended: tuple[NotedContact, ...] = ()
    self_service: str = "{}"  # JSON text
    prepared_at: datetime | None = None
    closed: bool = False
    tickets: tuple[NotedTicket, ...] = ()


def blank(key: Key) -> Pack:
    return Pack(key.id)


def decide(pack: Pack, event: AnyEvent, now: datetime) -> tuple[Pack, Facts]:
    """Return the pack after an event, what is to be told, and what the customer's record is to keep."""
    match event.data:
        case Prepare() as data:
            return prepare(pack, event, data, now)
        case ivr.DialogueCompleted() as data:
            said = {**json.loads(pack.self_service), **data.pii.collected}
            if data.reason:
                said["reason"] = data.reason
            return replace(pack, self_service=json.dumps(said, ensure_ascii=False)), ()
        case session.ContactClosed() as data:
            return end(pack, event, data, now)
        case session.WrappedUp() as data:
            return amend(pack, event, data.interaction_id, {"codes": data.codes}, now)
        case session.SurveyAnswered() as data:
            return amend(pack, event, data.interaction_id, {"csat": data.csat}, now)
        case session.Closed():
            return replace(pack, closed=True), ()
    return keep_ticket(pack, event, now) if isinstance(event.data, TICKET_FACTS) else (pack, ())


def prepare(pack: Pack, event: AnyEvent, data: Prepare, now: datetime) -> tuple[Pack, Facts]:
    """Tell what an agent should know; what is asked again without anything new is not told again."""
    before, begun = pack, pack.begun
    if data.interaction_id:
        begun = (*begun, Begun(data.interaction_id, data.channel, event.time))
    elif not data.customer_id or data.customer_id == pack.customer_id or not begun:
        return pack, ()
    pack = replace(
        pack,
        journey_id=pack.journey_id or event.journey_id,
        customer_id=data.customer_id or pack.customer_id,
        visitor_id=data.visitor_id or pack.visitor_id,
        identities=tuple(dict.fromkeys((*pack.identities, *data.identities)))[:64],
        begun=begun,
        prepared_at=now,
    )
    prepared = told.ContextPrepared(
        session_id=pack.session_id,
        interaction_id=begun[-1].interaction_id,
        customer_id=data.customer_id,
        vip_level=data.vip_level,
        tags=data.tags,
        language=data.language,
        preferred_agent_id=data.preferred_agent_id,
        then_agent_ids=data.then_agent_ids,
        exclusive=data.exclusive,
        value=data.value,
        last_contacts=data.last_contacts,
        open_ticket_ids=data.open_ticket_ids,
        pii=told.ContextPii(name=data.name, identities=data.customer_identities, profile=flat(data.profile)),
    )
    return pack, [after(event, now, prepared, journey_id=pack.journey_id), *owed(before, pack, event, now)]


def end(pack: Pack, event: AnyEvent, data: session.ContactClosed, now: datetime) -> tuple[Pack, Facts]:
    """Keep how a contact ended, for the customer's history."""
    began = next((each for each in pack.begun if each.interaction_id == data.interaction_id), None)
    contact = NotedContact(
        session_id=data.session_id,
        interaction_id=data.interaction_id,
        time=format_time(event.time),
        channel=data.channel,
        outcome=data.outcome,
        agent_id=data.agent_id,
        queue_id=data.queue_id,
        began_at=began.began_at if began else None,
    )
    before, customer_id = pack, pack.customer_id or data.customer_id
    pack = replace(pack, ended=(*pack.ended, contact), customer_id=customer_id)
    return pack, [note(pack, event, contact, now)] if before.customer_id else owed(before, pack, event, now)


def amend(
    pack: Pack, event: AnyEvent, interaction_id: str, said: dict[str, object], now: datetime
) -> tuple[Pack, Facts]:
    """Add to a contact what became known after its end."""
    found = next((each for each in pack.ended if each.interaction_id == interaction_id), None)
    if found is None:
        return pack, ()
    contact = found.model_copy(update=said)
    pack = replace(pack, ended=tuple(contact if each is found else each for each in pack.ended))
    return pack, [note(pack, event, contact, now)] if pack.customer_id else ()


def keep_ticket(pack: Pack, event: AnyEvent, now: datetime) -> tuple[Pack, Facts]:
    """Keep how a ticket of the session stands, for the customer's record."""
    found = next((each for each in pack.tickets if each.ticket_id == event.key), None)
    ticket = ticket_after(found, event)
    others = [each for each in pack.tickets if each is not found]
    pack = replace(pack, tickets=(*others, ticket)[-TICKETS:])
    return pack, [note_ticket(pack, event, ticket, now)] if pack.customer_id else ()


def owed(before: Pack, pack: Pack, event: AnyEvent, now: datetime) -> list[AnyEvent]:
    """Return what has waited for the customer, where the event has just made him known."""
    if before.customer_id or not pack.customer_id:
        return []
    return [
        *(note(pack, event, each, now) for each in pack.ended),
        *(note_ticket(pack, event, each, now) for each in pack.tickets),
    ]


def note_ticket(pack: Pack, event: AnyEvent, ticket: NotedTicket, now: datetime) -> AnyEvent:
    fact = TicketNoted(customer_id=pack.customer_id, ticket=ticket)
    return after(event, now, fact, journey_id=pack.journey_id, what=ticket.ticket_id)


def note(pack: Pack, event: AnyEvent, contact: NotedContact, now: datetime) -> AnyEvent:
    fact = ContactNoted(customer_id=pack.customer_id, contact=contact)
    return after(event, now, fact, journey_id=pack.journey_id, what=contact.interaction_id)
