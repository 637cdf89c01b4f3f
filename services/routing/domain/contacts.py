"""What happens to contacts: they are queued, leave, are moved, passed on, overflow."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from libs.events import queue, routing
from libs.events.base import AnyEvent
from services.routing.domain import admission, calling_back, offers, preferring, relaxing, wrap_up
from services.routing.domain.model import BEGINNING, Contact, Queue, seconds, to_ms
from services.routing.domain.turn import Turn

VIP_PRIORITY = 10  # per level
TRANSFER_INSISTS_S = 60.0  # on the agent named in a transfer; after that anybody of the queue
OVER = ("abandoned", "released", "diverted")
Cause = Literal["arrived", "transferred", "overflowed", "moved"]


def queued(turn: Turn, event: AnyEvent, data: queue.ContactQueued) -> None:
    """Admit a contact, unless its queue cannot take it; one already here or over is left as it is."""
    ended = turn.finished.get(data.contact_id)
    if data.contact_id in turn.contacts or (ended and ended.outcome in OVER):
        return
    since = min(event.time, turn.now)
    contact = Contact(
        contact_id=data.contact_id,
        session_id=data.session_id,
        journey_id=event.journey_id,
        queue_id=data.queue_id,
        channel=data.channel,
        needs=data.needs,
        priority=data.priority + VIP_PRIORITY * data.vip_level,
        since=since,
        aged_since=since,
        customer_id=data.customer_id,
        reason=data.reason,
        preferred_agent_id=data.preferred_agent_id,
        insist_until=_insist_until(data, since),
        then_preferred=data.then_preferred,
        vip_level=data.vip_level,
        language=data.language,
        value=data.value,
        deadline=data.deadline,
        attributes=data.attributes,
        excluded_agent_ids=data.excluded_agent_ids,
    )
    if data.contact_id in turn.callbacks:
        contact = calling_back.in_place(contact, turn.callbacks[data.contact_id])
    why = admission.refusal(turn, contact)
    if why:
        turn.tell(routing.ContactRejected(**contact.about(turn.pool_id), **why), event.journey_id)
        turn.end(data.contact_id, ended.outcome if ended else "rejected")
    elif ended and ended.outcome == "withdrawn":
        _tell_enqueued(turn, contact, "arrived")
        left = routing.ContactAbandoned(**contact.about(turn.pool_id), waited_ms=to_ms(ended.at - since))
        turn.tell(left, event.journey_id)
        turn.end(data.contact_id, "abandoned")
    else:
        contact = preferring.begun(turn, contact)
        enqueue(turn, contact, turn.queues[data.queue_id], "arrived")
        divert(turn, contact.contact_id)


def _insist_until(data: queue.ContactQueued, since: datetime) -> datetime | None:
    """Return until when nobody but the preferred agent will do; an exclusive one is waited for to the end."""
    if not data.preferred_agent_id:
        return None
    if data.exclusive:
        return since + timedelta(days=365)
    return since + seconds(data.preferred_for_s) if data.preferred_for_s else None


def enqueue(turn: Turn, contact: Contact, into: Queue, cause: Cause) -> None:
    """Let the contact wait in a queue; its age goes with it, its measured wait begins anew with `since`."""
    entered = replace(
        relaxing.begun(replace(contact, announced_at=None), into),
        queue_id=into.config.queue_id,
        position=0,
        position_at=BEGINNING,
        expected_at=(),
    )
    _tell_enqueued(turn, entered, cause)
    turn.admit(entered)


def _tell_enqueued(turn: Turn, contact: Contact, cause: Cause) -> None:
    fact = routing.ContactEnqueued(
        **contact.about(turn.pool_id), cause=cause, priority=contact.priority, since=contact.since
    )
    turn.tell(fact, contact.journey_id)


def withdrawn(turn: Turn, data: queue.ContactWithdrawn) -> None:
    """End a contact: who waits has abandoned, who talks is released to wrap-up."""
    contact = turn.contacts.get(data.contact_id)
    if contact is None:
        ended = turn.finished.get(data.contact_id)
        if ended is None or ended.outcome == "rejected":
            turn.end(data.contact_id, "withdrawn")  # should it yet be queued, it is abandoned at once
        return
    about = contact.about(turn.pool_id)
    if contact.state == "assigned":
        talked_ms = wrap_up.talked_ms(contact, turn.now)
        released = routing.ContactReleased(
            **about, agent_id=contact.agent_id, talked_ms=talked_ms, by=data.by
        )
        turn.tell(released, contact.journey_id)
        wrap_up.begin(turn, contact)
        turn.end(data.contact_id, "released")
        return
    if contact.state == "offered":
        offers.withdraw(turn, contact, f"{data.by} left")
    left = routing.ContactAbandoned(**about, waited_ms=to_ms(turn.now - contact.since), by=data.by)
    turn.tell(left, contact.journey_id)
    turn.end(data.contact_id, "abandoned")


def moved(turn: Turn, data: queue.ContactMoved) -> None:
    """Do a supervisor's will with a contact that nobody serves yet; a full queue does not stop him."""
    contact = turn.contacts.get(data.contact_id)
    if contact is None or contact.state == "assigned":
        turn.refuse(data.by, "unknown_contact", "the contact does not wait")
        return
    into = turn.queues.get(data.to_queue_id) if data.to_queue_id else None
    if data.to_queue_id and (into is None or not into.config.enabled):
        turn.refuse(data.by, "unknown_queue")
        return
    if data.priority is not None:
        contact = replace(contact, priority=data.priority)
        turn.contacts[contact.contact_id] = contact
    if into is None or data.to_queue_id == contact.queue_id:
        return
    if contact.state == "offered":
        contact = offers.withdraw(turn, contact, "moved")
    fact = routing.ContactMoved(
        **contact.about(turn.pool_id),
        to_queue_id=data.to_queue_id,
        by=data.by,
        waited_ms=to_ms(turn.now - contact.since),
        reason=data.reason,
    )
    turn.tell(fact, contact.journey_id)
    enqueue(turn, replace(contact, since=turn.now, been_in=(), passed_by=""), into, "moved")


