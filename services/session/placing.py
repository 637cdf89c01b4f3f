"""Find the session that each event of a batch belongs to, by one query for the batch."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from libs.events import interaction, visitor
from libs.events.base import AnyEvent, Event, Tick, follow_id
from libs.stored import Key
from services.session.domain.state import Rules, keys_of
from services.session.store import Place, Places


@dataclass(slots=True)
class Placed:
    """Which session each event goes to, in order; `unknown` belong to interactions that never started."""

    pairs: list[tuple[Key, AnyEvent]] = field(default_factory=list)
    unknown: list[AnyEvent] = field(default_factory=list)


async def place(events: Sequence[AnyEvent], places: Places, rules: Rules) -> Placed:
    """Return where the events go; a session that one of them opens is known to those after it."""
    interactions: set[Key] = set()
    keys: set[str] = set()
    for event in events:
        match event.data:
            case interaction.Started() as data:
                interactions.add(Key(event.tenant, data.interaction_id))
                if data.continues_id:
                    interactions.add(Key(event.tenant, data.continues_id))
                keys.update(keys_of(event.tenant, data.pii.identities, [data.visitor_id]))
            case visitor.Identified() as data:
                keys.update(keys_of(event.tenant, (), [data.visitor_id]))
            case _ if interaction_of(event):
                interactions.add(Key(event.tenant, interaction_of(event)))
    known = _Known(await places.around(interactions, keys), timedelta(seconds=rules.inactivity_s))
    placed = Placed()
    for event in events:
        match event.data:
            case interaction.Started() as data:
                placed.pairs.extend(known.start(event, data))
            case visitor.Identified() as data:
                there = known.by_key(keys_of(event.tenant, (), [data.visitor_id]))
                placed.pairs.extend((each.key, event) for each in there[:1])
            case _ if interaction_of(event):
                key = known.by_interaction.get(Key(event.tenant, interaction_of(event)))
                if key is None:
                    placed.unknown.append(event)
                else:
                    known.pass_by(event, key)
                    placed.pairs.append((key, event))
            case _:
                session_id = str(getattr(event.data, "session_id", ""))
                if session_id:
                    placed.pairs.append((Key(event.tenant, session_id), event))
    return placed


def interaction_of(event: AnyEvent) -> str:
    """Return the interaction of an adapter's event, "" for any other."""
    is_adapters = event.type.startswith("trunkline.interaction.")
    return str(getattr(event.data, "interaction_id", "")) if is_adapters else ""


class _Known:
    """The sessions that a batch concerns: those in the database, and those it opens itself."""

    def __init__(self, there: Sequence[Place], inactivity: timedelta) -> None:
        self._there = {each.key: each for each in there}
        self._inactivity = inactivity
        self.by_interaction = {
            Key(each.key.tenant, name): each.key for each in there for name in each.interaction_ids
        }
        self._having: dict[str, set[Key]] = {}  # once had is enough: who gave a key up is left out when asked
        for each in there:
            self._note(each.key, each.keys)

    def _note(self, session: Key, keys: Sequence[str]) -> None:
        for key in keys:
            self._having.setdefault(key, set()).add(session)

    def by_key(self, keys: Sequence[str]) -> list[Place]:
        """Return the open sessions that have one of the keys, the one active last first."""
        having = {session for key in keys for session in self._having.get(key, ())}
        found = [each for each in map(self._there.__getitem__, having) if not set(keys).isdisjoint(each.keys)]
        return sorted(found, key=lambda each: (_time(each), each.key.id), reverse=True)

    def start(self, event: AnyEvent, data: interaction.Started) -> list[tuple[Key, AnyEvent]]:
        """Return where a started interaction goes, after closing what has been idle for too long by then."""
        name = Key(event.tenant, data.interaction_id)
        if name in self.by_interaction:
            return [(self.by_interaction[name], event)]
        keys = keys_of(event.tenant, data.pii.identities, [data.visitor_id])
        pairs: list[tuple[Key, AnyEvent]] = []
        for each in (*self._continued(event.tenant, data.continues_id), *self.by_key(keys)):
            if not (each.idle and event.time >= _time(each) + self._inactivity):
                return [*pairs, (self._join(each, event, data, keys), event)]
            pairs.append((each.key, _time_up(event, each.key)))
            self._there[each.key] = replace(each, keys=(), is_open=False)
        journey = event.journey_id or follow_id(
            f"{event.tenant}/interaction/{data.interaction_id}", "journey"
        )
        opened = Key(event.tenant, follow_id(f"{event.tenant}/{event.id}", "session"))
        new = Place(opened, journey, (), (), event.time, frozenset(), frozenset())
        return [*pairs, (self._join(new, event, data, keys), event._replace(journey_id=journey))]

    def _continued(self, tenant: str, interaction_id: str) -> list[Place]:
        """Return the session of an earlier interaction, if it is still open."""
        key = self.by_interaction.get(Key(tenant, interaction_id))
        return [self._there[key]] if key is not None and self._there[key].is_open else []

    def pass_by(self, event: AnyEvent, key: Key) -> None:
        """Note what a later interaction of the batch will find."""
        there = self._there[key]
        ended = (
            frozenset({interaction_of(event)}) if isinstance(event.data, interaction.Ended) else frozenset()
        )
        self._there[key] = replace(
            there,
            active_at=max(_time(there), event.time),
            living=there.living - (ended & there.external),
        )

    def _join(self, there: Place, event: AnyEvent, data: interaction.Started, keys: Sequence[str]) -> Key:
        name = data.interaction_id
        self.by_interaction[Key(event.tenant, name)] = there.key
        self._note(there.key, keys)
        self._there[there.key] = replace(
            there,
            keys=(*there.keys, *keys),
            active_at=max(_time(there), event.time),
            living=there.living | {name},
            external=there.external | ({name} if data.distribution == "external" else frozenset()),
        )
        return there.key


def _time(place: Place) -> datetime:
    assert place.active_at is not None  # no session without an interaction is stored
    return place.active_at


def _time_up(event: AnyEvent, key: Key) -> AnyEvent:
    """Return the tick that the arrival of `event`, so much later, is for an idle session."""
    return Event(follow_id(f"{event.id}/{key}", "tick"), event.tenant, event.time, Tick(of=key.id), "")
