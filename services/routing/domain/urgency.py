"""Who goes first: priority with its ageing, as the queue's strategy has it."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from services.routing.domain.expression import Node, run
from services.routing.domain.facts import ContactFacts
from services.routing.domain.model import Contact, Queue


def urgency(contact: Contact, queue: Queue, now: datetime) -> float:
    """Return the contact's priority with its queue's share and ageing: higher goes first."""
    config, rules = queue.config, queue.rules
    aged_s = (now - contact.aged_since).total_seconds()
    if rules.ages_plainly:
        return config.priority + contact.priority + aged_s / 60 * config.priority_per_minute
    priority = rules.strategy.priority
    facts = ContactFacts(contact, queue)
    urgent = _number(rules.base, facts) + aged_s / 60 * _number(rules.per_minute, facts)
    urgent += sum(step.add for step in priority.steps if step.after_s <= aged_s)
    if contact.deadline is not None and priority.deadline_adds:
        left_s = (contact.deadline - now).total_seconds()
        urgent += priority.deadline_adds if left_s <= priority.deadline_within_s else 0
    return urgent


def _number(node: Node, facts: ContactFacts) -> float:
    value = run(node)(facts)
    assert isinstance(value, int | float)
    return value


def in_order(contacts: Iterable[Contact], queues: Mapping[str, Queue], now: datetime) -> list[Contact]:
    """Return contacts with the most urgent first; of equals, the one that came first."""
    keyed = [
        (-urgency(each, queues[each.queue_id], now), each.aged_since, each.contact_id) for each in contacts
    ]
    by_id = {each.contact_id: each for each in contacts}
    return [by_id[contact_id] for _, _, contact_id in sorted(keyed)]
