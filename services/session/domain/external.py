"""A contact that an ACD outside the platform serves: we only follow, at the times it tells."""

from dataclasses import replace
from datetime import timedelta

from libs.events import interaction
from libs.events import session as told
from libs.events.base import AnyEvent, Facts
from services.session.domain.contact import close, leave
from services.session.domain.serving import part
from services.session.domain.state import Contact, Participant, Session, facts_of

UNKNOWN = "unknown"  # the name of an agent or queue that the ACD did not tell


def decide(session: Session, contact: Contact, event: AnyEvent) -> tuple[Session, Facts]:
    """Return what the adapter's report changes."""
    if contact.phase == "closed":
        return session, ()
    match event.data:
        case interaction.QueueEntered() as data if contact.phase != "connected":
            since = contact.queued_at or event.time
            queued = replace(contact, phase="queued", queue_id=data.queue_id, queued_at=since)
            return session.with_contact(queued), ()
        case interaction.MediaChanged(change="answered") as data:
            return answer(session, contact, event, data)
        case interaction.Ended() as data:
            return end(session, contact, event, data)
    return session, ()


def answer(
    session: Session, contact: Contact, event: AnyEvent, data: interaction.MediaChanged
) -> tuple[Session, Facts]:
    """Let the agent in; only the first of them ends the wait."""
    agent_id = data.agent_id or UNKNOWN
    first = contact.phase != "connected"
    if not first and agent_id == contact.agent_id:
        return session, ()
    facts: list[AnyEvent] = []
    if not first:
        session, left = part(session, contact, event, event.time)
        facts += left
    waited = max(timedelta(), event.time - (contact.queued_at or event.time))
    contact = replace(
        contact,
        phase="connected",
        agent_id=agent_id,
        queue_id=data.queue_id or contact.queue_id or UNKNOWN,
    )
    joined = Participant(agent_id, "agent", contact.interaction_id, event.time)
    session = replace(session.with_contact(contact), participants=(*session.participants, joined))
    if first:
        connected = told.Connected(
            session_id=session.session_id,
            interaction_id=contact.interaction_id,
            agent_id=agent_id,
            queue_id=contact.queue_id,
            waited_ms=waited // timedelta(milliseconds=1),
        )
        facts += facts_of(session, event, event.time, connected)
    participant = told.ParticipantJoined(
        session_id=session.session_id, interaction_id=contact.interaction_id, agent_id=agent_id
    )
    return session, [*facts, *facts_of(session, event, event.time, participant)]


def end(
    session: Session, contact: Contact, event: AnyEvent, data: interaction.Ended
) -> tuple[Session, Facts]:
    """Close the contact by what happened in it."""
    when = event.time
    contact = replace(contact, ended_at=when)
    session = leave(session, contact, "customer", when)
    if contact.phase == "connected":
        session, left = part(session, contact, event, when)
        session, closed = close(session, contact, event, when, "handled", data.reason or data.by)
        return session, [*left, *closed]
    if contact.phase == "queued":
        return close(session, contact, event, when, "abandoned_in_queue", data.reason or data.by)
    if data.by == "customer":
        return close(session, contact, event, when, "self_served", data.reason)
    return close(session, contact, event, when, "failed", data.reason or data.by)
