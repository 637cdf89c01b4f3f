"""A contact in the hands of routing: queued, connected, passed on, released, wrapped up."""

from dataclasses import replace
from datetime import datetime, timedelta

from libs.events import routing
from libs.events import session as told
from libs.events.base import AnyEvent, Facts
from services.session.domain.contact import answered, close, leave
from services.session.domain.state import Contact, Participant, Rules, Session, WrapUp, facts_of


def decide(
    session: Session, contact: Contact, event: AnyEvent, now: datetime, rules: Rules
) -> tuple[Session, Facts]:
    """Return what a fact of routing changes; a closed contact is only wrapped up."""
    if isinstance(event.data, routing.ContactWrappedUp):
        return wrap_up(session, contact, event, event.data, now)
    if contact.phase == "closed":
        return session, ()
    match event.data:
        case routing.ContactEnqueued() as data:
            queued = replace(contact, phase="queued", queue_id=data.queue_id, pool_id=data.pool_id)
            return session.with_contact(queued), ()
        case routing.ContactAssigned() as data:
            return connect(session, contact, event, data, now)
        case routing.ContactRequeued() | routing.ContactTransferred():
            back = replace(contact, phase="queued")
            if contact.phase != "connected":
                return session.with_contact(back), ()
            return part(session, back, event, now)
        case routing.ContactRejected() as data:
            return close(
                session, replace(contact, queue_id=data.queue_id), event, now, "rejected", data.reason
            )
        case routing.ContactDiverted() as data:
            diverted = replace(contact, queue_id=data.queue_id)
            return close(session, diverted, event, now, "overflowed", data.to)
        case routing.ContactAbandoned() as data:
            gone = replace(contact, queue_id=data.queue_id)
            return close(session, gone, event, now, "abandoned_in_queue", data.by)
        case routing.ContactReleased() as data:
            return release(session, contact, event, data, now, rules)
    return session, ()


def connect(
    session: Session, contact: Contact, event: AnyEvent, data: routing.ContactAssigned, now: datetime
) -> tuple[Session, Facts]:
    """Bring customer and agent together."""
    contact = replace(contact, phase="connected", agent_id=data.agent_id, queue_id=data.queue_id)
    joined = Participant(data.agent_id, "agent", contact.interaction_id, now)
    session = replace(session.with_contact(contact), participants=(*session.participants, joined))
    connected = told.Connected(
        session_id=session.session_id,
        interaction_id=contact.interaction_id,
        agent_id=data.agent_id,
        queue_id=data.queue_id,
        waited_ms=data.waited_ms,
    )
    participant = told.ParticipantJoined(
        session_id=session.session_id, interaction_id=contact.interaction_id, agent_id=data.agent_id
    )
    return session, facts_of(session, event, now, connected, participant)


def part(session: Session, contact: Contact, event: AnyEvent, when: datetime) -> tuple[Session, Facts]:
    """Let the agent leave the contact."""
    session = leave(session, contact, contact.agent_id, when)
    fact = told.ParticipantLeft(
        session_id=session.session_id, interaction_id=contact.interaction_id, agent_id=contact.agent_id
    )
    return session, facts_of(session, event, when, fact)


def release(
    session: Session,
    contact: Contact,
    event: AnyEvent,
    data: routing.ContactReleased,
    now: datetime,
    rules: Rules,
) -> tuple[Session, Facts]:
    """Close the handled contact and ask the customer how it was."""
    contact = replace(
        contact,
        agent_id=data.agent_id,
        queue_id=data.queue_id,
        survey_until=now + timedelta(seconds=rules.survey_expires_s),
    )
    session, facts = part(session, contact, event, now)
    session, closed = close(session, contact, event, now, "handled", data.by)
    asked = told.SurveyRequested(
        session_id=session.session_id,
        interaction_id=contact.interaction_id,
        channel=contact.channel,
        agent_id=contact.agent_id,
        queue_id=contact.queue_id,
        expires_in_s=rules.survey_expires_s,
    )
    told_now = [*facts, *closed, *facts_of(session, event, now, asked)]
    if contact.survey is not None:  # he was quicker than the question
        told_now += facts_of(session, event, now, answered(session, contact, contact.survey))
    return session, told_now


def wrap_up(
    session: Session, contact: Contact, event: AnyEvent, data: routing.ContactWrappedUp, now: datetime
) -> tuple[Session, Facts]:
    """Keep what the agent noted."""
    note = WrapUp(data.agent_id, data.codes, data.pii.notes, now)
    fact = told.WrappedUp(
        session_id=session.session_id,
        interaction_id=contact.interaction_id,
        agent_id=data.agent_id,
        queue_id=data.queue_id,
        codes=data.codes,
        wrap_up_ms=data.wrap_up_ms,
        pii=told.NotesPii(notes=data.pii.notes),
    )
    return session.with_contact(replace(contact, wrap_up=note)), facts_of(session, event, now, fact)
