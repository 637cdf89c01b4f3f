"""Decide what an event means for a pool: one table from event to rule."""

from datetime import datetime

from libs.events import queue
from libs.events.base import AnyEvent, Fact, Facts, Tick
from services.routing.domain import (
    calling_back,
    contacts,
    directing,
    learning,
    offers,
    presence,
    scheduling,
    strategies,
    wrap_up,
)
from services.routing.domain.model import Pool
from services.routing.domain.turn import Turn

DECIDES_ON: tuple[type[Fact], ...] = (
    queue.QueueConfigured,
    queue.AgentConfigured,
    queue.QueueRemoved,
    queue.AgentRemoved,
    queue.ReasonsConfigured,
    queue.AgentRated,
    queue.StrategyPublished,
    queue.ContactQueued,
    queue.ContactWithdrawn,
    queue.ContactMoved,
    queue.ContactDirected,
    queue.ContactTakenBack,
    queue.CallbackRequested,
    queue.CallbackCancelled,
    queue.AgentSignedIn,
    queue.AgentSignedOut,
    queue.AgentStateRequested,
    queue.OfferAccepted,
    queue.OfferDeclined,
    queue.WrapUpCompleted,
    queue.TransferRequested,
)


def decide(pool: Pool, event: AnyEvent, now: datetime) -> tuple[Pool, Facts]:
    """Return the pool after `event`, and the facts that follow; the same pool where nothing does."""
    turn = Turn(pool, event, now)
    match event.data:
        case queue.ContactQueued() as data:
            contacts.queued(turn, event, data)
        case queue.ContactWithdrawn() as data:
            contacts.withdrawn(turn, data)
        case queue.ContactMoved() as data:
            contacts.moved(turn, data)
        case queue.ContactDirected() as data:
            directing.directed(turn, data)
        case queue.ContactTakenBack() as data:
            directing.taken_back(turn, data)
        case queue.CallbackRequested() as data:
            calling_back.requested(turn, event, data)
        case queue.CallbackCancelled() as data:
            calling_back.cancelled(turn, data)
        case queue.TransferRequested() as data:
            contacts.transfer_requested(turn, data)
        case queue.OfferAccepted() as data:
            offers.accepted(turn, data)
        case queue.OfferDeclined() as data:
            offers.declined(turn, data)
        case queue.WrapUpCompleted() as data:
            wrap_up.completed(turn, data)
        case queue.AgentSignedIn() as data:
            presence.signed_in(turn, data)
        case queue.AgentSignedOut() as data:
            presence.signed_out(turn, data)
        case queue.AgentStateRequested() as data:
            presence.state_requested(turn, data)
        case queue.QueueConfigured() as data:
            presence.queue_configured(turn, data)
        case queue.AgentConfigured() as data:
            presence.agent_configured(turn, data)
        case queue.QueueRemoved() as data:
            presence.queue_removed(turn, data)
        case queue.AgentRemoved() as data:
            presence.agent_removed(turn, data)
        case queue.ReasonsConfigured() as data:
            turn.reasons = tuple(each.reason_id for each in data.reasons)
        case queue.StrategyPublished() as data:
            strategies.published(turn, data)
        case queue.AgentRated() as data:
            learning.rated(turn, data)
        case Tick():
            let_time_pass(turn)
        case _:
            return pool, ()
    return turn.done()


def let_time_pass(turn: Turn) -> None:
    """Do what is due: offers and wrap-ups run out, who waited too long moves on, insisting ends."""
    now = turn.now
    calling_back.start_due(turn)
    for agent in list(turn.agents.values()):
        for held in agent.holds.values():
            if held.until is not None and held.until <= now:
                wrap_up.finish(turn, agent.agent_id, held, timed_out=True)
        scheduling.look(turn, turn.agents[agent.agent_id])
    for contact in list(turn.contacts.values()):
        if contact.announce_at is not None and contact.announce_at <= now:
            turn.say_to(contact.contact_id)
        if contact.state == "offered" and contact.expires_at is not None and contact.expires_at <= now:
            offers.expire(turn, contact)
        elif contact.state == "waiting":
            if contact.overflow_at is not None and contact.overflow_at <= now:
                contacts.overflow(turn, contact)
                if contact.contact_id not in turn.contacts:
                    continue
            contacts.stop_insisting(turn, contact.contact_id)
            contacts.relax(turn, contact.contact_id)
            contacts.gather(turn, contact.contact_id)
