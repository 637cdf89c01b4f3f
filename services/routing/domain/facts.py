"""What expressions can know of an agent, a contact and a moment: looked up when asked, never copied."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from libs.events.queue import AgentConfigured, Attribute, Need
from services.routing.domain import portrait
from services.routing.domain.expression import Value

if TYPE_CHECKING:
    from services.routing.domain.model import Agent, Contact, Queue

_OF_AGENT: Mapping[str, Callable[[AgentConfigured], Value]] = {
    "agent.id": lambda config: config.agent_id,
    "agent.team": lambda config: config.team,
    "agent.site": lambda config: config.site,
    "agent.languages": lambda config: frozenset(config.languages),
    "agent.skills": lambda config: frozenset(config.skills),
}


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """An agent as configured."""

    config: AgentConfigured

    def get(self, name: str, default: Value) -> Value:
        if name in _OF_AGENT:
            return _OF_AGENT[name](self.config)
        if name.startswith("agent.level["):
            return self.config.skills.get(name[12:-1], 0)
        return _plain(self.config.attributes.get(name[6:], default))


def _plain(value: Attribute | Value) -> Value:
    return frozenset(value) if isinstance(value, tuple) else value


_OF_CONTACT: Mapping[str, Callable[["Contact", "Queue"], Value]] = {
    "contact.channel": lambda contact, queue: contact.channel,
    "contact.language": lambda contact, queue: contact.language,
    "contact.customer_id": lambda contact, queue: contact.customer_id,
    "contact.reason": lambda contact, queue: contact.reason,
    "contact.priority": lambda contact, queue: contact.priority,
    "contact.vip_level": lambda contact, queue: contact.vip_level,
    "contact.value": lambda contact, queue: contact.value,
    "queue.id": lambda contact, queue: queue.config.queue_id,
    "queue.priority": lambda contact, queue: queue.config.priority,
    "queue.priority_per_minute": lambda contact, queue: queue.config.priority_per_minute,
}


@dataclass(frozen=True, slots=True)
class ContactFacts:
    """A contact as it came, with its queue; its wait too, where the moment matters."""

    contact: "Contact"
    queue: "Queue"
    now: datetime | None = None

    def get(self, name: str, default: Value) -> Value:
        if name in _OF_CONTACT:
            return _OF_CONTACT[name](self.contact, self.queue)
        if name == "contact.waited_s":
            return (self.now - self.contact.since).total_seconds() if self.now else default
        return _plain(self.contact.attributes.get(name[8:], default))


@dataclass(frozen=True, slots=True)
class PairFacts:
    """An agent as configured, beside one contact."""

    agent: AgentFacts
    contact: ContactFacts

    def get(self, name: str, default: Value) -> Value:
        return (self.agent if name.startswith("agent.") else self.contact).get(name, default)


@dataclass(frozen=True, slots=True)
class MomentFacts:
    """An agent as he stands at a moment, beside one contact."""

    agent: "Agent"
    contact: "Contact"
    queue: "Queue"
    needs: tuple[Need, ...]
    now: datetime

    def get(self, name: str, default: Value) -> Value:
        if name == "soft_needs":
            return soft_needs(self.agent, self.needs)
        if name.startswith("portrait."):
            return portrait.value_of(name[9:], self.agent, self.queue)
        match name:
            case "agent.load":
                return len(self.agent.holds)
            case "agent.idle_s":
                return idle_s(self.agent, self.now)
            case "agent.occupancy":
                return occupancy(self.agent, self.now)
        return AgentFacts(self.agent.config).get(name, default)


def soft_needs(agent: "Agent", needs: tuple[Need, ...]) -> float:
    """Return the weights of the soft needs met; one met in part counts in proportion."""
    skills, met = agent.config.skills, 0.0
    for need in needs:
        if not need.hard:
            met += need.weight * min(1.0, skills.get(need.skill, 0) / need.level)
    return met


def idle_s(agent: "Agent", now: datetime) -> float:
    return 0.0 if agent.holds else max(0.0, (now - agent.idle_since).total_seconds())


def occupancy(agent: "Agent", now: datetime) -> float:
    """Return the share of his time since he signed in, ready or serving, in which he had a contact."""
    since = agent.entered.since
    running = max(0.0, (now - since).total_seconds() * 1000) if since else 0.0
    busy = agent.busy_ms + (running if agent.entered.state in ("busy", "wrap_up") else 0.0)
    free = agent.free_ms + (running if agent.entered.state in ("ready", "offered") else 0.0)
    return busy / (busy + free) if busy + free else 0.0
