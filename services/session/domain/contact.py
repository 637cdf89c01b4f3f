"""A contact before it is queued and when it ends: self-service, handing over, leaving, the survey."""

from dataclasses import replace
from datetime import datetime, timedelta

from libs.events import interaction, ivr, queue
from libs.events import session as told
from libs.events.base import AnyEvent, Facts
from services.session.domain.state import Contact, Handover, Rules, Session, Survey, facts_of


def decide(
    session: Session, contact: Contact, event: AnyEvent, now: datetime, rules: Rules
) -> tuple[Session, Facts]:
    """Return what an event of the channel or of self-service changes."""
    match event.data:
        case ivr.DialogueCompleted() as data:
            return complete(session, contact, event, data, now, rules)
        case interaction.Ended() as data if contact.ended_at is None:
            return end(session, contact, event, data, now, rules)
        case interaction.SurveySubmitted() as data if contact.survey is None:
            return answer(session, contact, event, data, now)
    return session, ()


def complete(
    session: Session,
    contact: Contact,
    event: AnyEvent,
    data: ivr.DialogueCompleted,
    now: datetime,
    rules: Rules,
) -> tuple[Session, Facts]:
    """Close the contact that needs no agent, and hand over the one that does."""
    if contact.phase != "self_service":
        return session, ()
    match data.outcome:
        case "self_served":
            served = told.SelfServiceCompleted(
                session_id=session.session_id,
                interaction_id=contact.interaction_id,
                flow_id=data.flow_id,
                flow_version=data.flow_version,
                reason=data.reason,
            )
            first = facts_of(session, event, now, served)
            session, closed = close(session, contact, event, now, "self_served", data.reason)
            return session, [*first, *closed]
        case "abandoned":
            return close(session, contact, event, now, "abandoned_in_ivr", data.reason)
        case "failed":
            return close(session, contact, event, now, "failed", data.reason or "self_service_failed")
    if contact.ended_at is not None:
        return close(session, contact, event, now, "abandoned_in_ivr", "left_before_queue")
    if not data.queue_id:
        return close(session, contact, event, now, "failed", "no_queue")
    handover = Handover(
        data.queue_id,
        data.needs,
        data.priority,
        data.language,
        data.reason,
        data.attributes,
        data.deadline_s,
    )
    contact = replace(contact, handover=handover, pool_id=data.pool_id or rules.default_pool)
    return hand_over(session, contact, event, now, rules)


def hand_over(
    session: Session, contact: Contact, event: AnyEvent, now: datetime, rules: Rules
) -> tuple[Session, Facts]:
    """Queue the contact, once it is known who it is or that has been waited for long enough."""
    if session.customer_id or contact.prepared or rules.hold_s <= 0:
        return enqueue(session, contact, event, now, rules)
    held = replace(contact, phase="held", deadline=now + timedelta(seconds=rules.hold_s))
    return session.with_contact(held), ()


def enqueue(
    session: Session, contact: Contact, event: AnyEvent, now: datetime, rules: Rules
) -> tuple[Session, Facts]:
    """Put the contact into its queue with all that is known by now."""
    handover = contact.handover
    assert handover is not None
    contact = replace(
        contact,
        phase="queued",
        queue_id=handover.queue_id,
        queued_at=now,
        handover=None,
        deadline=None,
        language=handover.language or contact.language,
    )
    fact = queue.ContactQueued(
        pool_id=contact.pool_id,
        contact_id=contact.interaction_id,
        session_id=session.session_id,
        queue_id=handover.queue_id,
        channel=contact.channel,
        needs=handover.needs,
        priority=handover.priority,
        vip_level=session.vip_level,
        language=contact.language,
        customer_id=session.customer_id,
        preferred_agent_id=session.preferred_agent_id,
        preferred_for_s=rules.preferred_for_s if session.preferred_agent_id else 0.0,
        reason=handover.reason,
        exclusive=session.exclusive and bool(session.preferred_agent_id),
        then_preferred=_then_preferred(session, rules),
        value=session.value,
        deadline=now + timedelta(seconds=handover.deadline_s) if handover.deadline_s else None,
        attributes=handover.attributes,
    )
    return session.with_contact(contact), facts_of(session, event, now, fact)


def _then_preferred(session: Session, rules: Rules) -> tuple[queue.Preferred, ...]:
    """Return on whom routing insists after the preferred agent: who helped last, each as long as him."""
    if not rules.preferred_for_s:
        return ()
    return tuple(
        queue.Preferred(agent_id=agent_id, for_s=rules.preferred_for_s)
        for agent_id in session.then_agent_ids[: rules.last_agents]
    )


