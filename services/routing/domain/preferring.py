"""On whom a contact insists: its preferred agents one after the other, each for his time."""

from dataclasses import replace

from services.routing.domain.model import Contact, seconds
from services.routing.domain.turn import Turn


def begun(turn: Turn, contact: Contact) -> Contact:
    """Return the contact insisting on the first of its agents who is signed in."""
    if not contact.then_preferred or _is_there(turn, contact.preferred_agent_id):
        return contact
    return moved_on(turn, contact)


def moved_on(turn: Turn, contact: Contact) -> Contact:
    """
    Return the contact insisting on the next of its agents who is signed in, from now on and for his time.

    With none left it insists on nobody, and the last one is still preferred among the able.
    """
    for place, each in enumerate(contact.then_preferred, 1):
        if _is_there(turn, each.agent_id):
            return replace(
                contact,
                preferred_agent_id=each.agent_id,
                insist_until=turn.now + seconds(each.for_s),
                then_preferred=contact.then_preferred[place:],
            )
    return replace(contact, insist_until=None, then_preferred=())


def _is_there(turn: Turn, agent_id: str) -> bool:
    agent = turn.agents.get(agent_id)
    return agent is not None and agent.signed_in