def transfer_requested(turn: Turn, data: queue.TransferRequested) -> None:
    """Let the agent who talks pass the contact on; he wraps up, it waits with the age it has."""
    contact = turn.contacts.get(data.contact_id)
    agent = turn.agents.get(data.agent_id)
    if agent is None:
        turn.refuse(data.agent_id, "unknown_agent")
        return
    if contact is None:
        turn.refuse(data.agent_id, "unknown_contact")
        return
    if contact.state != "assigned" or contact.agent_id != data.agent_id:
        turn.refuse(data.agent_id, "not_your_contact")
        return
    to_queue_id = data.to_queue_id or (contact.queue_id if data.to_agent_id else "")
    into = turn.queues.get(to_queue_id)
    if into is None or not into.config.enabled:
        turn.refuse(data.agent_id, "unknown_queue")
        return
    if data.to_agent_id and not _can_be_named(turn, contact, data):
        turn.refuse(data.agent_id, "agent_unavailable")
        return
    fact = routing.ContactTransferred(
        **contact.about(turn.pool_id),
        agent_id=data.agent_id,
        to_queue_id=to_queue_id,
        to_agent_id=data.to_agent_id,
        talked_ms=wrap_up.talked_ms(contact, turn.now),
        reason=data.reason,
    )
    turn.tell(fact, contact.journey_id)
    wrap_up.begin(turn, contact)
    passed = replace(
        contact,
        since=turn.now,
        assigned_at=None,
        been_in=(),
        reason=data.reason or contact.reason,
        preferred_agent_id=data.to_agent_id,
        by_name=bool(data.to_agent_id),
        passed_by=data.agent_id,
        insist_until=turn.now + seconds(TRANSFER_INSISTS_S) if data.to_agent_id else None,
        then_preferred=(),
    )
    enqueue(turn, passed, into, "transferred")


def _can_be_named(turn: Turn, contact: Contact, data: queue.TransferRequested) -> bool:
    named = turn.agents.get(data.to_agent_id)
    return (
        named is not None
        and named.signed_in
        and data.to_agent_id != data.agent_id
        and named.config.capacity.get(contact.channel, 0) > 0
    )


def divert(turn: Turn, contact_id: str) -> None:
    """Send a contact on at once, as long as the queue it has come to is closed, full or deserted."""
    while contact := turn.contacts.get(contact_id):
        to_queue_id = "" if contact.is_callback else admission.elsewhere(turn, contact)
        if not to_queue_id or not _overflow_to(turn, contact, to_queue_id):
            return


def overflow(turn: Turn, contact: Contact) -> None:
    """Send a contact that waited too long on; where that cannot be, it waits for the next way out."""
    for way in relaxing.ways_out(contact, turn.queues[contact.queue_id], turn.now):
        if way.instead:
            has_left = calling_back.divert(turn, contact, way.instead)
        else:
            has_left = _overflow_to(turn, contact, way.to)
        if has_left:
            return
    later = relaxing.next_way_out(contact, turn.queues[contact.queue_id], turn.now)
    turn.contacts[contact.contact_id] = replace(contact, overflow_at=later)


def _overflow_to(turn: Turn, contact: Contact, to_queue_id: str) -> bool:
    """Move the contact by rule; never back to a queue it came from, nor to a full one."""
    into = turn.queues.get(to_queue_id)
    been_in = (*contact.been_in, contact.queue_id)
    if into is None or not into.config.enabled or to_queue_id in been_in or admission.is_full(turn, into):
        return False
    waited_ms = to_ms(turn.now - contact.since)
    fact = routing.ContactOverflowed(
        **contact.about(turn.pool_id), to_queue_id=to_queue_id, waited_ms=waited_ms
    )
    turn.tell(fact, contact.journey_id)
    enqueue(turn, replace(contact, since=turn.now, been_in=been_in, passed_by=""), into, "overflowed")
    return True


def stop_insisting(turn: Turn, contact_id: str) -> None:
    """When its time for the preferred agent is over, let a contact insist on the next, or open it to all."""
    contact = turn.contacts[contact_id]
    if contact.insist_until is not None and contact.insist_until <= turn.now:
        turn.contacts[contact_id] = preferring.moved_on(turn, contact)
        turn.reconsider(contact_id)


def gather(turn: Turn, contact_id: str) -> None:
    """Let a contact be matched that has waited for others to come."""
    contact = turn.contacts[contact_id]
    if contact.state == "waiting" and contact.match_at is not None and contact.match_at <= turn.now:
        turn.contacts[contact_id] = replace(contact, match_at=None)
        turn.gather(contact_id)


def relax(turn: Turn, contact_id: str) -> None:
    """Look again for an agent, since less is asked of him by now."""
    contact = turn.contacts[contact_id]
    if contact.state == "waiting" and contact.relax_at is not None and contact.relax_at <= turn.now:
        later = relaxing.next_relaxed(contact, turn.queues[contact.queue_id], turn.now)
        turn.contacts[contact_id] = replace(contact, relax_at=later)
        turn.reconsider(contact_id)
