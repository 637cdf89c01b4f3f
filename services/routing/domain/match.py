"""Who may serve whom, and who does it best: exclusions by name, scores, and the order of those who wait."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from libs.events.base import Channel
from libs.events.queue import Need
from libs.events.routing import Candidate
from services.routing.domain.model import EXCLUSIVE, Agent, Contact, Queue, to_ms

CANDIDATES_TOLD = 50
NOBODY = "no_agent"

# The first in which the best two differ is the rule that decided.
RULES = ("best_score", "least_loaded", "longest_idle", "fewest_skills", "agent_id")
Rank = tuple[float, int, datetime, int, str]


def urgency(contact: Contact, queue: Queue, now: datetime) -> float:
    """Return the contact's priority with its queue's share and ageing: higher goes first."""
    config = queue.config
    aged_minutes = (now - contact.aged_since).total_seconds() / 60
    return config.priority + contact.priority + aged_minutes * config.priority_per_minute


def in_order(contacts: Iterable[Contact], queues: Mapping[str, Queue], now: datetime) -> list[Contact]:
    """Return contacts with the most urgent first; of equals, the one that came first."""
    keyed = [
        (-urgency(each, queues[each.queue_id], now), each.aged_since, each.contact_id) for each in contacts
    ]
    by_id = {each.contact_id: each for each in contacts}
    return [by_id[contact_id] for _, _, contact_id in sorted(keyed)]


def needs_of(contact: Contact, queue: Queue) -> tuple[Need, ...]:
    return (*queue.config.needs, *contact.needs)


def barred(agent: Agent, channel: Channel) -> str:
    """
    Return why the agent can be offered nothing of this channel now, "" if he can.

    One offer at a time; voice and video exclude all else. A wrap-up beside a running contact fills its own
    place only; alone it keeps the agent from everything, until it is done.
    """
    if not agent.signed_in:
        return "signed_out"
    if agent.wants != "ready":
        return "not_ready"
    load, serves, exclusive = 0, False, False
    for held in agent.holds.values():
        if held.state == "offered":
            return "offered"
        serves = serves or held.state == "assigned"
        exclusive = exclusive or held.channel in EXCLUSIVE
        load += held.channel == channel
    if agent.holds:
        if not serves:
            return "wrap_up"
        if exclusive or channel in EXCLUSIVE:
            return "busy"
    return "no_capacity" if load >= agent.config.capacity.get(channel, 0) else ""


def lacking(agent: Agent, needs: Iterable[Need]) -> str:
    """Return the first hard need that the agent does not meet, "" if he meets all."""
    skills = agent.config.skills
    for need in needs:
        if need.hard and skills.get(need.skill, 0) < need.level:
            return need.skill
    return ""


def insisted_on(contact: Contact, agents: Mapping[str, Agent], now: datetime) -> str:
    """Return the agent whom the contact still waits for alone; nobody waits for one who is not there."""
    if contact.insist_until is None or now >= contact.insist_until:
        return ""
    agent = agents.get(contact.preferred_agent_id)
    return agent.agent_id if agent is not None and agent.signed_in else ""


def unsuitable(agent: Agent, contact: Contact, needs: Iterable[Need], only: str) -> str:
    """Return why the contact is not for this agent, however free he may be; "" if it is."""
    if only and only != agent.agent_id:
        return "preferred_agent"
    if contact.contact_id in agent.holds:
        return "same_contact"  # he still wraps it up
    if contact.passed_by == agent.agent_id:
        return "passed_it_on"
    if contact.by_name and agent.agent_id == contact.preferred_agent_id:
        return ""
    missing = lacking(agent, needs)
    return f"missing_skill:{missing}" if missing else ""


def score(agent: Agent, needs: Iterable[Need]) -> float:
    """Return the weights of the soft needs met; one met in part counts in proportion."""
    skills = agent.config.skills
    return sum(
        need.weight * min(1.0, skills.get(need.skill, 0) / need.level) for need in needs if not need.hard
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """Everybody who was looked at for a contact: the able best first, the others with what excluded them."""

    agent: Agent | None
    rule: str
    able: tuple[tuple[Rank, Agent], ...]
    excluded: tuple[tuple[str, Agent], ...]

    def candidates(self, now: datetime) -> tuple[Candidate, ...]:
        """Return the first fifty as they are told."""
        told = [
            Candidate(agent_id=agent.agent_id, score=-rank[0], idle_ms=_idle_ms(agent, now))
            for rank, agent in self.able[:CANDIDATES_TOLD]
        ]
        left = CANDIDATES_TOLD - len(told)
        nearest = sorted(self.excluded, key=lambda pair: pair[0] == "signed_out")[:left]
        told += [Candidate(agent_id=agent.agent_id, excluded_by=why[:256]) for why, agent in nearest]
        return tuple(told)


def _idle_ms(agent: Agent, now: datetime) -> int:
    return 0 if agent.holds else to_ms(now - agent.idle_since)


def choose(contact: Contact, queue: Queue, agents: Mapping[str, Agent], now: datetime) -> Choice:
    """
    Return the agent for a contact, and why.

    The preferred agent if he is able; else the best scored, of these the least loaded, of these the longest
    idle, of these the one with the fewest skills: the versatile stay free for what only they can do.
    """
    needs = needs_of(contact, queue)
    only = insisted_on(contact, agents, now)
    able: list[tuple[Rank, Agent]] = []
    excluded: list[tuple[str, Agent]] = []
    for agent in agents.values():
        why = unsuitable(agent, contact, needs, only) if agent.signed_in else "signed_out"
        why = why or barred(agent, contact.channel)
        if why:
            excluded.append((why, agent))
        else:
            rank = (
                -score(agent, needs),
                len(agent.holds),
                agent.idle_since,
                len(agent.config.skills),
                agent.agent_id,
            )
            able.append((rank, agent))
    able.sort(key=lambda pair: pair[0])
    for place, (_, agent) in enumerate(able):
        if agent.agent_id == contact.preferred_agent_id:
            able.insert(0, able.pop(place))
            rule = "named_agent" if contact.by_name else "preferred_agent"
            return Choice(agent, rule, tuple(able), tuple(excluded))
    if not able:
        return Choice(None, NOBODY, (), tuple(excluded))
    return Choice(able[0][1], _rule([rank for rank, _ in able[:2]]), tuple(able), tuple(excluded))


def _rule(best: list[Rank]) -> str:
    if len(best) == 1:
        return "only_candidate"
    first, second = best
    return next(rule for place, rule in enumerate(RULES) if first[place] != second[place])


def next_for(
    agent: Agent,
    ordered: Iterable[Contact],
    queues: Mapping[str, Queue],
    agents: Mapping[str, Agent],
    now: datetime,
) -> Contact | None:
    """Return the first of the waiting, most urgent first, whom the agent can be offered."""
    open_channels: dict[Channel, bool] = {}
    for contact in ordered:
        channel = contact.channel
        if channel not in open_channels:
            open_channels[channel] = not barred(agent, channel)
        if open_channels[channel]:
            needs = needs_of(contact, queues[contact.queue_id])
            if not unsuitable(agent, contact, needs, insisted_on(contact, agents, now)):
                return contact
    return None


def serves(agent: Agent, queue: Queue) -> bool:
    """Say whether the agent meets what the queue itself asks for."""
    return not lacking(agent, queue.config.needs)


def as_text(needs: Collection[Need]) -> tuple[str, ...]:
    """Return needs as decision records have them: "hard <level> <skill>", "soft <level> <weight> <skill>"."""
    return tuple(
        f"hard {need.level} {need.skill}" if need.hard else f"soft {need.level} {need.weight:g} {need.skill}"
        for need in needs
    )
