"""Callbacks: asked for, and started when their time has come, at the place kept; and ways past agents."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from libs import hours
from libs.events import interaction, queue, routing
from libs.events.base import AnyEvent, follow_id
from services.routing.domain import offers
from services.routing.domain.callback import Callback
from services.routing.domain.model import Contact, Queue, to_ms
from services.routing.domain.turn import Turn

ENTRY_POINT = "callback"
FARTHEST = timedelta(days=90)
MOST_CALLBACKS = 10_000  # of one pool
MOST_DAYS = 60  # looked through for the next opening of a queue
Refused = Literal[
    "unknown_contact",
    "already_served",
    "unknown_queue",
    "callback_exists",
    "nobody_to_call",
    "too_late",
    "too_many",
]


def requested(turn: Turn, event: AnyEvent, data: queue.CallbackRequested) -> None:
    """Note a callback, once; the contact that asked for it leaves its queue, its place is kept."""
    if data.callback_id in turn.callbacks or data.callback_id in turn.contacts:
        return
    if data.callback_id in turn.finished:
        return
    contact = turn.contacts.get(data.contact_id) if data.contact_id else None
    into = turn.queues.get(data.queue_id or (contact.queue_id if contact else ""))
    code = _obstacle(turn, data, contact, into)
    if code or into is None:
        _refuse(turn, data, code or "unknown_queue")
        return
    starts_at = opens_at(into, max(whole_ms(data.due_at or turn.now), turn.now))
    callback = Callback(
        data.callback_id,
        into.config.queue_id,
        event.journey_id,
        data.channel,
        starts_at,
        turn.now,
        starts_at if data.due_at else turn.now,
        data.priority,
        by=data.by,
        contact_id=data.contact_id,
        continues_id=data.continues_id or data.contact_id,
        customer_id=data.customer_id,
        language=data.language,
        reason=data.reason,
        identities=data.pii.identities,
    )
    if contact is not None:
        if contact.state == "offered":
            contact = offers.withdraw(turn, contact, "the customer will be called back")
        callback = _with_place(callback, contact, keeps_age=data.due_at is None)
        _leave(turn, contact, "callback", callback.callback_id)
    _schedule(turn, callback)


def _obstacle(
    turn: Turn, data: queue.CallbackRequested, contact: Contact | None, into: Queue | None
) -> Refused | None:
    if data.contact_id and contact is None:
        return "unknown_contact"
    if contact is not None and contact.state == "assigned":
        return "already_served"
    if into is None or not into.config.enabled:
        return "unknown_queue"
    if not (contact or data.continues_id or data.customer_id or data.pii.identities):
        return "nobody_to_call"
    if data.due_at is not None and data.due_at > turn.now + FARTHEST:
        return "too_late"
    customer_id = data.customer_id or (contact.customer_id if contact else "")
    continues_id = data.continues_id or data.contact_id
    for each in turn.callbacks.values():
        shared = not set(each.identities).isdisjoint(data.pii.identities)
        known = customer_id and customer_id == each.customer_id
        if shared or known or (continues_id and continues_id == each.continues_id):
            return "callback_exists"
    return "too_many" if len(turn.callbacks) >= MOST_CALLBACKS else None


def _refuse(turn: Turn, data: queue.CallbackRequested, code: Refused) -> None:
    fact = routing.CallbackRefused(
        callback_id=data.callback_id,
        pool_id=turn.pool_id,
        queue_id=data.queue_id,
        contact_id=data.contact_id,
        request_id=turn.event.id,
        by=data.by,
        code=code,
    )
    turn.tell(fact)


def _with_place(callback: Callback, contact: Contact, *, keeps_age: bool) -> Callback:
    """Return the callback with what its contact asked for, and its place; its age only where it waits on."""
    return replace(
        callback,
        journey_id=contact.journey_id,
        aged_since=contact.aged_since if keeps_age else callback.aged_since,
        priority=contact.priority,
        customer_id=callback.customer_id or contact.customer_id,
        language=callback.language or contact.language,
        reason=callback.reason or contact.reason,
        needs=contact.needs,
        value=contact.value,
        deadline=contact.deadline,
        attributes=contact.attributes,
        excluded_agent_ids=contact.excluded_agent_ids,
    )


def _schedule(turn: Turn, callback: Callback) -> None:
    turn.put_callback(callback)
    if callback.due_at is not None and callback.due_at > turn.now:
        fact = routing.CallbackScheduled(
            **callback.about(turn.pool_id), due_at=callback.due_at, by=callback.by
        )
        turn.tell(fact, callback.journey_id)
        return
    _start(turn, callback)


def _start(turn: Turn, callback: Callback) -> None:
    """Begin the interaction with the customer; its session queues it, and it comes back to its place."""
    fact = interaction.Started(
        interaction_id=callback.callback_id,
        channel=callback.channel,
        direction="outbound",
        entry_point=ENTRY_POINT,
        language=callback.language,
        pool_id=turn.pool_id,
        queue_id=callback.queue_id,
        continues_id=callback.continues_id,
        pii=interaction.StartedPii(identities=callback.identities),
    )
    turn.tell(fact, callback.journey_id)
    turn.put_callback(replace(callback, due_at=None))
    turn.tell(routing.CallbackStarted(**callback.about(turn.pool_id)), callback.journey_id)


def start_due(turn: Turn) -> None:
    """Start the callbacks whose time has come; where the queue has closed meanwhile, when it opens again."""
    for callback in list(turn.callbacks.values()):
        if callback.due_at is None or callback.due_at > turn.now:
            continue
        into = turn.queues.get(callback.queue_id)
        if into is not None and into.config.enabled:
            _schedule(turn, replace(callback, due_at=opens_at(into, turn.now)))
        else:
            _drop(turn, callback, "system", "no_queue")


def opens_at(into: Queue, moment: datetime) -> datetime:
    """Return the first moment from the given one on at which the queue's hours say open."""
    calendar = into.rules.strategy.hours.calendar if into.rules.strategy.hours else None
    if calendar is None:
        return moment
    for _ in range(MOST_DAYS):
        if hours.state_of(calendar, moment) == "open":
            return moment
        moment = hours.next_change(calendar, moment)
    return moment


