"""What a supervisor does with a contact and an agent: gives the one to the other, or takes it from him."""

from dataclasses import replace

from libs.events import queue
from services.routing.domain import offers, presence
from services.routing.domain.contacts import TRANSFER_INSISTS_S
from services.routing.domain.model import Agent, Contact, seconds
from services.routing.domain.turn import Turn


def directed(turn: Turn, data: queue.ContactDirected) -> None:
    """
    Let a contact wait for one agent, whatever his skills: he is offered it as soon as his hands allow.

    It keeps its place. As after a transfer to an agent, he is insisted on for `TRANSFER_INSISTS_S`; then
    anybody of its queue will do. An offer to somebody else is withdrawn, one to himself stands.
    """
    contact = turn.contacts.get(data.contact_id)
    agent = turn.agents.get(data.agent_id)
    if contact is None or contact.state == "assigned":
        turn.refuse(data.by, "unknown_contact", "the contact does not wait")
        return
    if agent is None:
        turn.refuse(data.by, "unknown_agent")
        return
    if not _can_have(agent, contact):
        turn.refuse(data.by, "agent_unavailable")
        return
    if contact.state == "offered":
        if contact.agent_id == data.agent_id:
            return
        offers.withdraw(turn, contact, "directed to another agent")
        offers.requeue(turn, contact, "agent_lost", by=data.by, reason=data.reason)
    turn.contacts[data.contact_id] = replace(
        turn.contacts[data.contact_id],
        preferred_agent_id=data.agent_id,
        by_name=True,
        passed_by="",
        insist_until=turn.now + seconds(TRANSFER_INSISTS_S),
        then_preferred=(),
        match_at=None,
    )
    turn.reconsider(data.contact_id)


def _can_have(agent: Agent, contact: Contact) -> bool:
    """Say whether the agent could be offered the contact at all, now or when his hands are empty."""
    return (
        agent.signed_in
        and agent.config.capacity.get(contact.channel, 0) > 0
        and agent.agent_id not in contact.excluded_agent_ids
    )


def taken_back(turn: Turn, data: queue.ContactTakenBack) -> None:
    """
    Let a contact wait again that an agent is offered or serves; he does not get it back from its queue.

    Who was offered keeps the place and age it had; who talked goes ahead of all who only waited, and the
    agent has nothing to wrap up.
    """
    contact = turn.contacts.get(data.contact_id)
    if contact is None or contact.state == "waiting":
        turn.refuse(data.by, "unknown_contact", "no agent has the contact")
        return
    agent_id = contact.agent_id
    if contact.state == "offered":
        offers.withdraw(turn, contact, "taken back by a supervisor")
        offers.requeue(turn, contact, "agent_lost", by=data.by, reason=data.reason)
    else:
        presence.lose(turn, contact, by=data.by, reason=data.reason)
    turn.contacts[data.contact_id] = replace(
        turn.contacts[data.contact_id],
        passed_by=agent_id,
        by_name=False,
        preferred_agent_id="",
        insist_until=None,
        then_preferred=(),
    )
