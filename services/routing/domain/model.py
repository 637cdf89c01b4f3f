"""What routing knows of one pool: its queues, its agents, the contacts in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

from pydantic import Field

from libs.events.agent import State
from libs.events.base import Channel
from libs.events.queue import AgentConfigured, Attribute, Need, Preferred, QueueConfigured
from services.routing.domain.callback import Callback
from services.routing.domain.portrait import Mean
from services.routing.domain.strategy.compiled import Rules, rules_of

EXCLUSIVE: frozenset[Channel] = frozenset({"voice", "video"})  # who speaks does nothing else
DEFAULT_HANDLING_MS = 180_000.0  # until a queue has seen a contact through
ESTIMATES_EVERY_S = 10
OUTSIDE_SCHEDULE = "outside_schedule"
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

__all__ = ["Agent", "Contact", "Finished", "Held", "Pool", "Queue"]


class About(TypedDict):
    """The fields that every fact about a contact begins with."""

    session_id: str
    contact_id: str
    pool_id: str
    queue_id: str
    channel: Channel


class Published(NamedTuple):
    """A version of a strategy; `document` is its text, so that equal texts are read once."""

    strategy_id: str
    version: int
    document: str


@dataclass(frozen=True, slots=True)
class Queue:
    """
    A queue as configured, the strategy it follows, and how its contacts have gone lately: how long they kept
    agents busy, and the portrait of all its agents together.
    """

    config: QueueConfigured
    handled: int = 0
    mean_handling_ms: float = DEFAULT_HANDLING_MS
    strategy: Published | None = None
    portrait: dict[str, Mean] = field(default_factory=dict)

    @property
    def rules(self) -> Rules:
        """Return the strategy in force; the default one where none was published."""
        return rules_of(self.strategy.document if self.strategy else "")


@dataclass(frozen=True, slots=True)
class Contact:
    """
    A contact that waits, is offered or is served.

    `agent_id` is empty exactly while it waits; `offer_id` is the last offer's. `since` began the wait that is
    measured, `aged_since` the one that raises the priority.
    """

    contact_id: str
    session_id: str
    journey_id: str
    queue_id: str
    channel: Channel
    needs: tuple[Need, ...]
    priority: int  # its own, VIP level included
    since: datetime
    aged_since: datetime
    customer_id: str = ""
    reason: str = ""
    state: Literal["waiting", "offered", "assigned"] = "waiting"
    agent_id: str = ""
    offer_id: str = ""
    expires_at: datetime | None = None
    assigned_at: datetime | None = None
    preferred_agent_id: str = ""
    insist_until: datetime | None = None  # until then nobody but the preferred agent
    then_preferred: tuple[Preferred, ...] = ()  # who is insisted on after him, in this order
    by_name: bool = False  # transferred to the preferred agent himself, whatever his skills
    passed_by: str = ""  # who transferred it to a queue, and does not get it back from there
    overflow_at: datetime | None = None
    been_in: tuple[str, ...] = ()  # queues it overflowed from
    lapsed: tuple[str, ...] = ()  # the last offers that came to nothing
    failed_offers: int = 0
    position: int = 0  # as last told to the customer
    position_at: datetime = BEGINNING
    expected_at: tuple[datetime, ...] = ()  # when it should be answered by each wait told in this queue
    vip_level: int = 0
    language: str = ""
    value: float = 0.0
    deadline: datetime | None = None
    attributes: dict[str, Attribute] = field(default_factory=dict)
    excluded_agent_ids: tuple[str, ...] = ()
    relax_at: datetime | None = None  # when its strategy next asks less of agents
    announce_at: datetime | None = None  # when something is next to be said to the customer
    announced_at: datetime | None = None  # all that was to be said until then in this queue is past
    is_callback: bool = False  # the customer is to be called
    match_at: datetime | None = None  # until then it waits for others, to be matched together with them

    def about(self, pool_id: str) -> About:
        return About(
            session_id=self.session_id,
            contact_id=self.contact_id,
            pool_id=pool_id,
            queue_id=self.queue_id,
            channel=self.channel,
        )


@dataclass(frozen=True, slots=True)
class Note:
    """What an agent noted of a contact."""

    codes: tuple[str, ...] = ()
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A contact on an agent's hands; a wrap-up goes on after the contact itself has ended."""

    contact_id: str
    session_id: str
    journey_id: str
    queue_id: str
    channel: Channel
    state: Literal["offered", "assigned", "wrap_up"]
    since: datetime
    until: datetime | None = None  # of a wrap-up
    talked_ms: int = 0
    note: Note | None = None  # given before the contact had ended

    def about(self, pool_id: str) -> About:
        return About(
            session_id=self.session_id,
            contact_id=self.contact_id,
            pool_id=pool_id,
            queue_id=self.queue_id,
            channel=self.channel,
        )


