"""Builders for the tables: events of one pool at seconds past nine, and a pool they have been told to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from libs.documents import canonical, has_errors
from libs.events import queue
from libs.events.base import AnyEvent, Event, Fact, Tick
from services.routing.domain.decide import decide
from services.routing.domain.model import Agent, Contact, Pool, due
from services.routing.domain.strategy import checking

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
POOL = "main"
JOURNEY = "j-1"
_numbers = count(1)


def at(seconds: float) -> datetime:
    return NINE + timedelta(seconds=seconds)


def event(data: Fact, seconds: float = 0, journey_id: str = JOURNEY) -> AnyEvent:
    return Event(f"e-{next(_numbers)}", "acme", at(seconds), data, journey_id)


def service(
    queue_id: str = "service",
    *,
    needs: tuple[queue.Need, ...] = (),
    priority: int = 0,
    priority_per_minute: float = 1.0,
    wrap_up_s: float = 60,
    max_waiting: int = 0,
    max_wait_s: float = 0,
    overflow_queue_id: str = "",
    enabled: bool = True,
) -> Fact:
    return queue.QueueConfigured(
        pool_id=POOL,
        queue_id=queue_id,
        needs=needs,
        priority=priority,
        priority_per_minute=priority_per_minute,
        wrap_up_s=wrap_up_s,
        max_waiting=max_waiting,
        max_wait_s=max_wait_s,
        overflow_queue_id=overflow_queue_id,
        enabled=enabled,
    )


def configured(
    agent_id: str,
    *,
    skills: dict[str, int] | None = None,
    chats: int = 3,
    enabled: bool = True,
    attributes: dict[str, Any] | None = None,
    interrupts: dict[Any, tuple[Any, ...]] | None = None,
) -> Fact:
    return queue.AgentConfigured(
        pool_id=POOL,
        agent_id=agent_id,
        skills=skills or {},
        capacity={"voice": 1, "chat": chats},
        enabled=enabled,
        attributes=attributes or {},
        interrupts=interrupts or {},
    )


def strategy(version: int = 1, **document: Any) -> Fact:
    """Return the fact that a strategy for every queue came into force."""
    wanted = {"strategy_id": "gold", "queues": ["*"], **document}
    found, problems = checking.examine(wanted)
    assert found is not None and not has_errors(problems), problems
    return queue.StrategyPublished(
        pool_id=POOL, strategy_id=found.strategy_id, version=version, document=canonical(found)
    )


def signed_in(agent_id: str) -> Fact:
    return queue.AgentSignedIn(pool_id=POOL, agent_id=agent_id)


def signed_out(agent_id: str) -> Fact:
    return queue.AgentSignedOut(pool_id=POOL, agent_id=agent_id)


def ready(agent_id: str, by: str = "") -> Fact:
    return queue.AgentStateRequested(pool_id=POOL, agent_id=agent_id, state="ready", by=by)


def not_ready(agent_id: str, reason: str = "break", by: str = "") -> Fact:
    return queue.AgentStateRequested(pool_id=POOL, agent_id=agent_id, state="not_ready", reason=reason, by=by)


def queued(
    contact_id: str,
    queue_id: str = "service",
    *,
    channel: str = "voice",
    needs: tuple[queue.Need, ...] = (),
    priority: int = 0,
    vip_level: int = 0,
    prefers: str = "",
    for_s: float = 0,
    **more: Any,
) -> Fact:
    return queue.ContactQueued.model_validate(
        {
            "pool_id": POOL,
            "contact_id": contact_id,
            "session_id": f"s-{contact_id}",
            "queue_id": queue_id,
            "channel": channel,
            "needs": needs,
            "priority": priority,
            "vip_level": vip_level,
            "preferred_agent_id": prefers,
            "preferred_for_s": for_s,
            **more,
        }
    )


def withdrawn(contact_id: str) -> Fact:
    return queue.ContactWithdrawn(
        pool_id=POOL, contact_id=contact_id, session_id=f"s-{contact_id}", by="customer"
    )


def moved(contact_id: str, to_queue_id: str = "", priority: int | None = None) -> Fact:
    return queue.ContactMoved(
        pool_id=POOL, contact_id=contact_id, by="sue", to_queue_id=to_queue_id, priority=priority
    )


def directed(contact_id: str, agent_id: str) -> Fact:
    return queue.ContactDirected(
        pool_id=POOL, contact_id=contact_id, agent_id=agent_id, by="sue", reason="knows him"
    )


def taken_back(contact_id: str) -> Fact:
    return queue.ContactTakenBack(pool_id=POOL, contact_id=contact_id, by="sue", reason="unwell")


def transfer(contact_id: str, agent_id: str, to_queue_id: str = "", to_agent_id: str = "") -> Fact:
    return queue.TransferRequested(
        pool_id=POOL,
        contact_id=contact_id,
        agent_id=agent_id,
        to_queue_id=to_queue_id,
        to_agent_id=to_agent_id,
    )


def wrapped_up(contact_id: str, agent_id: str, *codes: str) -> Fact:
    return queue.WrapUpCompleted(pool_id=POOL, contact_id=contact_id, agent_id=agent_id, codes=codes)


def hard(skill: str, level: int = 1) -> queue.Need:
    return queue.Need(skill=skill, level=level)


def soft(skill: str, level: int = 1, weight: float = 1) -> queue.Need:
    return queue.Need(skill=skill, level=level, hard=False, weight=weight)


@dataclass
class Floor:
    """A pool under test: tell it facts at seconds past nine, get what follows."""

    pool: Pool = field(default_factory=lambda: Pool(POOL))
    told: list[AnyEvent] = field(default_factory=list)

    def tell(self, data: Fact, seconds: float = 0, journey_id: str = JOURNEY) -> list[Fact]:
        return self.apply(event(data, seconds, journey_id), seconds)

    def apply(self, cause: AnyEvent, seconds: float) -> list[Fact]:
        self.pool, facts = decide(self.pool, cause, at(seconds))
        self.told += facts
        return [each.data for each in facts]

    def wait_until(self, seconds: float) -> list[Fact]:
        """Let time pass as its ticks would, and return what follows from it."""
        facts: list[Fact] = []
        while True:
            moment = due(self.pool)
            if moment is None or moment > at(seconds):
                return facts
            tick = event(Tick(of=POOL), journey_id="")
            before = self.pool
            self.pool, told = decide(self.pool, tick._replace(time=moment), moment)
            assert self.pool is not before, "a deadline came and nothing came of it"
            self.told += told
            facts += [each.data for each in told]

    def staff(self, *agent_ids: str, **skills: dict[str, int]) -> "Floor":
        """Let agents sign in and be ready, one second after the other from nine o'clock."""
        for second, agent_id in enumerate((*agent_ids, *skills)):
            self.tell(configured(agent_id, skills=skills.get(agent_id)), second)
            self.tell(signed_in(agent_id), second)
            self.tell(ready(agent_id), second)
        return self

    def accept(self, contact_id: str, seconds: float = 0) -> list[Fact]:
        """Let the agent who is offered the contact take it."""
        contact = self.contact(contact_id)
        return self.tell(
            queue.OfferAccepted(
                pool_id=POOL,
                contact_id=contact_id,
                agent_id=contact.agent_id,
                offer_id=contact.offer_id,
            ),
            seconds,
        )

    def decline(self, contact_id: str, seconds: float = 0) -> list[Fact]:
        contact = self.contact(contact_id)
        return self.tell(
            queue.OfferDeclined(
                pool_id=POOL,
                contact_id=contact_id,
                agent_id=contact.agent_id,
                offer_id=contact.offer_id,
            ),
            seconds,
        )

    def contact(self, contact_id: str) -> Contact:
        return self.pool.contacts[contact_id]

    def agent(self, agent_id: str) -> Agent:
        return self.pool.agents[agent_id]

    def state(self, agent_id: str) -> str:
        """Return the agent's state as told, with its reason."""
        entered = self.agent(agent_id).entered
        return f"{entered.state}:{entered.reason}" if entered.reason else entered.state


def floor(*facts: Fact) -> Floor:
    """Return a pool that has been told facts at nine o'clock."""
    new = Floor()
    for each in facts or (service(),):
        new.tell(each)
    return new


def names(facts: Sequence[Fact]) -> list[str]:
    """Return what facts are called, for short: "agent_offered"."""
    return [each.type.split(".")[2] for each in facts]
