"""
The agents of a pool as sets: who is free for a channel, who meets a condition, who has been idle longest.

Worked out from the agents and kept in step with them; a condition is worked out for all agents when it is
first asked, and from then on again for each agent who is configured anew.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from libs.events.base import Channel
from services.routing.domain import bits
from services.routing.domain.expression import Apply, Literal, Node, run
from services.routing.domain.facts import AgentFacts
from services.routing.domain.model import BEGINNING, Agent, to_ms

MOST_CONDITIONS = 1000  # remembered; the one asked least lately is forgotten first

K = TypeVar("K", int, str)
Barred = Callable[[Agent, Channel], str]


class AgentIndex:
    """
    Invariant: what every set says of a slot is true of the agent in it, `mirrors` being all of them.

    Slots are given once and never change, in the order in which agents became known.
    """

    def __init__(self, barred: Barred) -> None:
        self.mirrors: Mapping[str, Agent] = {}
        self.agents: list[Agent] = []
        self.slot_of: dict[str, int] = {}
        self.signed_in = 0
        self.free: dict[Channel, int] = {}
        self.by_load: dict[int, int] = {}
        self.by_skills: dict[int, int] = {}
        self.idle: list[tuple[int, int]] = []  # (idle since, in ms; slot), of those who are free for anything
        self.offered: list[tuple[int, int]] = []  # (last offered, in ms; slot), of the same
        self._barred = barred
        self.wrapping: dict[str, int] = {}  # by contact: who wraps it up
        self._conditions: dict[Node, int] = {}
        self._anybody = 0  # free for some channel

    def follow(self, agents: Mapping[str, Agent]) -> None:
        """Keep in step with these agents, whoever has changed since; nothing to do if they are the same."""
        if self.mirrors is agents:
            return
        known = self.mirrors
        if known:
            for agent_id, agent in agents.items():
                if known.get(agent_id) is not agent:
                    self.put(agent)
        if not known or len(self.agents) != len(agents):  # at first, or others than were known
            self._fill(agents)
        self.mirrors = agents

    def put(self, agent: Agent) -> None:
        """Take over an agent who has changed, or is new; who calls it minds `mirrors`."""
        slot = self.slot_of.get(agent.agent_id)
        if slot is None:
            slot = self.slot_of[agent.agent_id] = len(self.agents)
            self.agents.append(agent)
            before = None
        else:
            before = self.agents[slot]
            self.agents[slot] = agent
        bit = 1 << slot
        if before is None or before.config is not agent.config:
            self._configured(agent, bit)
        self._moved(before, agent, slot, bit)

    def _fill(self, agents: Mapping[str, Agent]) -> None:
        """Take over all agents at once: sets are made whole, not bit by bit."""
        self.agents = list(agents.values())
        self.slot_of = {agent_id: slot for slot, agent_id in enumerate(agents)}
        self._conditions.clear()
        size = len(self.agents)
        groups: dict[tuple[str, object], list[int]] = {}
        for slot, agent in enumerate(self.agents):
            for group in self._groups(agent):
                groups.setdefault(group, []).append(slot)
        sets = {group: bits.of(slots, size) for group, slots in groups.items()}
        self.signed_in = sets.get(("signed_in", True), 0)
        self._anybody = sets.get(("anybody", True), 0)
        targets: tuple[tuple[str, dict[Any, int]], ...] = (
            ("free", self.free),
            ("load", self.by_load),
            ("skills", self.by_skills),
            ("wrapping", self.wrapping),
        )
        for name, target in targets:
            target.clear()
            target.update({value: held for (of, value), held in sets.items() if of == name})
        free = groups.get(("anybody", True), [])
        self.idle = sorted((_ms(self.agents[slot].idle_since), slot) for slot in free)
        self.offered = sorted((_ms(self.agents[slot].offered_at), slot) for slot in free)

    def _groups(self, agent: Agent) -> list[tuple[str, object]]:
        free = self._channels(agent)
        groups: list[tuple[str, object]] = [("load", len(agent.holds)), ("skills", len(agent.config.skills))]
        groups += [("free", channel) for channel in free]
        groups += [("signed_in", True)] if agent.signed_in else []
        groups += [("anybody", True)] if free else []
        groups += [("wrapping", contact_id) for contact_id in _wraps(agent)]
        return groups

    def _channels(self, agent: Agent) -> list[Channel]:
        if not agent.signed_in or agent.wants != "ready":
            return []
        return [channel for channel in agent.config.capacity if not self._barred(agent, channel)]

    def _configured(self, agent: Agent, bit: int) -> None:
        facts = AgentFacts(agent.config)
        for node, held in self._conditions.items():
            holds = bool(run(node)(facts))
            if holds is not bool(held & bit):
                self._conditions[node] = held ^ bit

    def _moved(self, before: Agent | None, agent: Agent, slot: int, bit: int) -> None:
        free = self._channels(agent)
        for channel in {*self.free, *free}:
            held = self.free.get(channel, 0)
            if (channel in free) is not bool(held & bit):
                self.free[channel] = held ^ bit
        if agent.signed_in is not bool(self.signed_in & bit):
            self.signed_in ^= bit
        for groups, size in ((self.by_load, _load), (self.by_skills, _skills)):
            if before is None or size(before) != size(agent):
                if before is not None:
                    _regroup(groups, size(before), bit)
                _regroup(groups, size(agent), bit)
        for contact_id in _wraps(before) ^ _wraps(agent):
            _regroup(self.wrapping, contact_id, bit)
        was = before if before and self._anybody & bit else None
        now = agent if free else None
        if (was is None) is not (now is None):
            self._anybody ^= bit
        _reorder(self.idle, was.idle_since if was else None, now.idle_since if now else None, slot)
        _reorder(self.offered, was.offered_at if was else None, now.offered_at if now else None, slot)

    # --- asking

    def where(self, node: Node) -> int:
        """Return the agents of whom a condition holds that speaks of agents only."""
        match node:
            case Literal():
                return self.everybody if node.value else 0
            case Apply(operator="and"):
                held = self.everybody
                for each in node.operands:
                    held &= self.where(each)
                return held
            case Apply(operator="or"):
                held = 0
                for each in node.operands:
                    held |= self.where(each)
                return held
            case Apply(operator="not", operands=(negated,)):
                return self.everybody & ~self.where(negated)
        return self._condition(node)

    def _condition(self, node: Node) -> int:
        held = self._conditions.pop(node, None)
        if held is None:
            holds = run(node)
            slots = (slot for slot, agent in enumerate(self.agents) if holds(AgentFacts(agent.config)))
            held = bits.of(slots, len(self.agents))
        self._conditions[node] = held  # the last in the order of asking
        if len(self._conditions) > MOST_CONDITIONS:
            del self._conditions[next(iter(self._conditions))]
        return held

    @property
    def everybody(self) -> int:
        return (1 << len(self.agents)) - 1

    def bit_of(self, agent_id: str) -> int:
        """Return the set of this one agent, the empty one where he is not known."""
        slot = self.slot_of.get(agent_id)
        return 0 if slot is None else 1 << slot


def _ms(moment: datetime) -> int:
    return to_ms(moment - BEGINNING)


def _load(agent: Agent) -> int:
    return len(agent.holds)


def _skills(agent: Agent) -> int:
    return len(agent.config.skills)


def _wraps(agent: Agent | None) -> frozenset[str]:
    if agent is None or not agent.holds:
        return frozenset()
    return frozenset(each.contact_id for each in agent.holds.values() if each.state == "wrap_up")


def _regroup(groups: dict[K, int], group: K, bit: int) -> None:
    """Take the agent into the group, or out of it; no group is left empty."""
    held = groups.get(group, 0) ^ bit
    if held:
        groups[group] = held
    else:
        del groups[group]


def _reorder(
    order: list[tuple[int, int]], before: datetime | None, after: datetime | None, slot: int
) -> None:
    if before == after:
        return
    if before is not None:
        del order[bisect_left(order, (_ms(before), slot))]
    if after is not None:
        insort(order, (_ms(after), slot))
