"""Whether a queue takes a contact: opening hours, room, somebody there; and what becomes of it otherwise."""

from typing import Literal, TypedDict

from libs import hours
from services.routing.domain.model import Contact, Queue
from services.routing.domain.strategy.document import Elsewhere
from services.routing.domain.turn import Turn

HERE = Elsewhere()


class Refusal(TypedDict, total=False):
    """The fields of a rejection that say why, and what the customer is offered instead."""

    reason: Literal["unknown_queue", "queue_disabled", "queue_full"]
    detail: str
    instead: str


def refusal(turn: Turn, contact: Contact) -> Refusal | None:
    """Return why the queue cannot take a contact that arrives; None where it can, or sends it on."""
    wanted = turn.queues.get(contact.queue_id)
    if wanted is None:
        return Refusal(reason="unknown_queue")
    if not wanted.config.enabled:
        return Refusal(reason="queue_disabled")
    if contact.is_callback:
        return None  # its place was kept for it
    why, place = _turned_away(turn, wanted)
    if not why or (place.to and _is_open_to(turn, place.to)):
        return None
    if why == "full":
        return Refusal(reason="queue_full", instead=place.instead)
    return Refusal(reason="queue_disabled", detail=why, instead=place.instead)


def elsewhere(turn: Turn, contact: Contact) -> str:
    """Return the queue to which a contact that has just come is sent at once, "" where it stays."""
    why, place = _turned_away(turn, turn.queues[contact.queue_id], besides=contact.contact_id)
    return place.to if why else ""


def _turned_away(turn: Turn, wanted: Queue, *, besides: str = "") -> tuple[str, Elsewhere]:
    """Return why a queue takes nobody now, and where to go; "" where it takes them."""
    strategy = wanted.rules.strategy
    if strategy.hours is not None:
        state = hours.state_of(strategy.hours.calendar, turn.now)
        if state == "holiday":
            return "holiday", strategy.hours.holiday or strategy.hours.closed
        if state == "closed":
            return "closed", strategy.hours.closed
    if is_full(turn, wanted, besides=besides):
        return "full", strategy.limits.full
    if strategy.limits.nobody is not None and not any(each.on_duty for each in turn.agents.values()):
        return "nobody_signed_in", strategy.limits.nobody
    return "", HERE


def _is_open_to(turn: Turn, queue_id: str) -> bool:
    into = turn.queues.get(queue_id)
    return into is not None and into.config.enabled and not is_full(turn, into)


def is_full(turn: Turn, wanted: Queue, *, besides: str = "") -> bool:
    """Say whether as many wait as may; `besides` is who has just come himself."""
    limit = wanted.rules.strategy.limits.max_waiting or wanted.config.max_waiting
    if not limit:
        return False
    queue_id = wanted.config.queue_id
    waiting = sum(
        each.queue_id == queue_id and each.state == "waiting" and each.contact_id != besides
        for each in turn.contacts.values()
    )
    return waiting >= limit