def whole_ms(moment: datetime) -> datetime:
    """Return the moment as a store keeps it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def in_place(contact: Contact, callback: Callback) -> Contact:
    """Return the contact of a callback that has been queued, at the place that was kept for it."""
    return replace(
        contact,
        is_callback=True,
        priority=callback.priority if callback.contact_id else contact.priority + callback.priority,
        aged_since=min(callback.aged_since, contact.since),
        reason=contact.reason or callback.reason,
        needs=callback.needs or contact.needs,
        value=contact.value or callback.value,
        deadline=callback.deadline or contact.deadline,
        attributes={**contact.attributes, **callback.attributes},
        excluded_agent_ids=callback.excluded_agent_ids or contact.excluded_agent_ids,
    )


def cancelled(turn: Turn, data: queue.CallbackCancelled) -> None:
    """Let a callback go that nobody has taken; one that waits is abandoned."""
    callback = turn.callbacks.get(data.callback_id)
    contact = turn.contacts.get(data.callback_id)
    if callback is None or (contact is not None and contact.state == "assigned"):
        fact = routing.CallbackRefused(
            callback_id=data.callback_id,
            pool_id=turn.pool_id,
            queue_id=callback.queue_id if callback else "",
            request_id=turn.event.id,
            by=data.by,
            code="already_served" if callback else "unknown_callback",
        )
        turn.tell(fact)
        return
    if contact is not None:
        if contact.state == "offered":
            offers.withdraw(turn, contact, "cancelled")
        left = routing.ContactAbandoned(
            **contact.about(turn.pool_id), waited_ms=to_ms(turn.now - contact.since), by=data.by or "system"
        )
        turn.tell(left, contact.journey_id)
        turn.end(contact.contact_id, "abandoned")
    elif callback.due_at is None:
        turn.end(callback.callback_id, "withdrawn")  # should it yet be queued, it is abandoned at once
    _drop(turn, callback, data.by, data.reason)


def _drop(turn: Turn, callback: Callback, by: str, reason: str) -> None:
    fact = routing.CallbackCancelled(**callback.about(turn.pool_id), by=by, reason=reason)
    turn.tell(fact, callback.journey_id)
    turn.drop_callback(callback.callback_id)


def divert(turn: Turn, contact: Contact, to: Literal["voicemail", "callback"]) -> bool:
    """Let a contact that waited too long go past agents; say whether it went. A callback goes nowhere."""
    if contact.is_callback:
        return False
    if to == "voicemail":
        _leave(turn, contact, to)
        return True
    callback_id = follow_id(turn.event.id, f"callback/{contact.contact_id}")
    asked = queue.CallbackRequested(
        pool_id=turn.pool_id, callback_id=callback_id, contact_id=contact.contact_id, by="strategy"
    )
    into = turn.queues[contact.queue_id]
    if _obstacle(turn, asked, contact, into):
        return False
    starts_at = opens_at(into, turn.now)
    callback = Callback(
        callback_id,
        contact.queue_id,
        contact.journey_id,
        "voice",
        starts_at,
        turn.now,
        contact.aged_since,
        contact.priority,
        by="strategy",
        contact_id=contact.contact_id,
        continues_id=contact.contact_id,
    )
    _leave(turn, contact, to, callback_id)
    _schedule(turn, _with_place(callback, contact, keeps_age=True))
    return True


def _leave(turn: Turn, contact: Contact, to: Literal["voicemail", "callback"], callback_id: str = "") -> None:
    fact = routing.ContactDiverted(
        **contact.about(turn.pool_id),
        to=to,
        waited_ms=to_ms(turn.now - contact.since),
        callback_id=callback_id,
    )
    turn.tell(fact, contact.journey_id)
    turn.end(contact.contact_id, "diverted")