@dataclass(frozen=True, slots=True)
class Entered:
    """The state last told of an agent."""

    state: State = "signed_out"
    reason: str = ""
    since: datetime | None = None
    load: dict[Channel, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Agent:
    """
    An agent as configured, what he wants, and what he has on his hands.

    What he wants takes effect when his hands are empty: a break asked for during a contact begins after it.
    """

    config: AgentConfigured
    signed_in: bool = False
    wants: Literal["ready", "not_ready"] = "not_ready"
    reason: str = ""
    holds: dict[str, Held] = field(default_factory=dict)
    idle_since: datetime = BEGINNING
    entered: Entered = Entered()
    offered_at: datetime = BEGINNING  # the last offer he had
    busy_ms: int = 0  # since he signed in: serving or wrapping up
    free_ms: int = 0  # ready, or rung
    portraits: dict[str, dict[str, Mean]] = field(default_factory=dict)  # by queue
    off_schedule: bool = False
    schedule_until: datetime | None = None  # when that may change; None: never, or nobody is there
    overtime: bool = False  # a supervisor has him work outside his schedule, until he signs out

    @property
    def agent_id(self) -> str:
        return self.config.agent_id

    @property
    def off_duty(self) -> bool:
        """Say whether his schedule keeps him from work now."""
        return self.off_schedule and not self.overtime

    @property
    def on_duty(self) -> bool:
        """Say whether he is there to work: signed in, and not kept away by his schedule."""
        return self.signed_in and not self.off_duty

    def state(self) -> tuple[State, str]:
        """Return his state over all channels, and the reason where he is not ready."""
        if not self.signed_in:
            return "signed_out", ""
        states = {held.state for held in self.holds.values()}
        if "assigned" in states:
            return "busy", ""
        if "offered" in states:
            return "offered", ""
        if "wrap_up" in states:
            return "wrap_up", ""
        if self.wants != "ready":
            return "not_ready", self.reason
        return ("not_ready", OUTSIDE_SCHEDULE) if self.off_duty else ("ready", "")

    def load(self) -> dict[Channel, int]:
        load: dict[Channel, int] = {}
        for held in self.holds.values():
            load[held.channel] = load.get(held.channel, 0) + 1
        return load


class Finished(NamedTuple):
    """How a contact ended; `withdrawn` where that was heard before it was queued."""

    outcome: Literal["abandoned", "released", "rejected", "withdrawn", "diverted"]
    at: datetime


@dataclass(frozen=True, slots=True)
class Pool:
    """
    The agents and queues that are matched with each other, and the contacts in them.

    No contact waits here that an agent here could be offered: so only what an event has changed is looked at.
    A contact is on the hands of its `agent_id` and of nobody else, except in wrap-ups. `at` never runs back.
    """

    pool_id: str
    queues: dict[str, Queue] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    contacts: dict[str, Contact] = field(default_factory=dict)
    finished: dict[str, Finished] = field(default_factory=dict)  # in the order in which they ended
    at: datetime = BEGINNING
    estimate_at: datetime | None = None
    strategies: dict[str, Published] = field(default_factory=dict)  # the last published is the last
    reasons: tuple[str, ...] = ()  # for being not ready; none: any will do
    leaving: tuple[str, ...] = ()  # queues that go when their last contact has
    callbacks: dict[str, Callback] = field(default_factory=dict)  # until their calls are over
    # Worked out from `agents`, never kept: who starts without it makes it anew.
    index: Annotated[Any, Field(exclude=True)] = field(default=None, compare=False, repr=False)


def due(pool: Pool) -> datetime | None:
    """Return when time itself will next change something in the pool."""
    return min(_deadlines(pool), default=None)


def _deadlines(pool: Pool) -> Iterator[datetime]:
    for contact in pool.contacts.values():
        if contact.announce_at is not None:
            yield contact.announce_at
        if contact.state == "offered" and contact.expires_at is not None:
            yield contact.expires_at
        elif contact.state == "waiting":
            if contact.insist_until is not None:
                yield contact.insist_until
            if contact.overflow_at is not None:
                yield contact.overflow_at
            if contact.relax_at is not None:
                yield contact.relax_at
            if contact.match_at is not None:
                yield contact.match_at
    for agent in pool.agents.values():
        if agent.schedule_until is not None:
            yield agent.schedule_until
        for held in agent.holds.values():
            if held.until is not None:
                yield held.until
    for callback in pool.callbacks.values():
        if callback.due_at is not None:
            yield callback.due_at
    if pool.estimate_at is not None:
        yield pool.estimate_at


def to_ms(duration: timedelta) -> int:
    """Return whole milliseconds; never less than nothing, whatever clocks said."""
    return max(0, duration // timedelta(milliseconds=1))


def seconds(value: float) -> timedelta:
    return timedelta(milliseconds=round(value * 1000))
