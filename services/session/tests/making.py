"""Events and sessions for the tests of the session service."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from libs.events import crm_context, interaction, ivr, routing, visitor
from libs.events.base import AnyEvent, Event, Fact, Identity, Tick
from libs.local import LocalStore
from libs.stored import Key
from services.session.domain.session import decider
from services.session.domain.state import Rules, Session, blank
from services.session.store import Place, place_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RULES = Rules()
ZHANG = Identity(kind="phone", value="+8613800138000")
ROUTED: dict[str, Any] = {
    "session_id": "s-1",
    "contact_id": "i-1",
    "pool_id": "main",
    "queue_id": "service",
    "channel": "chat",
}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def event(data: Fact, seconds: float = 0, name: str = "") -> AnyEvent:
    """Return the fact as an event of tenant acme; its id follows from what it says."""
    return Event(name or f"{data.type}/{data.key}/{seconds}", "acme", at(seconds), data, "j-1")


def started(seconds: float = 0, interaction_id: str = "i-1", **said: Any) -> AnyEvent:
    identities = said.pop("identities", (ZHANG,))
    data = interaction.Started(
        interaction_id=interaction_id,
        channel=said.pop("channel", "chat"),
        entry_point="web-chat",
        pii=interaction.StartedPii(identities=identities),
        **said,
    )
    return event(data, seconds)


def ended(seconds: float, by: Any = "customer", reason: str = "") -> AnyEvent:
    return event(interaction.Ended(interaction_id="i-1", by=by, reason=reason), seconds)


def prepared(
    seconds: float, customer_id: str = "c-1", vip_level: int = 2, agent: str = "", **known: Any
) -> AnyEvent:
    data = crm_context.ContextPrepared(
        session_id="s-1",
        interaction_id="i-1",
        customer_id=customer_id,
        vip_level=vip_level,
        preferred_agent_id=agent,
        **known,
    )
    return event(data, seconds)


def completed(seconds: float, outcome: Any = "queue", **said: Any) -> AnyEvent:
    data = ivr.DialogueCompleted(
        session_id="s-1", interaction_id="i-1", flow_id="bank", flow_version=1, outcome=outcome, **said
    )
    return event(data, seconds)


def queued(seconds: float = 2) -> AnyEvent:
    return completed(seconds, queue_id="service", pool_id="main", priority=3, reason="card")


def assigned(seconds: float, agent_id: str = "agent1", queue_id: str = "service") -> AnyEvent:
    data = routing.ContactAssigned(
        **{**ROUTED, "queue_id": queue_id}, offer_id="o-1", agent_id=agent_id, waited_ms=4000
    )
    return event(data, seconds)


def released(seconds: float) -> AnyEvent:
    return event(routing.ContactReleased(**ROUTED, agent_id="agent1", talked_ms=60_000), seconds)


def survey(seconds: float, csat: int = 5) -> AnyEvent:
    return event(interaction.SurveySubmitted(interaction_id="i-1", csat=csat), seconds)


def tick(seconds: float) -> AnyEvent:
    return event(Tick(of="s-1"), seconds, f"tick/{seconds}")


def identified(visitor_id: str, seconds: float = 0) -> AnyEvent:
    pii = visitor.IdentifiedPii(identities=(ZHANG,))
    return event(visitor.Identified(visitor_id=visitor_id, pii=pii), seconds)


def run(events: Sequence[AnyEvent], rules: Rules = RULES) -> tuple[Session, list[list[AnyEvent]]]:
    """Return the session after the events, each decided at its own time, and the facts of each."""
    session, facts = blank(Key("acme", "s-1")), []
    decide = decider(rules)
    for each in events:
        session, told = decide(session, each, each.time)
        facts.append(list(told))
    return session, facts


class LocalPlaces:
    """Finds sessions among those of a local store."""

    def __init__(self, store: LocalStore[Session]) -> None:
        self._store = store

    async def around(self, interactions: Collection[Key], keys: Collection[str]) -> list[Place]:
        places = [place_of(stored.state) for stored in self._store.kept.values()]
        return [
            each
            for each in places
            if set(keys).intersection(each.keys)
            or any(Key(each.key.tenant, name) in interactions for name in each.interaction_ids)
        ]
