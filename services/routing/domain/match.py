"""Who may serve whom: what keeps an agent from a contact, by name, and who is chosen of the rest."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice

from libs.events.base import Channel
from libs.events.queue import Need
from services.routing.domain import bits
from services.routing.domain.expression import BOOLEAN, Apply, Literal, Node, fold, run
from services.routing.domain.facts import AgentFacts, ContactFacts, PairFacts
from services.routing.domain.index import AgentIndex
from services.routing.domain.model import EXCLUSIVE, OUTSIDE_SCHEDULE, Agent, Contact, Queue, to_ms
from services.routing.domain.rank import Rank, Ranking, at_least
from services.routing.domain.strategy.compiled import Reserved, Stage
from services.routing.domain.urgency import in_order, urgency

CONTENDERS_TOLD = 20  # where somebody is chosen: the best, and who came next
OBSTRUCTED_TOLD = 50  # where nobody is: what keeps them
NOBODY = "no_agent"

__all__ = ["Choice", "Matcher", "in_order", "urgency"]


def waited(contact: Contact, now: datetime) -> float:
    """Return for how many seconds the contact has waited, to the millisecond: what is due has come."""
    return to_ms(now - contact.since) / 1000


def stage_of(contact: Contact, queue: Queue, now: datetime) -> Stage:
    """Return what is asked of agents for this contact by now."""
    return queue.rules.stages[queue.rules.stage(waited(contact, now))]


def is_gathering(contact: Contact, now: datetime) -> bool:
    """Say whether the contact still waits for others, to be matched together with them."""
    return contact.match_at is not None and now < contact.match_at


def needs_of(contact: Contact, queue: Queue, stage: Stage | None = None) -> tuple[Need, ...]:
    """Return what queue and contact ask for, hard needs relaxed as the stage of the wait has it."""
    needs = (*queue.config.needs, *contact.needs)
    if stage is None or not (stage.levels_less or stage.waive):
        return needs
    return tuple(
        need.model_copy(update={"level": max(1, need.level - stage.levels_less)}) if need.hard else need
        for need in needs
        if not (need.hard and need.skill in stage.waive)
    )


def barred(agent: Agent, channel: Channel) -> str:
    """
    Return why the agent can be offered nothing of this channel now, "" if he can.

    One offer at a time; voice and video exclude all else, unless they may interrupt it. A wrap-up beside a
    running contact fills its own place only; alone it keeps the agent from everything, until it is done.
    """
    if not agent.signed_in:
        return "signed_out"
    if agent.wants != "ready":
        return "not_ready"
    if agent.off_duty:
        return OUTSIDE_SCHEDULE
    load, serves, exclusive, patient = 0, False, False, agent.config.interrupts.get(channel, ())
    interrupts = True
    for held in agent.holds.values():
        if held.state == "offered":
            return "offered"
        serves = serves or held.state == "assigned"
        exclusive = exclusive or held.channel in EXCLUSIVE
        interrupts = interrupts and held.channel in patient
        load += held.channel == channel
    if agent.holds:
        if not serves:
            return "wrap_up"
        if exclusive or (channel in EXCLUSIVE and not interrupts):
            return "busy"
    return "no_capacity" if load >= agent.config.capacity.get(channel, 0) else ""


def lacking(agent: Agent, needs: Iterable[Need]) -> str:
    """Return the first hard need that the agent does not meet, "" if he meets all."""
    skills = agent.config.skills
    for need in needs:
        if need.hard and skills.get(need.skill, 0) < need.level:
            return need.skill
    return ""


def serves(agent: Agent, queue: Queue) -> bool:
    """Say whether the agent meets what the queue itself asks for."""
    return not lacking(agent, queue.config.needs)


def insisted_on(contact: Contact, agents: Mapping[str, Agent], now: datetime) -> str:
    """Return the agent whom the contact still waits for alone; nobody waits for one who is not there."""
    if contact.insist_until is None or now >= contact.insist_until:
        return ""
    agent = agents.get(contact.preferred_agent_id)
    return agent.agent_id if agent is not None and agent.signed_in else ""


@dataclass(frozen=True, slots=True)
class Choice:
    """
    The able, best first, and the others with all that excluded them, as many as are told; `considered` counts
    everybody.
    """

    agent: Agent | None
    rule: str
    able: tuple[tuple[Rank, float, Agent], ...]
    excluded: tuple[tuple[tuple[str, ...], Rank | None, Agent], ...]  # ranked who has one obstacle only
    considered: int
    question: "Question"


@dataclass(frozen=True, slots=True)
class Question:
    """What a contact asks of agents at this moment, its own half worked out."""

    contact: Contact
    queue: Queue
    stage: Stage
    needs: tuple[Need, ...]
    only: str  # the agent it insists on
    conditions: tuple[tuple[str, Node], ...]  # each with the name under which it excludes
    reserved: tuple[Reserved, ...]  # from which it does not take


class Matcher:
    """Matches the contacts and agents of a pool as they stand at one moment."""

    def __init__(self, queues: Mapping[str, Queue], index: AgentIndex, now: datetime) -> None:
        self._queues = queues
        self._index = index
        self._now = now

    def question(self, contact: Contact) -> Question:
        queue = self._queues[contact.queue_id]
        rules = queue.rules
        waited_s = waited(contact, self._now)
        stage = rules.stages[rules.stage(waited_s)]
        needs = needs_of(contact, queue, stage)
        facts = ContactFacts(contact, queue)
        conditions = [
            (f"missing_skill:{need.skill}", at_least(need.skill, need.level)) for need in needs if need.hard
        ]
        conditions += [
            (f"filter:{sieve.id}", fold(sieve.node, facts, ("contact.", "queue."))) for sieve in stage.sieves
        ]
        reserved = self._binding(contact, queue, waited_s)
        only = insisted_on(contact, self._index.mirrors, self._now)
        return Question(contact, queue, stage, needs, only, tuple(conditions), reserved)

    def _binding(self, contact: Contact, queue: Queue, waited_s: float) -> tuple[Reserved, ...]:
        """Return the reserves from which the contact takes nobody now."""
        facts = ContactFacts(contact, queue)
        return tuple(
            each
            for each in queue.rules.reserved
            if waited_s < each.until_s and not run(each.contacts)(facts) and self._is_short(each, contact)
        )

    def _is_short(self, reserved: Reserved, contact: Contact) -> bool:
        """Say whether no more of the reserved agents are free for this channel than shall stay so."""
        free = self._index.free.get(contact.channel, 0) & self._index.where(reserved.agents)
        return free.bit_count() <= reserved.keep_free

    def obstacles(self, agent: Agent, question: Question) -> Iterator[str]:
        """Yield why the agent cannot have the contact, one name after the other; nothing if he can."""
        contact = question.contact
        if not agent.signed_in:
            yield "signed_out"
        if is_gathering(contact, self._now):
            yield "together"  # it still waits for others to be matched with
        if question.only and question.only != agent.agent_id:
            yield "preferred_agent"
        if contact.contact_id in agent.holds:
            yield "same_contact"  # he still wraps it up
        if contact.passed_by == agent.agent_id:
            yield "passed_it_on"
        if agent.agent_id in contact.excluded_agent_ids:
            yield "excluded"
        facts = AgentFacts(agent.config)
        if not (contact.by_name and agent.agent_id == contact.preferred_agent_id):
            for name, node in question.conditions:
                if not run(node)(facts):
                    yield name
            for reserved in question.reserved:
                if run(reserved.agents)(facts):
                    yield f"reserved:{reserved.id}"
        if agent.signed_in and (why := barred(agent, contact.channel)):
            yield why

    def able(self, question: Question) -> int:
        """Return the agents who can have the contact, as a set: those to whom nothing is an obstacle."""
        index, contact = self._index, question.contact
        if is_gathering(contact, self._now):
            return 0
        free = index.free.get(contact.channel, 0)
        able = free & index.where(_all_of(tuple(node for _, node in question.conditions)))
        for reserved in question.reserved:
            able &= ~index.where(reserved.agents)
        if contact.by_name:
            able |= free & index.bit_of(contact.preferred_agent_id)
        if question.only:
            able &= index.bit_of(question.only)
        for agent_id in (contact.passed_by, *contact.excluded_agent_ids):
            able &= ~index.bit_of(agent_id)
        return able & ~index.wrapping.get(contact.contact_id, 0)

    def ranking(self, question: Question) -> Ranking:
        return Ranking(question.contact, question.queue, question.needs, self._index, self._now)

    def choose(self, contact: Contact) -> Choice:
        """
        Return the agent for a contact, and why.

        The preferred agent if he is able; else the best by the strategy's rules of selection.
        """
        question = self.question(contact)
        index = self._index
        ranking = self.ranking(question)
        able = self.able(question)
        most = CONTENDERS_TOLD if able else OBSTRUCTED_TOLD
        told = list(islice(ranking.best(able), most))
        rule = ""
        preferred = index.bit_of(contact.preferred_agent_id) & able
        if preferred and question.queue.rules.strategy.select.preferred_first:
            agent = index.agents[preferred.bit_length() - 1]
            told = [agent, *(each for each in told if each is not agent)][:most]
            rule = "named_agent" if contact.by_name else "preferred_agent"
        ranked = tuple((ranking.of(agent), ranking.score(agent), agent) for agent in told)
        others = islice(self._excluded(question, able), most - len(told))
        excluded = tuple((why, ranking.of(agent) if len(why) == 1 else None, agent) for why, agent in others)
        rule = rule or _rule([rank for rank, _, _ in ranked[:2]], question.queue)
        return Choice(told[0] if told else None, rule, ranked, excluded, len(index.agents), question)

    def _excluded(self, question: Question, able: int) -> Iterator[tuple[tuple[str, ...], Agent]]:
        """Yield who cannot have the contact, those who are signed in first."""
        index = self._index
        others = index.everybody & ~able
        for group in (others & index.signed_in, others & ~index.signed_in):
            for slot in bits.slots_in(group):
                agent = index.agents[slot]
                yield tuple(self.obstacles(agent, question)), agent

    def suits(self, agent: Agent, contact: Contact) -> bool:
        """Say whether nothing but what he holds keeps the agent from the contact; quick `obstacles`."""
        only = insisted_on(contact, self._index.mirrors, self._now)
        if is_gathering(contact, self._now) or contact.contact_id in agent.holds:
            return False
        if only and only != agent.agent_id:
            return False
        if contact.passed_by == agent.agent_id or agent.agent_id in contact.excluded_agent_ids:
            return False
        if contact.by_name and agent.agent_id == contact.preferred_agent_id:
            return True
        return self.meets(agent, contact)

    def meets(self, agent: Agent, contact: Contact) -> bool:
        """Say whether the agent meets what contacts like this one ask for."""
        queue = self._queues[contact.queue_id]
        rules = queue.rules
        waited_s = waited(contact, self._now)
        stage = rules.stages[rules.stage(waited_s)]
        if lacking(agent, needs_of(contact, queue, stage)):
            return False
        if not stage.sieves and not rules.reserved:
            return True
        facts = PairFacts(AgentFacts(agent.config), ContactFacts(contact, queue))
        return all(run(sieve.node)(facts) for sieve in stage.sieves) and not any(
            run(each.agents)(facts) for each in self._binding(contact, queue, waited_s)
        )


@lru_cache(maxsize=8192)
def _all_of(nodes: tuple[Node, ...]) -> Node:
    return Apply("and", nodes, BOOLEAN) if nodes else Literal(True, BOOLEAN)


def _rule(best: list[Rank], queue: Queue) -> str:
    """Return the first rule in which the best two differ."""
    match best:
        case []:
            return NOBODY
        case [_]:
            return "only_candidate"
    (first, _), (second, _) = best
    for rule, mine, theirs in zip(queue.rules.strategy.select.order, first, second, strict=True):
        if mine != theirs:
            return rule
    return "agent_id"
