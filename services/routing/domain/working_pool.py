"""The pool while one event is decided: what rules change in it, whom that concerns, and the facts to tell."""

from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from libs.events import agent as agents
from libs.events.base import AnyEvent, Fact, after
from services.routing.domain import match
from services.routing.domain.callback import Callback
from services.routing.domain.index import AgentIndex
from services.routing.domain.model import (
    Agent,
    Contact,
    Finished,
    Held,
    Pool,
    Queue,
)
from services.routing.domain.strategy.compiled import Rules
from services.routing.domain.waiting import WaitingIndex

REMEMBERED_FINISHED = 500
REMEMBERED_OFFERS = 4


class Indexes(NamedTuple):
    """What is worked out from a pool and goes with it."""

    agents: AgentIndex
    waiting: WaitingIndex


class WorkingPool:
    """
    A working copy of the pool.

    Rules change agents and contacts through it, and it notes whom that concerns, for the end of the turn.
    """

    def __init__(self, pool: Pool, event: AnyEvent, now: datetime) -> None:
        self.pool_id = pool.pool_id
        self.now = max(now, pool.at)
        self.event = event
        self.queues = pool.queues
        self.agents = dict(pool.agents)
        self.contacts = dict(pool.contacts)
        self.finished = pool.finished
        self.estimate_at = pool.estimate_at
        self._before = pool
        self._facts: list[AnyEvent] = []
        self._touched: dict[str, None] = {}
        self._fresh: dict[str, None] = {}
        self._newcomers: dict[str, None] = {}
        self._gathered: dict[str, None] = {}
        self._said_to: dict[str, None] = {}
        indexes: Indexes = pool.index or Indexes(AgentIndex(match.barred), WaitingIndex())
        self._index, self._waiting = indexes
        self._followed = pool.agents  # what the index is in step with, but for the stale
        self._stale: set[str] = set()
        self.strategies = pool.strategies
        self.reasons = pool.reasons
        self.leaving = pool.leaving
        self.gone: set[str] = set()  # agents who are no more when all is told
        self.callbacks = pool.callbacks

    # --- telling

    def tell(self, fact: Fact, journey_id: str = "") -> None:
        event = after(self.event, self.now, fact, journey_id=journey_id, what=str(len(self._facts)))
        self._facts.append(event)

    def refuse(self, agent_id: str, code: str, detail: str = "") -> None:
        """Tell who asked that nothing has changed, and why."""
        refused = agents.RequestRefused.model_validate(
            {
                "agent_id": agent_id,
                "pool_id": self.pool_id,
                "request_id": self.event.id,
                "code": code,
                "detail": detail,
            }
        )
        self.tell(refused)

    # --- changing

    def put_queue(self, queue: Queue) -> None:
        self.queues = {**self.queues, queue.config.queue_id: queue}

    def put_agent(self, agent: Agent) -> None:
        self._put(agent)
        self._touched[agent.agent_id] = None

    def rules_of(self, contact: Contact) -> Rules:
        return self.queues[contact.queue_id].rules

    def _put(self, agent: Agent) -> None:
        self.agents[agent.agent_id] = agent
        self._stale.add(agent.agent_id)

    def hold(self, agent_id: str, held: Held) -> None:
        agent = self.agents[agent_id]
        self.put_agent(replace(agent, holds={**agent.holds, held.contact_id: held}))

    def let_go(self, agent_id: str, contact_id: str) -> None:
        agent = self.agents[agent_id]
        holds = {key: held for key, held in agent.holds.items() if key != contact_id}
        self.put_agent(replace(agent, holds=holds))

    def wait(self, contact: Contact) -> None:
        """Let the contact wait, and have it looked at once all else of this event is done."""
        self.contacts[contact.contact_id] = replace(contact, state="waiting", agent_id="", expires_at=None)
        self._fresh[contact.contact_id] = None

    def admit(self, contact: Contact) -> None:
        """Let a contact wait that was not in the queue before: a failed match of it is recorded too."""
        self._newcomers[contact.contact_id] = None
        self.wait(contact)

    def gather(self, contact_id: str) -> None:
        """Have the contact matched at the end of this event, together with the others gathered."""
        self._gathered[contact_id] = None

    def say_to(self, contact_id: str) -> None:
        """Have what is due said to the contact at the end of this event, if it still waits then."""
        self._said_to[contact_id] = None

    def reconsider(self, contact_id: str) -> None:
        self._fresh[contact_id] = None

    def put_callback(self, callback: Callback) -> None:
        self.callbacks = {**self.callbacks, callback.callback_id: callback}

    def drop_callback(self, callback_id: str) -> None:
        self.callbacks = {key: each for key, each in self.callbacks.items() if key != callback_id}

    def end(self, contact_id: str, outcome: str) -> None:
        """Take the contact out of the pool and remember for a while how it ended; so ends its callback."""
        if contact_id in self.callbacks:
            self.drop_callback(contact_id)
        self.contacts.pop(contact_id, None)
        finished = {key: value for key, value in self.finished.items() if key != contact_id}
        finished[contact_id] = Finished(outcome, self.now)  # type: ignore[arg-type]  # named by the rules
        if len(finished) > REMEMBERED_FINISHED:
            finished = dict(islice(finished.items(), len(finished) - REMEMBERED_FINISHED, None))
        self.finished = finished

    def unlapsed(self, contact: Contact, *, failed: bool) -> Contact:
        """Return the contact with its open offer gone by."""
        lapsed = (*contact.lapsed, contact.offer_id)[-REMEMBERED_OFFERS:]
        return replace(contact, lapsed=lapsed, failed_offers=contact.failed_offers + failed)
