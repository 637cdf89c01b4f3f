"""After-contact work: begun when a contact leaves its agent, ended by his word or by its time limit."""

from dataclasses import replace
from datetime import datetime

from libs.events import queue, routing
from services.routing.domain import learning, waits
from services.routing.domain.model import Contact, Held, Note, seconds, to_ms
from services.routing.domain.turn import Turn


def talked_ms(contact: Contact, now: datetime) -> int:
    return to_ms(now - contact.assigned_at) if contact.assigned_at else 0


def begin(turn: Turn, contact: Contact) -> None:
    """
    Let the agent who served the contact wrap it up.

    It is done at once where no time is given for it, or where the agent's note came before the end.
    """
    held = turn.agents[contact.agent_id].holds[contact.contact_id]
    limit_s = turn.queues[contact.queue_id].config.wrap_up_s
    wrapping = replace(
        held,
        state="wrap_up",
        since=turn.now,
        until=turn.now + seconds(limit_s),
        talked_ms=talked_ms(contact, turn.now),
    )
    turn.hold(contact.agent_id, wrapping)
    if not limit_s or held.note:
        finish(turn, contact.agent_id, wrapping, held.note)


def completed(turn: Turn, data: queue.WrapUpCompleted) -> None:
    """
    Take what the agent noted, and let him go.

    The end of a contact and its agent's note come by different topics, in any order: a note that comes first
    is kept until the contact ends.
    """
    agent = turn.agents.get(data.agent_id)
    if agent is None:
        turn.refuse(data.agent_id, "unknown_agent")
        return
    held = agent.holds.get(data.contact_id)
    note = Note(data.codes, data.pii.notes)
    if held is not None and held.state == "wrap_up":
        finish(turn, data.agent_id, held, note)
    elif held is not None and held.state == "assigned":
        turn.hold(data.agent_id, replace(held, note=note))
    elif data.contact_id in turn.contacts or data.contact_id in turn.finished:
        turn.refuse(data.agent_id, "not_in_wrap_up")
    else:
        turn.refuse(data.agent_id, "unknown_contact")


def finish(
    turn: Turn,
    agent_id: str,
    held: Held,
    note: Note | None = None,
    *,
    timed_out: bool = False,
) -> None:
    """End a wrap-up: with the agent's codes, by its time limit, or because the agent is gone."""
    wrap_up_ms = to_ms(turn.now - held.since)
    fact = routing.ContactWrappedUp(
        **held.about(turn.pool_id),
        agent_id=agent_id,
        codes=note.codes if note else (),
        wrap_up_ms=wrap_up_ms,
        timed_out=timed_out,
        pii=routing.NotesPii(notes=note.notes if note else ""),
    )
    turn.tell(fact, held.journey_id)
    turn.let_go(agent_id, held.contact_id)
    turn.put_queue(waits.learned(turn.queues[held.queue_id], held.talked_ms + wrap_up_ms))
    learning.learn(turn, agent_id, held.queue_id, learning.seen(turn, held, wrap_up_ms, note))
