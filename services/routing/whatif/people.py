"""The people of a script: what each does next when routing has told something, and what became of them."""

from collections.abc import Callable, Iterator
from datetime import datetime
from math import isinf
from typing import NamedTuple

from libs.events import agent, queue, routing
from libs.events.base import Fact
from services.routing.domain.model import Pool
from services.routing.whatif.script import Script
from services.routing.whatif.story import Presence, Story, Told

Score = Callable[[Pool, Pool, routing.AgentOffered, datetime], float]  # the pool before and after the offer

OFFER_NOT_TAKEN = ("no_answer", "declined")  # reasons that routing gives


class Act(NamedTuple):
    """
    Something that somebody will do in so many seconds.

    It is left undone if the contact has come to another stage by then; None: whatever stage it has come to.
    """

    after_s: float
    data: Fact
    contact_id: str
    stage: int | None = None
    event_time: datetime | None = None  # where its event says another time than when it comes


class People:
    """Everybody in a script. `expected` counts the contacts that are still to come."""

    def __init__(self, script: Script, pool: Pool, score: Score | None) -> None:
        self._visits = {each.contact_id: each for each in script.visits}
        self._told = Told(script.begin, script.end)
        self._pool_id = script.pool_id
        self._back_after_s = script.back_after_s
        self._score = score
        self._stages: dict[str, int] = {}  # counts the waits and talks that a contact has begun
        self._talks: dict[str, int] = {}
        self.expected = len(self._visits)
        for each in pool.agents.values():
            presence = Presence(script.begin, script.end, each.entered.state, each.entered.since)
            self._told.presences[each.agent_id] = presence

    def told(self, now: datetime) -> Told:
        """Return what became of all, with the states that agents are in counted until now."""
        for presence in self._told.presences.values():
            presence.enter(presence.state, now)
        self._told.ended_at = now
        return self._told

    def still_means(self, act: Act, pool: Pool) -> bool:
        """Say whether what somebody planned to do is still to be done."""
        contact = pool.contacts.get(act.contact_id)
        match act.data:
            case queue.OfferAccepted(offer_id=offer_id) | queue.OfferDeclined(offer_id=offer_id):
                return contact is not None and contact.state == "offered" and contact.offer_id == offer_id
            case queue.WrapUpCompleted(agent_id=agent_id):
                held = pool.agents[agent_id].holds.get(act.contact_id)
                return held is not None and held.state == "wrap_up"
        return act.stage is None or act.stage == self._stages.get(act.contact_id)

    def comes(self, data: queue.ContactQueued, now: datetime) -> None:
        """Begin the story of a contact."""
        self._told.stories[data.contact_id] = Story(data.contact_id, data.queue_id, now)
        self.expected -= 1

    def react(self, fact: Fact, now: datetime, before: Pool, after: Pool) -> Iterator[Act]:
        """Note what a fact says, and yield what people do because of it."""
        match fact:
            case agent.StateEntered():
                yield from self._enter(fact, now)
            case routing.ContactEnqueued(cause="arrived" | "transferred"):
                yield from self._waits(fact.contact_id)
            case routing.ContactRequeued(talked_ms=int()):
                yield from self._waits(fact.contact_id)
            case routing.AgentOffered():
                yield from self._is_offered(fact, now, before, after)
            case routing.ContactAssigned():
                yield from self._talks_to(fact, now)
            case routing.ContactReleased() | routing.ContactTransferred():
                yield from self._leaves(fact, now)
            case routing.ContactAbandoned():
                self._ends(fact.contact_id, "abandoned", now)
            case routing.ContactRejected():
                self._ends(fact.contact_id, "rejected", now)

    def _enter(self, fact: agent.StateEntered, now: datetime) -> Iterator[Act]:
        presences, told = self._told.presences, self._told
        if fact.agent_id not in presences:
            presences[fact.agent_id] = Presence(told.begin, told.end)
        presences[fact.agent_id].enter(fact.state, now)
        if fact.reason in OFFER_NOT_TAKEN and not isinf(self._back_after_s):
            ready = queue.AgentStateRequested(pool_id=self._pool_id, agent_id=fact.agent_id, state="ready")
            yield Act(self._back_after_s, ready, "")

    def _waits(self, contact_id: str) -> Iterator[Act]:
        stage = self._next_stage(contact_id)
        patience_s = self._visits[contact_id].leg(self._talks.get(contact_id, 0)).patience_s
        if not isinf(patience_s):
            yield Act(patience_s, self._withdrawn(contact_id, "customer"), contact_id, stage)

    def _is_offered(
        self, fact: routing.AgentOffered, now: datetime, before: Pool, after: Pool
    ) -> Iterator[Act]:
        story = self._told.stories[fact.contact_id]
        answer = self._visits[fact.contact_id].answer(fact.agent_id, story.offers.count(fact.agent_id))
        story.first_offer_at = story.first_offer_at or now
        story.offers.append(fact.agent_id)
        if self._score is not None and story.answered_at is None:
            story.score = self._score(before, after, fact, now)
        about = {
            "pool_id": self._pool_id,
            "contact_id": fact.contact_id,
            "agent_id": fact.agent_id,
            "offer_id": fact.offer_id,
        }
        match answer.act:
            case "accepts":
                yield Act(answer.after_s, queue.OfferAccepted(**about), fact.contact_id)
            case "declines":
                yield Act(answer.after_s, queue.OfferDeclined(**about), fact.contact_id)

    def _talks_to(self, fact: routing.ContactAssigned, now: datetime) -> Iterator[Act]:
        contact_id, story = fact.contact_id, self._told.stories[fact.contact_id]
        story.answered_at = story.answered_at or now
        story.outcome = "answered"
        story.agents.append(fact.agent_id)
        number = self._talks.get(contact_id, 0)
        self._talks[contact_id] = number + 1
        visit = self._visits[contact_id]
        leg = visit.leg(number)
        stage = self._next_stage(contact_id)
        passes_on = number < len(visit.legs) and (leg.to_queue_id or leg.to_agent_id)
        if passes_on:
            passed: Fact = queue.TransferRequested(
                pool_id=self._pool_id,
                contact_id=contact_id,
                agent_id=fact.agent_id,
                to_queue_id=leg.to_queue_id,
                to_agent_id=leg.to_agent_id,
            )
            yield Act(leg.talk_s, passed, contact_id, stage)
        else:
            yield Act(leg.talk_s, self._withdrawn(contact_id, "agent"), contact_id, stage)

    def _leaves(
        self, fact: routing.ContactReleased | routing.ContactTransferred, now: datetime
    ) -> Iterator[Act]:
        contact_id = fact.contact_id
        leg = self._visits[contact_id].leg(self._talks[contact_id] - 1)
        if isinstance(fact, routing.ContactReleased):
            self._ends(contact_id, "answered", now)
        if leg.wrap_up_s is not None:
            done = queue.WrapUpCompleted(
                pool_id=self._pool_id, contact_id=contact_id, agent_id=fact.agent_id, codes=leg.codes
            )
            yield Act(leg.wrap_up_s, done, contact_id)

    def _ends(self, contact_id: str, outcome: str, now: datetime) -> None:
        story = self._told.stories[contact_id]
        if story.answered_at is None:
            story.outcome = outcome  # type: ignore[assignment]  # one of its words
        story.over_at = now
        self._next_stage(contact_id)

    def _next_stage(self, contact_id: str) -> int:
        self._stages[contact_id] = self._stages.get(contact_id, 0) + 1
        return self._stages[contact_id]

    def _withdrawn(self, contact_id: str, by: str) -> Fact:
        session_id = self._visits[contact_id].queued.session_id
        return queue.ContactWithdrawn.model_validate(
            {"pool_id": self._pool_id, "contact_id": contact_id, "session_id": session_id, "by": by}
        )
