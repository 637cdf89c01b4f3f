"""
The rules of selection: what each makes of an agent, and the best of many without looking at all of them.

Every rule gives a number, of which the least is best. Agents are compared by the first rule, equals by the
next, and last by their ids: so there is one order, and it can be derived again from the numbers alone.
"""

import heapq
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from itertools import groupby

from libs.events.queue import Need
from services.routing.domain import bits
from services.routing.domain.expression import NUMBER, Apply, Literal, Name, Node, fold, run
from services.routing.domain.facts import ContactFacts, MomentFacts, occupancy, soft_needs
from services.routing.domain.index import AgentIndex
from services.routing.domain.model import BEGINNING, Agent, Contact, Queue, to_ms
from services.routing.domain.strategy.compiled import Rules
from services.routing.domain.strategy.document import Rule

FEW = 48  # so few are simply sorted
MOST_CLASSES = 256  # of agents who meet soft needs alike

Rank = tuple[tuple[float, ...], str]


class Ranking:
    """How the agents stand for one contact at one moment."""

    def __init__(
        self, contact: Contact, queue: Queue, needs: tuple[Need, ...], index: AgentIndex, now: datetime
    ) -> None:
        self.rules: Rules = queue.rules
        self._contact, self._queue, self._needs, self._index, self._now = contact, queue, needs, index, now
        self._soft = tuple(need for need in needs if not need.hard)
        self._scores: dict[str, float] = {}
        self._ranks: dict[str, Rank] = {}
        self._score = (
            None if self.rules.scores_skills else run(_scoring(self.rules, ContactFacts(contact, queue, now)))
        )

    def score(self, agent: Agent) -> float:
        """Return the agent's score under the strategy's goal."""
        score = self._scores.get(agent.agent_id)
        if score is None:
            score = self._scores[agent.agent_id] = self._score_of(agent)
        return score

    def _score_of(self, agent: Agent) -> float:
        if self._score is None:
            return soft_needs(agent, self._soft)
        facts = MomentFacts(agent, self._contact, self._queue, self._needs, self._now)
        value = self._score(facts)
        assert isinstance(value, int | float)
        return value

    def of(self, agent: Agent) -> Rank:
        """Return the agent's values under all rules of the order, and his id."""
        rank = self._ranks.get(agent.agent_id)
        if rank is None:
            values = [self._value(rule, agent) for rule in self.rules.strategy.select.order]
            rank = self._ranks[agent.agent_id] = tuple(values), agent.agent_id
        return rank

    def _value(self, rule: Rule, agent: Agent) -> float:
        match rule:
            case "best_score":
                return -self.score(agent)
            case "least_loaded":
                return len(agent.holds)
            case "longest_idle":
                return to_ms(agent.idle_since - BEGINNING)
            case "fewest_skills":
                return len(agent.config.skills)
            case "least_occupied":
                return round(occupancy(agent, self._now), 6)
            case "round_robin":
                return to_ms(agent.offered_at - BEGINNING)
            case "random":
                return _lot(self.rules.strategy.select.seed, self._contact.contact_id, agent.agent_id)

    def best(self, able: int) -> Iterator[Agent]:
        """Yield the agents of a set, the best first; who wants only some leaves the rest unlooked at."""
        return self._best(able, self.rules.strategy.select.order)

    def _best(self, able: int, order: tuple[Rule, ...]) -> Iterator[Agent]:
        if not order or able.bit_count() <= FEW:
            agents = [self._index.agents[slot] for slot in bits.slots_in(able)]
            yield from sorted(agents, key=self.of) if len(agents) > 1 else agents
            return
        for group in self._groups(able, order[0]):
            yield from self._best(group, order[1:])

    def _groups(self, able: int, rule: Rule) -> Iterator[int]:
        """Yield sets of those who are alike under a rule, the best first."""
        match rule:
            case "least_loaded":
                return _classes(able, self._index.by_load)
            case "fewest_skills":
                return _classes(able, self._index.by_skills)
            case "longest_idle":
                return _in_order(able, self._index.idle)
            case "round_robin":
                return _in_order(able, self._index.offered)
            case "best_score" if self._score is None and not self._soft:
                return iter((able,))
            case "best_score" if self._score is None and _class_count(self._soft) <= MOST_CLASSES:
                return self._by_soft_needs(able)
        return self._by_value(able, rule)

    def _by_value(self, able: int, rule: Rule) -> Iterator[int]:
        groups: dict[float, list[int]] = {}
        for slot in bits.slots_in(able):
            groups.setdefault(self._value(rule, self._index.agents[slot]), []).append(slot)
        size = len(self._index.agents)
        return (bits.of(groups[value], size) for value in sorted(groups))

    def _by_soft_needs(self, able: int) -> Iterator[int]:
        """Yield sets of equal score, the best first: combinations of how far each soft need is met."""
        met = [self._met(need) for need in self._soft]
        start = (0,) * len(met)
        heap = [(-_total(met, start), start)]
        queued = {start}
        held, held_score = 0, 0.0
        while heap:
            negative, places = heapq.heappop(heap)
            if held and negative != held_score:
                yield held
                held = 0
            group = able
            for need, place in zip(met, places, strict=True):
                group &= need[place][1]
            held, held_score = held | group, negative
            for each, place in enumerate(places):
                following = (*places[:each], place + 1, *places[each + 1 :])
                if place + 1 < len(met[each]) and following not in queued:
                    queued.add(following)
                    heapq.heappush(heap, (-_total(met, following), following))
        if held:
            yield held

    def _met(self, need: Need) -> list[tuple[float, int]]:
        """Return what a soft need gives to whom, the most first."""
        above, met = 0, []
        for level in range(need.level, 0, -1):
            reached = self._index.where(at_least(need.skill, level))
            met.append((need.weight * min(1.0, level / need.level), reached & ~above))
            above = reached
        met.append((need.weight * min(1.0, 0 / need.level), self._index.everybody & ~above))
        return met


def _total(met: list[list[tuple[float, int]]], places: tuple[int, ...]) -> float:
    return sum(need[place][0] for need, place in zip(met, places, strict=True))


def _class_count(soft: tuple[Need, ...]) -> int:
    count = 1
    for need in soft:
        count *= need.level + 1
    return count


def _classes(able: int, by_value: Mapping[int, int]) -> Iterator[int]:
    for value in sorted(by_value):
        group = able & by_value[value]
        if group:
            yield group


def _in_order(able: int, order: list[tuple[int, int]]) -> Iterator[int]:
    flags = bits.flags_of(able)
    there = (pair for pair in order if bits.has(flags, pair[1]))
    for _, alike in groupby(there, key=_first):
        group = 0
        for _, slot in alike:
            group |= 1 << slot
        yield group


def _first(pair: tuple[int, int]) -> int:
    return pair[0]


def _scoring(rules: Rules, facts: ContactFacts) -> Node:
    """Return the score with what it asks about the contact worked out."""
    return fold(rules.score, facts, ("contact.", "queue."))


@lru_cache(maxsize=4096)
def at_least(skill: str, level: int) -> Node:
    """Return the condition that an agent has a skill at a level."""
    return Apply(">=", (Name(f"agent.level[{skill}]", NUMBER), Literal(level, NUMBER)), "boolean")


def _lot(seed: str, contact_id: str, agent_id: str) -> float:
    """Return a number that looks like chance and is the same whenever it is asked for."""
    drawn = blake2b(f"{seed}/{contact_id}/{agent_id}".encode(), digest_size=6).digest()
    return int.from_bytes(drawn, "big")
