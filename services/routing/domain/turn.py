"""The end of an event: who has come free finds work, who has come finds an agent, and all that is told."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from libs.events import agent as agents
from libs.events import routing
from libs.events.base import Facts, follow_id
from services.routing.domain import announcing, leaving, match, together, waits
from services.routing.domain.decision import record_of
from services.routing.domain.model import (
    ESTIMATES_EVERY_S,
    Agent,
    Contact,
    Entered,
    Finished,
    Held,
    Pool,
    seconds,
    to_ms,
)
from services.routing.domain.working_pool import Indexes, WorkingPool

REMEMBERED_FOR = timedelta(hours=1)


class Turn(WorkingPool):
    """
    A working copy of the pool; `done` gives the pool back with the facts.

    At the end the freed find work, the new find agents, and each agent's new state is told once.
    """

    # --- the end of the turn

    def done(self) -> tuple[Pool, Facts]:
        self._note_rest()
        self._match()
        self._tell_waits()
        for contact_id in (*self._newcomers, *self._said_to):
            self.announce(contact_id)
        self._tell_states()
        return self._pool(), self._facts

    def _note_rest(self) -> None:
        """Let idleness begin for those who have just become ready; an offer in vain does not interrupt it."""
        for agent_id in self._touched:
            agent = self.agents[agent_id]
            if agent.state()[0] == "ready" and agent.entered.state not in ("ready", "offered"):
                self._put(replace(agent, idle_since=self.now))

    def _matcher(self) -> match.Matcher:
        """Return the matcher for the agents as they are now."""
        self._index.follow(self._followed)
        self._catch_up()
        return match.Matcher(self.queues, self._index, self.now)

    def _catch_up(self) -> None:
        for agent_id in self._stale:
            self._index.put(self.agents[agent_id])
        self._stale.clear()
        self._followed = self._index.mirrors = self.agents

    def _match(self) -> None:
        """
        Restore the invariant: the gathered are matched together, the freed take the most urgent they can
        serve, then the new take who is left.

        Offers only ever take agents away, so what was looked at once need not be looked at again.
        """
        self._match_gathered()
        freed = [
            agent
            for each in self._touched
            if (agent := self.agents[each]).signed_in and agent.wants == "ready"
        ]
        if freed:
            self._waiting.follow(self.contacts, self.queues, self.now)
            for agent in sorted(freed, key=lambda each: each.idle_since):
                self._find_work(agent.agent_id)
        fresh = [self.contacts[each] for each in (*self._fresh, *self._gathered) if each in self.contacts]
        if self._touched and any(queue.rules.reserved for queue in self.queues.values()):
            # Who comes free may open those to others who were kept free so far.
            fresh += [each for each in self.contacts.values() if self.rules_of(each).reserved]
        for contact in match.in_order(fresh, self.queues, self.now):
            if self.contacts[contact.contact_id].state == "waiting":
                self._find_agent(self.contacts[contact.contact_id])

    def _match_gathered(self) -> None:
        gathered = [self.contacts[each] for each in self._gathered if each in self.contacts]
        waiting = match.in_order(
            [each for each in gathered if each.state == "waiting"], self.queues, self.now
        )
        if len(waiting) > 1:
            matcher = self._matcher()
            for choice in together.match(waiting, matcher, self._index):
                self._settle(choice)

    def _find_work(self, agent_id: str) -> None:
        while True:
            contact = self._waiting.next_for(self.agents[agent_id], self._matcher(), self.now)
            if contact is None:
                return
            self._find_agent(contact)
            self._waiting.drop(contact.contact_id)

    def _find_agent(self, contact: Contact) -> None:
        self._settle(self._matcher().choose(contact))

    def _settle(self, choice: match.Choice) -> None:
        contact = choice.question.contact
        if choice.agent is not None or contact.contact_id in self._newcomers:
            decision_id = follow_id(self.event.id, f"decision/{contact.contact_id}/{len(self._facts)}")
            self.tell(record_of(choice, decision_id, self.pool_id, self.now), contact.journey_id)
        if choice.agent is not None:
            self._offer(contact, choice.agent)

    def _offer(self, contact: Contact, agent: Agent) -> None:
        offer_id = follow_id(self.event.id, f"offer/{contact.contact_id}")
        expires_at = self.now + seconds(self.queues[contact.queue_id].config.offer_timeout_s)
        offered = replace(
            contact, state="offered", agent_id=agent.agent_id, offer_id=offer_id, expires_at=expires_at
        )
        self.contacts[contact.contact_id] = offered
        held = Held(
            contact.contact_id,
            contact.session_id,
            contact.journey_id,
            contact.queue_id,
            contact.channel,
            "offered",
            self.now,
        )
        self.put_agent(replace(self.agents[agent.agent_id], offered_at=self.now))
        self.hold(agent.agent_id, held)
        offer = routing.AgentOffered(
            **contact.about(self.pool_id),
            offer_id=offer_id,
            agent_id=agent.agent_id,
            customer_id=contact.customer_id,
            waited_ms=to_ms(self.now - contact.since),
            expires_at=expires_at,
            reason=contact.reason,
            callback=contact.is_callback,
        )
        self.tell(offer, contact.journey_id)

    def _tell_waits(self) -> None:
        """Tell the newly admitted their place; the others theirs every ten seconds, where it has changed."""
        if self.estimate_at is not None and self.now >= self.estimate_at:
            self.tell_places(list(self.contacts.values()))
            self.estimate_at = None
        newcomers = [self.contacts[each] for each in self._newcomers if each in self.contacts]
        if any(each.state == "waiting" for each in newcomers):
            self.tell_places(newcomers)
        if self.estimate_at is None and any(each.state == "waiting" for each in self.contacts.values()):
            self.estimate_at = self.now + timedelta(seconds=ESTIMATES_EVERY_S)

    def announce(self, contact_id: str) -> None:
        """
        Tell what is to be said to the contact by now; nothing to whom an agent has taken.

        Of its place and its wait nothing is said while it is offered: its turn has come.
        """
        contact = self.contacts.get(contact_id)
        if contact is None or contact.announce_at is None or contact.announce_at > self.now:
            return
        queue = self.queues[contact.queue_id]
        found = list(announcing.due(contact, queue, self.now))
        if contact.state != "waiting":
            found = [each for each in found if each.announced.kind == "comfort"]
        elif any(each.announced.kind != "comfort" for each in found):
            contact = self._estimated(contact)
        for each in found:
            self._say(contact, each)
        past = replace(contact, announced_at=self.now)
        self.contacts[contact_id] = replace(past, announce_at=announcing.begun(past, queue))

    def _estimated(self, contact: Contact) -> Contact:
        """Return the contact with a place, and a wait that was told and is not over yet."""
        if not contact.expected_at or contact.expected_at[-1] <= self.now:
            self.tell_places([contact], anew=True)
        return self.contacts[contact.contact_id]

    def _say(self, contact: Contact, due: announcing.Due) -> None:
        announced, knows = due.announced, due.announced.kind != "comfort"
        position = contact.position if knows else None
        wait_ms = to_ms(contact.expected_at[-1] - self.now) if knows else None
        language, text = announcing.text_for(announced.say, contact.language)
        fact = routing.AnnouncementDue(
            **contact.about(self.pool_id),
            announcement_id=announced.id,
            kind=announced.kind,
            number=due.number,
            due_at=due.at,
            language=language,
            text=announcing.filled_in(text, position, wait_ms),
            media_url=announced.media_url,
            position=position,
            estimated_wait_ms=wait_ms,
        )
        self.tell(fact, contact.journey_id)

    def tell_places(self, whom: Sequence[Contact], *, anew: bool = False) -> None:
        """Tell contacts their places where these have changed and ten seconds are over, or all `anew`."""
        places = waits.positions(self.contacts.values(), self.queues, self.now)
        servers: dict[tuple[str, str], int] = {}
        lately = self.now - timedelta(seconds=ESTIMATES_EVERY_S)
        for contact in whom:
            place = places.get(contact.contact_id, 0)
            is_known = place == contact.position or contact.position_at > lately
            if not place or (is_known and not anew):
                continue
            queue = self.queues[contact.queue_id]
            kind = (contact.queue_id, contact.channel)
            if kind not in servers:
                servers[kind] = waits.servers(queue, contact.channel, self.agents.values())
            wait_ms = waits.estimate_ms(place, queue, servers[kind])
            self.contacts[contact.contact_id] = replace(
                contact,
                position=place,
                position_at=self.now,
                expected_at=waits.expected(contact.expected_at, self.now, wait_ms),
            )
            fact = routing.WaitEstimated(
                **contact.about(self.pool_id), position=place, estimated_wait_ms=wait_ms
            )
            self.tell(fact, contact.journey_id)

    def _tell_states(self) -> None:
        """Tell each agent's new state, once: the last one began where this one begins."""
        for agent_id in self._touched:
            agent = self.agents[agent_id]
            before = agent.entered
            (state, reason), load = agent.state(), agent.load()
            if (state, reason, load) == (before.state, before.reason, before.load):
                continue
            entered = agents.StateEntered(
                agent_id=agent_id,
                pool_id=self.pool_id,
                state=state,
                reason=reason,
                since=self.now,
                previous=before.state,
                previous_ms=to_ms(self.now - before.since) if before.since else 0,
                load=load,
            )
            self._put(replace(_with_time(agent, self.now), entered=Entered(state, reason, self.now, load)))
            self.tell(entered, self.event.journey_id or self._journey_of(agent_id))

    def _journey_of(self, agent_id: str) -> str:
        """Return the journey of what time alone did to an agent."""
        return follow_id(f"{self.event.tenant}/agent/{agent_id}", "journey")

    def _pool(self) -> Pool:
        before = self._before
        has_time = self.estimate_at is not None
        if has_time and not any(each.state == "waiting" for each in self.contacts.values()):
            self.estimate_at = None
        after_all = Pool(
            self.pool_id,
            self.queues,
            self.agents,
            self.contacts,
            self._still_remembered(),
            before.at,
            self.estimate_at,
            self.strategies,
            self.reasons,
            self.leaving,
            self.callbacks,
            Indexes(self._index, self._waiting),
        )
        if self.gone or self.leaving:
            after_all = leaving.without(after_all, self.gone)
        changed = after_all != before
        if self._index.mirrors is self._followed:
            self._catch_up()
            self._index.mirrors = self.agents if changed else before.agents
        return replace(after_all, at=self.now) if changed else before

    def _still_remembered(self) -> dict[str, Finished]:
        """Return the ended contacts without those that ended long ago; the first is the oldest."""
        oldest = next(iter(self.finished.values()), None)
        if oldest is None or self.now - oldest.at <= REMEMBERED_FOR:
            return self.finished
        return {key: each for key, each in self.finished.items() if self.now - each.at <= REMEMBERED_FOR}


def _with_time(agent: Agent, now: datetime) -> Agent:
    """Return the agent with the state he leaves counted as time served or free; both begin at sign-in."""
    left = agent.entered
    spent_ms = to_ms(now - left.since) if left.since else 0
    match left.state:
        case "busy" | "wrap_up":
            return replace(agent, busy_ms=agent.busy_ms + spent_ms)
        case "ready" | "offered":
            return replace(agent, free_ms=agent.free_ms + spent_ms)
        case "signed_out":
            return replace(agent, busy_ms=0, free_ms=0)
    return agent
