"""Who holds which contacts at every point of a pool's log, and whether it is more than he can hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from libs.events import agent, routing
from libs.events.base import AnyEvent, Fact

MOVES: tuple[type[Fact], ...] = (
    agent.CapacityChanged,
    routing.AgentOffered,
    routing.ContactAssigned,
    routing.ContactRequeued,
    routing.ContactTransferred,
    routing.ContactReleased,
)


@dataclass(frozen=True, slots=True)
class Move:
    """What a fact of a pool changes on its floor; `number` is its place in the pool's log."""

    event_id: str
    number: int
    kind: str  # capacity_changed, agent_offered, contact_assigned, left; "" for what changes nothing here
    agent_id: str = ""
    contact_id: str = ""
    channel: str = ""
    capacity: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Desk:
    """
    One agent: what he can hold, and the contacts assigned to him, by id, with channel and event.

    `promised` is what he could hold of a channel when he was offered the contact: less capacity since then
    does not take an open offer back.
    """

    capacity: Mapping[str, int] = field(default_factory=dict)
    holds: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    promised: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Floor:
    """The desks of a pool's agents, as far as its log tells."""

    desks: Mapping[str, Desk] = field(default_factory=dict)

    def forget(self) -> "Floor":
        """Return the floor after facts were missed: who holds what is not known, until it is told anew."""
        return Floor({name: Desk(desk.capacity) for name, desk in self.desks.items()})


def move_of(event: AnyEvent) -> Move:
    """Return what a numbered fact of a pool changes on the floor."""
    match event.data:
        case agent.CapacityChanged() as data:
            capacity = {str(channel): room for channel, room in data.capacity.items()}
            return Move(event.id, event.sequence, "capacity_changed", data.agent_id, capacity=capacity)
        case routing.AgentOffered() as data:
            return Move(
                event.id, event.sequence, "agent_offered", data.agent_id, data.contact_id, data.channel
            )
        case routing.ContactAssigned() as data:
            return Move(
                event.id, event.sequence, "contact_assigned", data.agent_id, data.contact_id, data.channel
            )
        case routing.ContactRequeued() | routing.ContactTransferred() | routing.ContactReleased() as data:
            return Move(event.id, event.sequence, "left", data.agent_id, data.contact_id, data.channel)
    return Move(event.id, event.sequence, "")


def take(floor: Floor, move: Move) -> tuple[Floor, tuple[str, str, tuple[str, ...]] | None]:
    """Return the floor after a move; and agent, words and events where he now holds more than he can."""
    desk = floor.desks.get(move.agent_id, Desk())
    match move.kind:
        case "capacity_changed":
            return _with(floor, move.agent_id, replace(desk, capacity=move.capacity)), None
        case "agent_offered":
            room = desk.capacity.get(move.channel)
            if room is None:
                return floor, None
            promised = {**desk.promised, move.contact_id: room}
            return _with(floor, move.agent_id, replace(desk, promised=promised)), None
        case "contact_assigned":
            return _assign(floor, desk, move)
        case "left":
            return _leave(floor, move.contact_id), None
    return floor, None


def _assign(floor: Floor, desk: Desk, move: Move) -> tuple[Floor, tuple[str, str, tuple[str, ...]] | None]:
    holds = {**desk.holds, move.contact_id: (move.channel, move.event_id)}
    promised = desk.promised.get(move.contact_id)
    rest = {key: room for key, room in desk.promised.items() if key != move.contact_id}
    floor = _with(floor, move.agent_id, replace(desk, holds=holds, promised=rest))
    known = [room for room in (promised, desk.capacity.get(move.channel)) if room is not None]
    events = tuple(event_id for channel, event_id in holds.values() if channel == move.channel)
    if not known or len(events) <= max(known):
        return floor, None
    return floor, (move.agent_id, f"holds {len(events)} x {move.channel}, can hold {max(known)}", events)


def _leave(floor: Floor, contact_id: str) -> Floor:
    desks = {
        name: replace(
            desk,
            holds={key: each for key, each in desk.holds.items() if key != contact_id},
            promised={key: each for key, each in desk.promised.items() if key != contact_id},
        )
        if contact_id in desk.holds or contact_id in desk.promised
        else desk
        for name, desk in floor.desks.items()
    }
    return Floor(desks)


def _with(floor: Floor, agent_id: str, desk: Desk) -> Floor:
    return Floor({**floor.desks, agent_id: desk})
