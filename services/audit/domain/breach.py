"""A rule that the facts on the bus do not keep."""

from collections.abc import Mapping
from dataclasses import dataclass

RULES: Mapping[str, str] = {
    "I1": "every contact that began reaches exactly one terminal state within its limit",
    "I2": "a contact is assigned to one agent at a time, an agent to no more contacts than he can hold",
    "I3": "contacts and offers change only as they may; after the terminal state only after-work follows",
    "I4": "what an aggregate tells is numbered 1 to n, without gap or repeat",
    "I6": "offered = answered + abandoned + overflowed + waiting, and analytics says the same",
    "I12": "every record read is an event, a repeat, skipped by type, or a dead letter with a reason",
    "I14": "nothing lasts less than no time",
}


@dataclass(frozen=True, slots=True)
class Breach:
    """
    One breach of one rule; two are the same when all of it is equal.

    `subject` is the contact, agent, aggregate, queue or partition; `what` says it in words that stay the
    same however much is heard later; `event_ids` are the events that show it.
    """

    rule: str
    tenant: str
    subject: str
    what: str
    event_ids: tuple[str, ...]
