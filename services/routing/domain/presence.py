"""Agents come and go: configuration, sign-in and sign-out, readiness with reasons."""

from dataclasses import replace

from libs.events import agent as agents
from libs.events import queue, routing
from services.routing.domain import offers, preferring, relaxing, scheduling, strategies, wrap_up
from services.routing.domain.model import Agent, Contact, Queue
from services.routing.domain.turn import Turn

LOST_PRIORITY = 100  # for a contact whose agent was lost while talking: ahead of all that only waited


def queue_configured(turn: Turn, data: queue.QueueConfigured) -> None:
    """Take over a queue's settings; who waits there is looked at anew, since its needs may have changed."""
    known = turn.queues.get(data.queue_id)
    if known is not None and known.config == data:
        return
    turn.put_queue(replace(known, config=data) if known else Queue(data))
    turn.leaving = tuple(each for each in turn.leaving if each != data.queue_id)
    strategies.follow(turn, data.queue_id)
    for contact in list(turn.contacts.values()):
        if contact.state == "waiting" and contact.queue_id == data.queue_id:
            turn.contacts[contact.contact_id] = relaxing.begun(contact, turn.queues[data.queue_id])
            turn.reconsider(contact.contact_id)


def agent_configured(turn: Turn, data: queue.AgentConfigured) -> None:
    """Take over an agent's skills and capacity; contacts he has stay his, whatever was taken from him."""
    known = turn.agents.get(data.agent_id)
    if known is not None and known.config == data:
        return
    agent = replace(known, config=data) if known else Agent(data)
    turn.put_agent(scheduling.scheduled(agent, turn.now))
    if known is None or known.config.capacity != data.capacity:
        fact = agents.CapacityChanged(
            agent_id=data.agent_id, pool_id=turn.pool_id, capacity=dict(data.capacity)
        )
        turn.tell(fact)
    if not data.enabled and turn.agents[data.agent_id].signed_in:
        sign_out(turn, turn.agents[data.agent_id])


def queue_removed(turn: Turn, data: queue.QueueRemoved) -> None:
    """Let a queue take nobody from now on, and go once nobody is in it; nobody who waits there is lost."""
    known = turn.queues.get(data.queue_id)
    if known is not None and data.queue_id not in turn.leaving:
        turn.put_queue(replace(known, config=known.config.model_copy(update={"enabled": False})))
        turn.leaving = (*turn.leaving, data.queue_id)


def agent_removed(turn: Turn, data: queue.AgentRemoved) -> None:
    """Let an agent go for good, whatever he has on his hands, as if he had signed out."""
    agent = turn.agents.get(data.agent_id)
    if agent is not None:
        if agent.signed_in:
            sign_out(turn, agent)
        turn.gone.add(data.agent_id)


def signed_in(turn: Turn, data: queue.AgentSignedIn) -> None:
    """Let an agent in, not ready; signing in twice changes nothing."""
    agent = turn.agents.get(data.agent_id)
    if agent is None or not agent.config.enabled:
        turn.refuse(data.agent_id, "unknown_agent")
    elif not agent.signed_in:
        came = replace(agent, signed_in=True, wants="not_ready", reason="signed_in")
        turn.put_agent(scheduling.scheduled(came, turn.now))


def signed_out(turn: Turn, data: queue.AgentSignedOut) -> None:
    agent = turn.agents.get(data.agent_id)
    if agent is None:
        turn.refuse(data.by or data.agent_id, "unknown_agent")
    elif agent.signed_in:
        sign_out(turn, agent)


def sign_out(turn: Turn, agent: Agent) -> None:
    """
    Let an agent go, whatever he has on his hands: no customer is lost with him.

    An offer is withdrawn; who talked to him waits again, ahead of others; a wrap-up ends as if timed out.
    """
    agent_id = agent.agent_id
    for held in agent.holds.values():
        if held.state == "wrap_up":
            wrap_up.finish(turn, agent_id, held, timed_out=True)
        elif held.state == "offered":
            offers.take_back(turn, held, "agent signed out")
        else:
            lose(turn, turn.contacts[held.contact_id])
    gone = replace(turn.agents[agent_id], signed_in=False, wants="not_ready", reason="", overtime=False)
    turn.put_agent(scheduling.scheduled(gone, turn.now))
    for contact in list(turn.contacts.values()):
        if contact.state == "waiting" and contact.preferred_agent_id == agent_id:
            turn.contacts[contact.contact_id] = preferring.begun(turn, contact)
            turn.reconsider(contact.contact_id)


def lose(turn: Turn, contact: Contact, *, by: str = "", reason: str = "") -> None:
    """Let who talks to an agent wait again without him, ahead of all who only waited."""
    fact = routing.ContactRequeued(
        **contact.about(turn.pool_id),
        cause="agent_lost",
        agent_id=contact.agent_id,
        talked_ms=wrap_up.talked_ms(contact, turn.now),
        by=by,
        reason=reason,
    )
    turn.tell(fact, contact.journey_id)
    turn.let_go(contact.agent_id, contact.contact_id)
    lost = replace(
        contact,
        since=turn.now,
        assigned_at=None,
        priority=contact.priority + LOST_PRIORITY,
        position=0,
        expected_at=(),
        announced_at=None,
    )
    turn.wait(relaxing.begun(lost, turn.queues[contact.queue_id]))


def state_requested(turn: Turn, data: queue.AgentStateRequested) -> None:
    """
    Note what an agent wants; it takes effect when his hands are empty.

    Where reasons are configured, not ready takes one of them. Asked by himself, an open offer stays with him;
    asked by a supervisor, it is withdrawn. Whom a supervisor made ready works outside his schedule too, until
    he signs out.
    """
    agent = turn.agents.get(data.agent_id)
    if agent is None:
        turn.refuse(data.by or data.agent_id, "unknown_agent")
        return
    if not agent.signed_in:
        turn.refuse(data.by or data.agent_id, "not_signed_in")
        return
    if data.state == "not_ready" and turn.reasons and data.reason not in turn.reasons:
        turn.refuse(data.by or data.agent_id, "agent_unavailable", _reasons_wanted(turn))
        return
    reason = data.reason if data.state == "not_ready" else ""
    by_another = data.by not in ("", data.agent_id)
    overtime = agent.overtime or (data.state == "ready" and by_another)
    turn.put_agent(replace(agent, wants=data.state, reason=reason, overtime=overtime))
    if data.state == "not_ready" and by_another:
        for held in agent.holds.values():
            if held.state == "offered":
                offers.take_back(turn, held, "agent taken out by a supervisor")


def _reasons_wanted(turn: Turn) -> str:
    """Return the refusal of a reason that is none of the configured, as short as a fact has it."""
    text = f"unknown_reason: one of {', '.join(turn.reasons)}"
    return text if len(text) <= 256 else f"{text[:253]}..."
