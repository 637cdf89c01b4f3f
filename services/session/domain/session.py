"""Decide what an event means for its session: begin, resume, identify, queue, close."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from libs.events import crm_context, interaction, ivr, routing, visitor
from libs.events import session as told
from libs.events.base import AnyEvent, Facts, Identity, Tick
from libs.identities import normal
from services.session.domain import contact as contacts
from services.session.domain import external, serving
from services.session.domain.state import (
    Contact,
    Handover,
    Participant,
    Rules,
    Session,
    facts_of,
    keys_of,
)

Decide = Callable[[Session, AnyEvent, datetime], tuple[Session, Facts]]


class SessionIsClosed(Exception):
    """The interaction was placed in a session that has closed meanwhile: it must be placed anew."""


def decider(rules: Rules) -> Decide:
    """Return `decide` under these rules."""

    def decide(session: Session, event: AnyEvent, now: datetime) -> tuple[Session, Facts]:
        if isinstance(event.data, interaction.Started):
            return begin(session, event, event.data, now, rules)
        if not session.contacts:
            return session, ()  # nothing begins otherwise
        if isinstance(event.data, Tick):
            return pass_time(session, event, now, rules)
        after, facts = _decide(session, event, now, rules)
        if after is session and not facts:
            return session, ()
        return _heard(after, event, now), facts

    return decide


def _decide(session: Session, event: AnyEvent, now: datetime, rules: Rules) -> tuple[Session, Facts]:
    match event.data:
        case visitor.Identified() as data:
            return learn(session, data.pii.identities, data.visitor_id), ()
        case crm_context.ContextPrepared() as data:
            return identify(session, event, data, now, rules)
        case (
            routing.ContactEnqueued()
            | routing.ContactAssigned()
            | routing.ContactRequeued()
            | routing.ContactTransferred()
            | routing.ContactRejected()
            | routing.ContactDiverted()
            | routing.ContactAbandoned()
            | routing.ContactReleased()
            | routing.ContactWrappedUp() as data
        ):
            found = session.contact(data.contact_id)
            return serving.decide(session, found, event, now, rules) if found else (session, ())
        case (
            ivr.DialogueCompleted()
            | interaction.QueueEntered()
            | interaction.MediaChanged()
            | interaction.SurveySubmitted()
            | interaction.Ended() as data
        ):
            found = session.contact(data.interaction_id)
            if found is None:
                return session, ()
            if found.external:
                return external.decide(session, found, event)
            return contacts.decide(session, found, event, now, rules)
    return session, ()


def begin(
    session: Session, event: AnyEvent, data: interaction.Started, now: datetime, rules: Rules
) -> tuple[Session, Facts]:
    """
    Open the session, or resume it, with one more interaction; one that names a queue is handed over at once.

    :raises SessionIsClosed: it has closed since the interaction was placed here.
    """
    if session.contact(data.interaction_id):
        return session, ()  # told twice under two ids
    if session.closed_at is not None:
        raise SessionIsClosed
    external_acd = data.distribution == "external"
    when = event.time if external_acd else now
    new = Contact(
        data.interaction_id, data.channel, data.direction, data.entry_point, data.language, external_acd, when
    )
    opening = not session.contacts
    if opening:
        keys = keys_of(session.tenant, data.pii.identities, [data.visitor_id])
        session = replace(session, began_at=when, journey_id=event.journey_id, opening_keys=keys)
    session = learn(session, data.pii.identities, data.visitor_id)
    joined = Participant("customer", "customer", data.interaction_id, when)
    session = replace(
        session, contacts=(*session.contacts, new), participants=(*session.participants, joined)
    )
    began = told.Started if opening else told.Resumed
    fact = began(
        session_id=session.session_id,
        interaction_id=data.interaction_id,
        channel=data.channel,
        direction=data.direction,
        entry_point=data.entry_point,
        language=data.language,
        visitor_id=data.visitor_id,
        customer_id=session.customer_id,
        distribution=data.distribution,
        context=data.context,
        queue_id="" if external_acd else data.queue_id,
        pii=data.pii.model_copy(update={"identities": tuple(normal(each) for each in data.pii.identities)}),
    )
    facts = facts_of(session, event, when, fact)
    if not fact.queue_id:
        return _heard(session, event, now), facts
    direct = replace(
        new,
        handover=Handover(data.queue_id, language=data.language),
        pool_id=data.pool_id or rules.default_pool,
    )
    session, queued = contacts.hand_over(session, direct, event, now, rules)
    return _heard(session, event, now), [*facts, *queued]


def learn(session: Session, identities: tuple[Identity, ...], visitor_id: str) -> Session:
    """Return the session that knows these identities as well."""
    known = {*session.identities}
    new = tuple(dict.fromkeys(each for each in map(normal, identities) if each not in known))
    visitors = () if not visitor_id or visitor_id in session.visitor_ids else (visitor_id,)
    if not new and not visitors:
        return session
    return replace(
        session,
        identities=(*session.identities, *new)[:64],
        visitor_ids=(*session.visitor_ids, *visitors)[:64],
    )


def identify(
    session: Session, event: AnyEvent, data: crm_context.ContextPrepared, now: datetime, rules: Rules
) -> tuple[Session, Facts]:
    """Note who it is, and queue the contacts that were held back for that."""
    facts: list[AnyEvent] = []
    found = session.contact(data.interaction_id)
    if data.customer_id and data.customer_id != session.customer_id:
        session = replace(session, customer_id=data.customer_id)
        fact = told.CustomerIdentified(
            session_id=session.session_id,
            interaction_id=data.interaction_id,
            visitor_id=session.visitor_ids[0] if session.visitor_ids else "",
            customer_id=data.customer_id,
            vip_level=data.vip_level,
            preferred_agent_id=data.preferred_agent_id,
        )
        when = event.time if found is not None and found.external else now
        facts += facts_of(session, event, when, fact)
    if data.customer_id:
        session = replace(
            session,
            vip_level=data.vip_level,
            preferred_agent_id=data.preferred_agent_id,
            then_agent_ids=data.then_agent_ids,
            exclusive=data.exclusive,
            value=data.value,
        )
    for each in session.contacts:
        if each.phase == "held":
            session, queued = contacts.enqueue(session, replace(each, prepared=True), event, now, rules)
            facts += queued
        elif each.interaction_id == data.interaction_id and not each.prepared:
            session = session.with_contact(replace(each, prepared=True))
    return session, facts


def pass_time(session: Session, event: AnyEvent, now: datetime, rules: Rules) -> tuple[Session, Facts]:
    """Act on the deadlines that have come; `event.time` is the time that has come."""
    if session.closed_at is not None or session.active_at is None or session.heard_at is None:
        return session, ()
    facts: list[AnyEvent] = []
    if session.idle:
        inactivity = timedelta(seconds=rules.inactivity_s)
        if event.time < session.active_at + inactivity and event.time < session.heard_at + inactivity:
            return session, ()
        when = session.active_at + inactivity if session.contacts[-1].external else now
        closed = told.Closed(
            session_id=session.session_id,
            contacts=len(session.contacts),
            customer_id=session.customer_id,
            reason="inactivity",
        )
        return replace(session, closed_at=when), facts_of(session, event, when, closed)
    stale = now >= session.heard_at + timedelta(seconds=rules.stale_s)
    for each in session.contacts:
        if each.phase == "closed" or not (stale or (each.deadline is not None and each.deadline <= now)):
            continue
        session, more = contacts.time_out(session, each, event, now, rules, stale=stale)
        facts += more
    return (_heard(session, event, now) if stale else session), facts


def _heard(session: Session, event: AnyEvent, now: datetime) -> Session:
    active = event.time if session.active_at is None else max(session.active_at, event.time)
    return replace(session, active_at=active, heard_at=now)
