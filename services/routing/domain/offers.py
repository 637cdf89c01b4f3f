"""What becomes of an offer: accepted, declined, expired or withdrawn."""

from dataclasses import replace
from typing import Literal

from libs.events import queue, routing
from services.routing.domain import waits
from services.routing.domain.model import Contact, Held, to_ms
from services.routing.domain.turn import Turn


def _open_offer(turn: Turn, data: queue.OfferAccepted | queue.OfferDeclined) -> Contact | None:
    """Return the contact that the agent is offered under this id, or refuse."""
    agent = turn.agents.get(data.agent_id)
    contact = turn.contacts.get(data.contact_id)
    if agent is None:
        turn.refuse(data.agent_id, "unknown_agent")
    elif not agent.signed_in:
        turn.refuse(data.agent_id, "not_signed_in")
    elif contact is None and data.contact_id in turn.finished:
        turn.refuse(data.agent_id, "offer_expired", "the contact has ended")
    elif contact is None:
        turn.refuse(data.agent_id, "unknown_contact")
    elif data.offer_id in contact.lapsed:
        turn.refuse(data.agent_id, "offer_expired")
    elif contact.offer_id != data.offer_id:
        turn.refuse(data.agent_id, "unknown_offer")
    elif contact.agent_id != data.agent_id:
        turn.refuse(data.agent_id, "not_your_contact")
    elif contact.state == "offered":
        return contact
    else:
        turn.refuse(data.agent_id, "unknown_offer", "the offer is answered already")
    return None


def accepted(turn: Turn, data: queue.OfferAccepted) -> None:
    """Assign the contact: an offer stands until its time-out was told, not a moment less."""
    contact = _open_offer(turn, data)
    if contact is None:
        return
    turn.contacts[contact.contact_id] = replace(
        contact,
        state="assigned",
        expires_at=None,
        assigned_at=turn.now,
        insist_until=None,
        overflow_at=None,
        relax_at=None,
        match_at=None,
        expected_at=(),
        announce_at=None,
        passed_by="",
    )
    held = turn.agents[data.agent_id].holds[contact.contact_id]
    turn.hold(data.agent_id, replace(held, state="assigned", since=turn.now))
    turn.put_agent(replace(turn.agents[data.agent_id], idle_since=turn.now))
    assigned = routing.ContactAssigned(
        **contact.about(turn.pool_id),
        offer_id=contact.offer_id,
        agent_id=data.agent_id,
        customer_id=contact.customer_id,
        waited_ms=to_ms(turn.now - contact.since),
        estimate_errors_ms=waits.errors_ms(contact.expected_at, turn.now),
    )
    turn.tell(assigned, contact.journey_id)


def declined(turn: Turn, data: queue.OfferDeclined) -> None:
    contact = _open_offer(turn, data)
    if contact is None:
        return
    fact = routing.OfferDeclined(
        **contact.about(turn.pool_id),
        offer_id=contact.offer_id,
        agent_id=data.agent_id,
        reason=data.reason,
    )
    turn.tell(fact, contact.journey_id)
    _unready(turn, data.agent_id, "declined")
    requeue(turn, contact, "declined")


def expire(turn: Turn, contact: Contact) -> None:
    fact = routing.OfferExpired(
        **contact.about(turn.pool_id), offer_id=contact.offer_id, agent_id=contact.agent_id
    )
    turn.tell(fact, contact.journey_id)
    _unready(turn, contact.agent_id, "no_answer")
    requeue(turn, contact, "expired")


def _unready(turn: Turn, agent_id: str, reason: str) -> None:
    """Offer him nothing more; the reason he gave himself, if he did, stays."""
    agent = turn.agents[agent_id]
    if agent.wants == "ready":
        turn.put_agent(replace(agent, wants="not_ready", reason=reason))


def requeue(
    turn: Turn,
    contact: Contact,
    cause: Literal["declined", "expired", "agent_lost"],
    *,
    by: str = "",
    reason: str = "",
) -> None:
    """Let the contact wait again as long as it has waited, after an offer that came to nothing."""
    fact = routing.ContactRequeued(
        **contact.about(turn.pool_id), cause=cause, agent_id=contact.agent_id, by=by, reason=reason
    )
    turn.tell(fact, contact.journey_id)
    turn.let_go(contact.agent_id, contact.contact_id)
    turn.wait(turn.unlapsed(contact, failed=cause != "agent_lost"))


def withdraw(turn: Turn, contact: Contact, reason: str) -> Contact:
    """Take the open offer back and return the contact without it; the caller says what becomes of it."""
    fact = routing.OfferWithdrawn(
        **contact.about(turn.pool_id),
        offer_id=contact.offer_id,
        agent_id=contact.agent_id,
        reason=reason,
    )
    turn.tell(fact, contact.journey_id)
    turn.let_go(contact.agent_id, contact.contact_id)
    return turn.unlapsed(contact, failed=False)


def take_back(turn: Turn, held: Held, reason: str) -> None:
    """Withdraw the offer an agent has, and let the contact wait at its place."""
    contact = turn.contacts[held.contact_id]
    withdraw(turn, contact, reason)
    requeue(turn, contact, "agent_lost")
