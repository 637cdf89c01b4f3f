"""
Those who wait, by kind: an agent who comes free looks at the first of each kind, not at everybody.

Contacts of one kind ask the same of agents and age alike, so that their order never changes while they wait,
and who suits one of them suits them all. There are as many kinds as there are ways to ask - tens, where tens
of thousands wait. Who has an agent of his own in mind, or ages in his own way, is looked at by himself.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from libs.events.base import Channel
from libs.events.queue import Need
from services.routing.domain import match
from services.routing.domain.expression import Value, names_in
from services.routing.domain.expression.tree import EMPTY
from services.routing.domain.facts import ContactFacts
from services.routing.domain.match import Matcher, waited
from services.routing.domain.model import BEGINNING, Agent, Contact, Queue
from services.routing.domain.strategy.compiled import Rules
from services.routing.domain.urgency import urgency

Place = tuple[float, datetime, str]  # least urgent last; of equals who came first, then by id


class Kind(NamedTuple):
    """What contacts have in common who ask the same of agents."""

    queue_id: str
    channel: Channel
    needs: tuple[Need, ...]
    stage: int
    facts: tuple[Value, ...]  # what the filters ask about them


@dataclass(slots=True)
class Line:
    """The contacts of one kind in the order in which they are served."""

    places: list[Place] = field(default_factory=list)

    @property
    def first(self) -> str:
        return self.places[0][2]


class WaitingIndex:
    """
    Invariant: every contact of `contacts` that waits stands in one line, or among those who stand alone.

    `queues` are those whose rules the lines were made by.
    """

    def __init__(self) -> None:
        self.contacts: dict[str, Contact] = {}
        self.lines: dict[Kind, Line] = {}
        self.alone: dict[str, Contact] = {}
        self.queues: Mapping[str, Queue] = {}
        self._stands: dict[str, tuple[Kind, Place]] = {}

    def follow(self, contacts: Mapping[str, Contact], queues: Mapping[str, Queue], now: datetime) -> None:
        """Keep in step with those who wait now, whoever has come, gone or changed."""
        if _rules_differ(self.queues, queues):
            for contact_id in list(self.contacts):
                self.drop(contact_id)
        self.queues = queues
        known = self.contacts
        waiting = 0
        for contact_id, contact in contacts.items():
            if contact.state == "waiting":
                waiting += 1
                before = known.get(contact_id)
                if before is not None and before is not contact and _stand_alike(before, contact):
                    known[contact_id] = contact
                    if contact_id in self.alone:
                        self.alone[contact_id] = contact
                elif before is not contact:
                    self.put(contact, now)
        if waiting != len(known):
            for contact_id in [each for each in known if not _waits(contacts.get(each))]:
                self.drop(contact_id)

    def put(self, contact: Contact, now: datetime) -> None:
        self.drop(contact.contact_id)
        self.contacts[contact.contact_id] = contact
        queue = self.queues[contact.queue_id]
        if stands_alone(contact, queue.rules):
            self.alone[contact.contact_id] = contact
            return
        kind = _kind_of(contact, queue, now)
        # At the beginning of time everybody's age lies in the future, by as much as he is younger.
        place = (-urgency(contact, queue, BEGINNING), contact.aged_since, contact.contact_id)
        insort(self.lines.setdefault(kind, Line()).places, place)
        self._stands[contact.contact_id] = kind, place

    def drop(self, contact_id: str) -> None:
        if self.contacts.pop(contact_id, None) is None:
            return
        if contact_id in self.alone:
            del self.alone[contact_id]
            return
        kind, place = self._stands.pop(contact_id)
        line = self.lines[kind]
        del line.places[bisect_left(line.places, place)]
        if not line.places:
            del self.lines[kind]

    def next_for(self, agent: Agent, matcher: Matcher, now: datetime) -> Contact | None:
        """Return the most urgent contact that the agent can be offered, None where there is none."""
        able = [(self._place(each, now), each) for each in self._open_to(agent, matcher)]
        return min(able, key=_first)[1] if able else None

    def _open_to(self, agent: Agent, matcher: Matcher) -> Iterator[Contact]:
        """Yield the first of every kind that the agent can be offered, and those alone whom he can."""
        channels: dict[Channel, bool] = {}

        def is_open(channel: Channel) -> bool:
            if channel not in channels:
                channels[channel] = not match.barred(agent, channel)
            return channels[channel]

        for kind, line in self.lines.items():
            if is_open(kind.channel) and matcher.meets(agent, self.contacts[line.first]):
                found = next((each for _, _, each in line.places if self._free_of(agent, each)), None)
                if found is not None:
                    yield self.contacts[found]
        for contact in self.alone.values():
            if is_open(contact.channel) and matcher.suits(agent, contact):
                yield contact

    def _free_of(self, agent: Agent, contact_id: str) -> bool:
        """Say whether the agent does not wrap up this very contact."""
        return contact_id not in agent.holds

    def _place(self, contact: Contact, now: datetime) -> Place:
        queue = self.queues[contact.queue_id]
        return -urgency(contact, queue, now), contact.aged_since, contact.contact_id


def stands_alone(contact: Contact, rules: Rules) -> bool:
    """Say whether the contact is to be looked at by itself."""
    priority = rules.strategy.priority
    return bool(
        contact.insist_until is not None
        or contact.match_at is not None
        or contact.passed_by
        or contact.by_name
        or contact.excluded_agent_ids
        or rules.reserved
        or priority.steps
        or priority.deadline_adds
        or any(name.startswith("contact.") for name in names_in(rules.per_minute))
    )


def _kind_of(contact: Contact, queue: Queue, now: datetime) -> Kind:
    rules = queue.rules
    stage = rules.stage(waited(contact, now))
    facts = ContactFacts(contact, queue)
    asked = sorted(
        name
        for sieve in rules.stages[stage].sieves
        for name in names_in(sieve.node)
        if name.startswith("contact.")
    )
    values = tuple(facts.get(name, EMPTY["text"]) for name in asked)
    return Kind(contact.queue_id, contact.channel, contact.needs, stage, values)


def _rules_differ(before: Mapping[str, Queue], after: Mapping[str, Queue]) -> bool:
    if before is after:
        return False
    return any(
        queue_id not in after
        or after[queue_id].config is not queue.config
        or after[queue_id].strategy is not queue.strategy
        for queue_id, queue in before.items()
    )


# What of a contact its line and its place in it depend on; the moments stand for the stage of the wait.
_PLACED_BY = attrgetter(
    "queue_id", "channel", "needs", "priority", "since", "aged_since", "relax_at", "match_at", "insist_until",
    "passed_by", "by_name", "preferred_agent_id", "excluded_agent_ids", "attributes", "value", "deadline",
)  # fmt: skip


def _stand_alike(before: Contact, after: Contact) -> bool:
    """Say whether a contact stands where it stood: it was told its place in the queue, for one."""
    return all(one is other for one, other in zip(_PLACED_BY(before), _PLACED_BY(after), strict=True))


def _waits(contact: Contact | None) -> bool:
    return contact is not None and contact.state == "waiting"


def _first(pair: tuple[Place, Contact]) -> Place:
    return pair[0]
