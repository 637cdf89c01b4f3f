"""A day as the platform tells it: histories of contacts, numbered as their tellers number them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from libs.events import agent, analytics, interaction, queue, routing, session
from libs.events.base import AnyEvent, Event, Fact
from services.audit.domain import numbers

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
SOURCES = {
    "trunkline.session": "/trunkline/session/sessions",
    "trunkline.queue": "/trunkline/session/sessions",
    "trunkline.routing": "/trunkline/routing/pools",
    "trunkline.agent": "/trunkline/routing/pools",
    "trunkline.analytics": "/trunkline/analytics/intervals",
}


def at(seconds: float) -> datetime:
    return NINE + timedelta(seconds=seconds)


@dataclass
class Day:
    """Facts as their owners would tell them; each call tells one, a second after the one before."""

    events: list[AnyEvent] = field(default_factory=list)
    seconds: float = 0
    told: Counter[tuple[str, str]] = field(default_factory=Counter)

    def tell(
        self, data: Fact, *, after_s: float = 1, number: int | None = None, source: str = ""
    ) -> AnyEvent:
        self.seconds += after_s
        source = source or SOURCES.get(data.topic(), "/adapter")
        said = Event("", "acme", at(self.seconds), data, "j-1", source=source, sequence=1)
        name = numbers.aggregate_of(said)
        if name:
            self.told[source, name] += 1
        counted = self.told[source, name] if number is None else number
        event = said._replace(id=f"e-{len(self.events) + 1}", sequence=counted)
        self.events.append(event)
        return event

    # --- the steps of a contact

    def agent(self, agent_id: str = "ana", **capacity: int) -> "Day":
        room = capacity or {"voice": 1, "chat": 2}
        self.tell(
            agent.CapacityChanged.model_validate({"agent_id": agent_id, "pool_id": "main", "capacity": room})
        )
        return self

    def routing_begins(self, name: str) -> "Day":
        """Let routing begin a call; a session takes it up."""
        whose = {"interaction_id": name, "channel": "voice", "entry_point": "callback", "queue_id": "service"}
        self.tell(interaction.Started(**whose, pool_id="main"), source="/trunkline/routing/pools")
        self.tell(session.Started(**whose, session_id=f"s-{name}"))
        return self

    def begins(self, name: str, distribution: Any = "platform") -> "Day":
        whose = {"interaction_id": name, "channel": "chat", "entry_point": "web"}
        self.tell(interaction.Started(**whose, distribution=distribution))
        self.tell(session.Started(**whose, session_id=f"s-{name}", distribution=distribution))
        return self

    def queues(self, name: str, queue_id: str = "service") -> "Day":
        self.tell(
            queue.ContactQueued(
                pool_id="main", contact_id=name, session_id=f"s-{name}", queue_id=queue_id, channel="chat"
            )
        )
        since = at(self.seconds)
        self.tell(routing.ContactEnqueued(**about(name, queue_id), since=since))
        return self

    def offered(self, name: str, agent_id: str = "ana", offer_id: str = "") -> "Day":
        self.tell(
            routing.AgentOffered(
                **about(name),
                offer_id=offer_id or f"o-{name}",
                agent_id=agent_id,
                waited_ms=1000,
                expires_at=at(self.seconds + 15),
            )
        )
        return self

    def assigned(self, name: str, agent_id: str = "ana", offer_id: str = "") -> "Day":
        self.tell(
            routing.ContactAssigned(
                **about(name), offer_id=offer_id or f"o-{name}", agent_id=agent_id, waited_ms=2000
            )
        )
        self.tell(
            session.Connected(
                session_id=f"s-{name}",
                interaction_id=name,
                agent_id=agent_id,
                queue_id="service",
                waited_ms=2000,
            )
        )
        return self

    def serves(self, name: str, agent_id: str = "ana") -> "Day":
        return self.offered(name, agent_id).assigned(name, agent_id)

    def ends(self, name: str, by: Any = "customer") -> "Day":
        self.tell(interaction.Ended(interaction_id=name, by=by))
        return self

    def withdraws(self, name: str) -> "Day":
        self.ends(name).tell(
            queue.ContactWithdrawn(pool_id="main", contact_id=name, session_id=f"s-{name}", by="customer")
        )
        return self

    def released(self, name: str, agent_id: str = "ana") -> "Day":
        self.tell(routing.ContactReleased(**about(name), agent_id=agent_id, talked_ms=1000))
        return self

    def closes(self, name: str, outcome: Any = "handled") -> "Day":
        self.tell(
            session.ContactClosed(
                session_id=f"s-{name}", interaction_id=name, channel="chat", outcome=outcome
            )
        )
        return self

    def wraps_up(self, name: str, agent_id: str = "ana") -> "Day":
        self.tell(routing.ContactWrappedUp(**about(name), agent_id=agent_id, wrap_up_ms=1000))
        self.tell(
            session.WrappedUp(
                session_id=f"s-{name}",
                interaction_id=name,
                agent_id=agent_id,
                queue_id="service",
                wrap_up_ms=1000,
            )
        )
        return self

    def handled(self, name: str, agent_id: str = "ana") -> "Day":
        """Tell the whole life of a contact that an agent serves."""
        self.begins(name).queues(name).serves(name, agent_id).withdraws(name)
        return self.released(name, agent_id).closes(name).wraps_up(name, agent_id)

    def abandoned(self, name: str) -> "Day":
        self.begins(name).queues(name).withdraws(name)
        self.tell(routing.ContactAbandoned(**about(name), waited_ms=2000))
        return self.closes(name, "abandoned_in_queue")

    def self_served(self, name: str) -> "Day":
        return self.begins(name).closes(name, "self_served").ends(name)

    def counted(self, revision: int = 1, **figures: float) -> "Day":
        """Let analytics tell the first interval of queue "service", and an hour go by."""
        self.tell(
            analytics.IntervalClosed(
                dimension="queue",
                id="service",
                interval_start=NINE,
                interval_minutes=15,
                revision=revision,
                definitions_version=1,
                figures=figures,
            ),
            after_s=1200,
        )
        return self.quiet()

    def quiet(self) -> "Day":
        self.tell(
            agent.StateEntered(agent_id="ana", pool_id="main", state="ready", since=at(self.seconds)),
            after_s=3600,
        )
        return self

    def without(self, kind: type[Fact], of: str = "") -> list[AnyEvent]:
        """Return the events but those of one type (and contact): what was lost."""
        return [each for each in self.events if not (isinstance(each.data, kind) and of in each.data.key)]


def about(name: str, queue_id: str = "service") -> Any:
    return {
        "session_id": f"s-{name}",
        "contact_id": name,
        "pool_id": "main",
        "queue_id": queue_id,
        "channel": "chat",
    }


def clean() -> Day:
    """Return a day on which nothing went wrong."""
    day = Day().agent("ana").agent("ben").handled("c-1").abandoned("c-2").self_served("c-3")
    day.begins("c-4").queues("c-4").offered("c-4", "ana", "o-4a")
    day.tell(routing.OfferExpired(**about("c-4"), offer_id="o-4a", agent_id="ana"))
    day.tell(routing.ContactRequeued(**about("c-4"), cause="expired", agent_id="ana"))
    day.offered("c-4", "ben", "o-4b").assigned("c-4", "ben", "o-4b").withdraws("c-4")
    day.released("c-4", "ben").closes("c-4").wraps_up("c-4", "ben")
    return day.counted(offered=3, answered=2, abandoned=1)


def external() -> Day:
    """Return a day of an outside ACD: no fact of routing."""
    day = Day().begins("x-1", "external")
    day.tell(interaction.QueueEntered(interaction_id="x-1", queue_id="service"))
    day.tell(interaction.MediaChanged(interaction_id="x-1", change="answered", agent_id="ana"))
    day.ends("x-1").closes("x-1")
    day.begins("x-2", "external").tell(interaction.QueueEntered(interaction_id="x-2", queue_id="service"))
    day.ends("x-2").closes("x-2", "abandoned_in_queue")
    return day.counted(offered=2, answered=1, abandoned=1)


def rules_of(breaches: Sequence[Any]) -> list[str]:
    return [each.rule for each in breaches]
