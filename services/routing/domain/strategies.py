"""Strategies come into force: each queue follows the last one published that lists it."""

from collections.abc import Iterable
from dataclasses import replace

from libs.events import queue
from services.routing.domain import announcing, relaxing
from services.routing.domain.model import Published
from services.routing.domain.strategy.compiled import rules_of
from services.routing.domain.strategy.document import EVERY_QUEUE
from services.routing.domain.turn import Turn


def published(turn: Turn, data: queue.StrategyPublished) -> None:
    """Let queues follow the new version; who waits in them is looked at anew, at the wait he has come to."""
    known = turn.strategies.get(data.strategy_id)
    if known is not None and known.version >= data.version:
        return
    others = {key: each for key, each in turn.strategies.items() if key != data.strategy_id}
    turn.strategies = {**others, data.strategy_id: Published(data.strategy_id, data.version, data.document)}
    for queue_id in list(turn.queues):
        follow(turn, queue_id)


def follow(turn: Turn, queue_id: str) -> None:
    """Let a queue follow the strategy that is its own by now."""
    strategy = of_queue(queue_id, turn.strategies.values())
    if turn.queues[queue_id].strategy == strategy:
        return
    here = [each for each in turn.contacts.values() if each.queue_id == queue_id and each.state != "assigned"]
    for contact in here:
        turn.announce(contact.contact_id)  # what the strategy in force so far has for this moment
    turn.put_queue(replace(turn.queues[queue_id], strategy=strategy))
    for contact in here:
        told = turn.contacts[contact.contact_id]
        if told.state == "waiting":
            told = relaxing.begun(told, turn.queues[queue_id])
            turn.reconsider(contact.contact_id)
        past = replace(told, announced_at=turn.now)
        next_at = announcing.begun(past, turn.queues[queue_id])
        turn.contacts[contact.contact_id] = replace(past, announce_at=next_at)


def of_queue(queue_id: str, strategies: Iterable[Published]) -> Published | None:
    """Return the last published strategy that lists the queue, else the last one for every queue."""
    own = of_all = None
    for each in strategies:
        queues = rules_of(each.document).strategy.queues
        own = each if queue_id in queues else own
        of_all = each if EVERY_QUEUE in queues else of_all
    return own or of_all
