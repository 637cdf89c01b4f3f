"""Portraits grow: by what agents note of their contacts, and by what customers say afterwards."""

from dataclasses import replace

from libs.events import queue
from services.routing.domain import portrait
from services.routing.domain.model import Held, Note
from services.routing.domain.turn import Turn


def seen(turn: Turn, held: Held, wrap_up_ms: int, note: Note | None) -> dict[str, float]:
    """Return what a contact says of its agent; without codes nothing is known of what he achieved."""
    codes = turn.queues[held.queue_id].rules.strategy.learning
    found = {"handling_s": (held.talked_ms + wrap_up_ms) / 1000}
    if note and note.codes:
        found["fcr"] = float(not set(codes.resolved).isdisjoint(note.codes))
        found["conversion"] = float(not set(codes.converted).isdisjoint(note.codes))
    return found


def learn(turn: Turn, agent_id: str, queue_id: str, found: dict[str, float]) -> None:
    """Add to the portraits of the agent and of all; where no strategy is published, nobody looks at them."""
    into, agent = turn.queues.get(queue_id), turn.agents.get(agent_id)
    if into is None or into.strategy is None or agent is None or not found:
        return
    turn.put_queue(replace(into, portrait=portrait.learned(into.portrait, found)))
    own = portrait.learned(agent.portraits.get(queue_id, {}), found)
    turn.put_agent(replace(agent, portraits={**agent.portraits, queue_id: own}))


def rated(turn: Turn, data: queue.AgentRated) -> None:
    """Learn from what a customer said."""
    said = {"csat": data.csat, "nps": data.nps}
    learn(
        turn,
        data.agent_id,
        data.queue_id,
        {name: float(each) for name, each in said.items() if each is not None},
    )
