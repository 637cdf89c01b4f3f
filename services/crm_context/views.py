"""Customers and context packs as the messages of the gRPC contract."""

import json
from datetime import datetime

from libs.events.base import Identity
from libs.rpc.common.v1 import common_pb2
from libs.rpc.crm_context.v1 import crm_context_pb2 as pb
from libs.structs import stamp, struct_of
from services.crm_context.domain.commands import NotedContact, NotedTicket
from services.crm_context.domain.customer import Customer
from services.crm_context.domain.finding import masked
from services.crm_context.domain.pack import Pack
from services.crm_context.domain.trail import Step, Trail
from services.crm_context.importing import WORDS, RowError


def customer_view(customer: Customer, *, mask: bool) -> pb.Customer:
    """Return a customer; with `mask`, identities in part and no profile."""
    identities = [masked(each) if mask else each for each in customer.identities]
    return pb.Customer(
        customer_id=customer.customer_id,
        name=customer.name,
        identities=[identity_view(each) for each in identities],
        profile=None if mask else struct_of(json.loads(customer.profile)),
        tags=customer.tags,
        vip_level=customer.vip_level,
        language=customer.language,
        preferred_agent_id=customer.preferred_agent_id,
        created_at=stamp(customer.created_at),
        updated_at=stamp(customer.updated_at),
        version=customer.version,
        masked=mask,
        merged_ids=customer.merged_ids,
    )


def identity_view(identity: Identity) -> common_pb2.Identity:
    return common_pb2.Identity(kind=identity.kind, value=identity.value)


def pack_view(pack: Pack, customer: Customer | None, trail: Trail | None, *, mask: bool) -> pb.ContextPack:
    """Return what the agent sees of a session."""
    contacts = customer.contacts if customer else pack.ended[::-1]
    return pb.ContextPack(
        session_id=pack.session_id,
        customer=customer_view(customer, mask=mask) if customer else None,
        prepared_at=stamp(pack.prepared_at),
        trail=[step_view(each) for each in trail.steps] if trail else [],
        self_service=None if mask else struct_of(json.loads(pack.self_service)),
        past_contacts=[contact_view(each) for each in contacts],
        open_tickets=[ticket_view(each) for each in customer.open_tickets] if customer else [],
        journey_id=pack.journey_id,
    )


def step_view(step: Step) -> pb.TrailStep:
    return pb.TrailStep(
        time=stamp(step.time), type=step.type, subject=step.subject, data=struct_of(step.data)
    )


def contact_view(contact: NotedContact) -> pb.PastContact:
    return pb.PastContact(
        session_id=contact.session_id,
        interaction_id=contact.interaction_id,
        channel=contact.channel,
        started_at=stamp(contact.began_at),
        ended_at=stamp(datetime.fromisoformat(contact.time)),
        agent_id=contact.agent_id,
        queue_id=contact.queue_id,
        outcome=contact.outcome,
        wrap_up_codes=contact.codes,
        csat=contact.csat,
    )


def ticket_view(ticket: NotedTicket) -> pb.TicketSummary:
    return pb.TicketSummary(
        ticket_id=ticket.ticket_id,
        type=ticket.ticket_type,
        subject=ticket.subject,
        status=ticket.status,
        priority=ticket.priority,
        opened_at=stamp(ticket.opened_at),
    )


def error_view(error: RowError) -> pb.RowError:
    english, chinese = WORDS[error.reason]
    return pb.RowError(
        row=error.row,
        column=error.column,
        reason=error.reason,
        message=common_pb2.Words(en=english, zh=chinese),
    )