def end(
    session: Session, contact: Contact, event: AnyEvent, data: interaction.Ended, now: datetime, rules: Rules
) -> tuple[Session, Facts]:
    """Act on the end of the interaction, at whatever point it comes."""
    contact = replace(contact, ended_at=now)
    session = leave(session, contact, "customer", now)
    match contact.phase:
        case "self_service":  # the dialogue says how far it came; it may have told so already
            waiting = replace(contact, deadline=now + timedelta(seconds=rules.dialogue_grace_s))
            return session.with_contact(waiting), ()
        case "held":
            return close(session, contact, event, now, "abandoned_in_ivr", "left_before_queue")
        case "queued" | "connected":
            return withdraw(session, contact, event, now, data)
    return session.with_contact(contact), ()


def withdraw(
    session: Session, contact: Contact, event: AnyEvent, now: datetime, data: interaction.Ended
) -> tuple[Session, Facts]:
    """Tell the pool that the contact is over; what it makes of that closes the contact."""
    fact = queue.ContactWithdrawn(
        pool_id=contact.pool_id,
        contact_id=contact.interaction_id,
        session_id=session.session_id,
        by=data.by,
        reason=data.reason,
    )
    return session.with_contact(contact), facts_of(session, event, now, fact)


def time_out(
    session: Session, contact: Contact, event: AnyEvent, now: datetime, rules: Rules, *, stale: bool
) -> tuple[Session, Facts]:
    """Act on a contact whose deadline has come, or of which nothing was heard for too long (`stale`)."""
    if contact.phase == "held":
        return enqueue(session, contact, event, now, rules)
    if contact.phase == "self_service" and contact.ended_at is not None:
        return close(session, contact, event, now, "abandoned_in_ivr", "left_in_self_service")
    if not stale:
        return session.with_contact(replace(contact, deadline=None)), ()
    if contact.phase in ("queued", "connected") and not contact.external:
        gone = interaction.Ended(interaction_id=contact.interaction_id, by="system", reason="stale")
        if contact.ended_at is None:
            return withdraw(session, replace(contact, ended_at=now), event, now, gone)
        return session, ()
    return close(session, contact, event, now, "failed", "stale")


def close(
    session: Session,
    contact: Contact,
    event: AnyEvent,
    when: datetime,
    outcome: told.Outcome,
    reason: str = "",
) -> tuple[Session, Facts]:
    """Bring the contact to its one terminal state."""
    closed = replace(contact, phase="closed", outcome=outcome, deadline=None, handover=None)
    session = leave(session.with_contact(closed), closed, "", when)
    fact = told.ContactClosed(
        session_id=session.session_id,
        interaction_id=contact.interaction_id,
        channel=contact.channel,
        outcome=outcome,
        reason=reason,
        agent_id=contact.agent_id,
        queue_id=contact.queue_id,
        customer_id=session.customer_id,
    )
    return session, facts_of(session, event, when, fact)


def leave(session: Session, contact: Contact, participant_id: str, when: datetime) -> Session:
    """Return the session after a participant, or all of them (""), left the contact."""
    participants = tuple(
        replace(each, left_at=when)
        if each.interaction_id == contact.interaction_id
        and each.left_at is None
        and participant_id in ("", each.participant_id)
        else each
        for each in session.participants
    )
    return replace(session, participants=participants).with_contact(contact)


def answer(
    session: Session, contact: Contact, event: AnyEvent, data: interaction.SurveySubmitted, now: datetime
) -> tuple[Session, Facts]:
    """Take the customer's answer once and in time; one that comes before we asked is kept until we ask."""
    survey = Survey(data.csat, data.nps, data.ces, data.pii.comment, event.time)
    if contact.survey_until is None:
        if contact.phase == "closed" or contact.phase == "self_service":
            return session, ()
        return session.with_contact(replace(contact, survey=survey)), ()
    if event.time > contact.survey_until:
        return session, ()
    contact = replace(contact, survey=survey)
    return session.with_contact(contact), facts_of(session, event, now, answered(session, contact, survey))


def answered(session: Session, contact: Contact, survey: Survey) -> told.SurveyAnswered:
    return told.SurveyAnswered(
        session_id=session.session_id,
        interaction_id=contact.interaction_id,
        channel=contact.channel,
        agent_id=contact.agent_id,
        queue_id=contact.queue_id,
        csat=survey.csat,
        nps=survey.nps,
        ces=survey.ces,
        pii=told.CommentPii(comment=survey.comment),
    )
