"""Bugs planted on purpose, one at a time, into the code as it runs: the simulator must find each of them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any

from libs.apply import Apply
from libs.errors import Unavailable
from libs.events import interaction, queue, routing
from libs.events.base import AnyEvent
from libs.reading import Handle
from libs.stored import Change, Key, Stored
from services.analytics.handlers import Counting
from services.crm_context.preparing import Preparing
from services.routing.domain import match, offers
from services.routing.domain.model import Agent, Contact, Held
from services.routing.domain.turn import Turn
from services.routing.domain.working_pool import WorkingPool
from services.session.domain import contact as contacts
from services.session.domain import serving
from services.session.domain.state import Rules, Session


@dataclass(frozen=True)
class Mutation:
    """A bug: what is wrong in it, where it goes, and a seed that is known to find it."""

    name: str
    what: str
    plant: Callable[[], Sequence[tuple[Any, str, Any]]]
    seeds: tuple[int, int]  # the first that finds it, and where to look for it when that has moved


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Run the body with a bug in the platform; "" plants none."""
    replaced: list[tuple[Any, str, Any]] = []
    try:
        for owner, attribute, faulty in MUTATIONS[name].plant() if name else ():
            replaced.append((owner, attribute, owner.__dict__[attribute]))
            setattr(owner, attribute, faulty)
        yield
    finally:
        for owner, attribute, sound in reversed(replaced):
            setattr(owner, attribute, sound)


Patches = Sequence[tuple[Any, str, Any]]


def forgets_applied_ids() -> Patches:
    def then(self: Stored[Any], state: Any, cause_id: str, facts: Sequence[AnyEvent]) -> Stored[Any]:
        return replace(self, state=state, sequence=self.sequence + len(facts), untold=(*self.untold, *facts))

    return [(Stored, "then", then)]


def drops_untold_facts() -> Patches:
    sound = Apply._attempt

    async def attempt(self: Apply[Any], wanted: Mapping[Key, Any], *rest: Any) -> Any:
        there = await self._store.load(wanted.keys())
        self._told.update({key: stored.version for key, stored in there.items()})
        return await sound(self, wanted, *rest)

    return [(Apply, "_attempt", attempt)]


class _Proxy:
    """A store with one call done wrong."""

    def __init__(self, store: Any, tell: Any) -> None:
        self._store = store
        self._tell = tell

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class _TellsFirst(_Proxy):
    async def save(self, changes: Sequence[Change[Any]]) -> set[Key]:
        if facts := [fact for change in changes for fact in change.stored.untold]:
            await self._tell(facts)
        saved: set[Key] = await self._store.save(changes)
        return saved


class _LastWriteWins(_Proxy):
    async def save(self, changes: Sequence[Change[Any]]) -> set[Key]:
        there = await self._store.load([change.key for change in changes])
        forced = []
        for change in changes:
            version = there[change.key].version if change.key in there else 0
            stored = replace(change.stored, version=version + 1)
            forced.append(replace(change, base_version=version, stored=stored))
        saved: set[Key] = await self._store.save(forced)
        return saved


def _with_proxy(proxy: type[_Proxy]) -> Patches:
    sound = Apply.__init__

    def init(self: Apply[Any], store: Any, decide: Any, tell: Any, *rest: Any, **named: Any) -> None:
        sound(self, store, decide, tell, *rest, **named)
        self._store = proxy(store, tell)

    return [(Apply, "__init__", init)]


def tells_before_it_saves() -> Patches:
    return _with_proxy(_TellsFirst)


def ignores_the_version_guard() -> Patches:
    return _with_proxy(_LastWriteWins)


def expiry_does_not_requeue() -> Patches:
    def expire(turn: Turn, contact: Contact) -> None:
        fact = routing.OfferExpired(
            **contact.about(turn.pool_id), offer_id=contact.offer_id, agent_id=contact.agent_id
        )
        turn.tell(fact, contact.journey_id)
        turn.let_go(contact.agent_id, contact.contact_id)
        turn.contacts[contact.contact_id] = replace(contact, state="waiting", agent_id="", expires_at=None)

    return [(offers, "expire", expire)]


def late_accept_assigns() -> Patches:
    sound = offers.accepted

    def accepted(turn: Turn, data: queue.OfferAccepted) -> None:
        contact, agent = turn.contacts.get(data.contact_id), turn.agents.get(data.agent_id)
        if (
            contact is None
            or agent is None
            or data.offer_id not in contact.lapsed
            or contact.state != "waiting"
        ):
            return sound(turn, data)
        held = Held(
            contact.contact_id, contact.session_id, contact.journey_id, contact.queue_id, contact.channel,
            "offered", turn.now,
        )  # fmt: skip
        turn.hold(data.agent_id, held)
        again = replace(contact, state="offered", agent_id=data.agent_id, offer_id=data.offer_id, lapsed=())
        turn.contacts[contact.contact_id] = again
        return sound(turn, data)

    return [(offers, "accepted", accepted)]


def capacity_is_off_by_one() -> Patches:
    sound = match.barred

    def barred(agent: Agent, channel: Any) -> str:
        why = sound(agent, channel)
        load = agent.load().get(channel, 0)
        return "" if why == "no_capacity" and load == agent.config.capacity.get(channel, 0) else why

    return [(match, "barred", barred)]


def withdrawn_offer_keeps_the_agent() -> Patches:
    def withdraw(turn: Turn, contact: Contact, reason: str) -> Contact:
        fact = routing.OfferWithdrawn(
            **contact.about(turn.pool_id), offer_id=contact.offer_id, agent_id=contact.agent_id, reason=reason
        )
        turn.tell(fact, contact.journey_id)
        return turn.unlapsed(contact, failed=False)

    return [(offers, "withdraw", withdraw)]


def closes_a_contact_twice() -> Patches:
    sound = serving.wrap_up

    def wrap_up(session: Session, contact: Any, event: AnyEvent, data: Any, now: datetime) -> Any:
        session, facts = sound(session, contact, event, data, now)
        if not data.timed_out:
            return session, facts
        session, closed = contacts.close(session, contact, event, now, "handled", "wrapped_up")
        return session, [*facts, *closed]

    return [(serving, "wrap_up", wrap_up)]


def second_goodbye_counts() -> Patches:
    sound = contacts.decide

    def decide(session: Session, contact: Any, event: AnyEvent, now: datetime, rules: Rules) -> Any:
        if isinstance(event.data, interaction.Ended):
            contact = replace(contact, ended_at=None)
        return sound(session, contact, event, now, rules)

    return [(contacts, "decide", decide)]


def counts_a_repeat_again() -> Patches:
    sound = Counting.__init__

    def init(self: Counting, *given: Any) -> None:
        sound(self, *given)
        tell, numbers = self.contacts._tell, count()

        async def add_up(counted: Sequence[AnyEvent]) -> None:
            await tell([each._replace(id=f"{each.id}-{next(numbers)}") for each in counted])

        self.contacts._tell = add_up

    return [(Counting, "__init__", init)]


def commits_what_was_not_saved() -> Patches:
    sound: Any = Counting.__dict__["handle"].fget

    def handle(self: Counting) -> Handle:
        inner = sound(self)

        async def swallow(events: Sequence[AnyEvent]) -> None:
            try:
                await inner(events)
            except Unavailable:
                return

        return swallow

    return [(Counting, "handle", property(handle))]


def trusts_the_tellers_clock() -> Patches:
    sound = WorkingPool.__init__

    def init(self: WorkingPool, pool: Any, event: AnyEvent, now: datetime) -> None:
        sound(self, pool, event, now)
        self.now = event.time

    return [(WorkingPool, "__init__", init)]


def mixes_tenants() -> Patches:
    sound = Preparing.look_up

    async def look_up(self: Preparing, people: Any) -> Any:
        known: Any = self._directory
        tenants = sorted({key.tenant for key in known._customers.kept})
        return await sound(self, [replace(each, tenant=[*tenants, each.tenant][0]) for each in people])

    return [(Preparing, "look_up", look_up)]


def tells_personal_data() -> Patches:
    sound = contacts.enqueue

    def enqueue(session: Session, contact: Any, event: AnyEvent, now: datetime, rules: Rules) -> Any:
        said = session.identities[0].value if session.identities else ""
        contact = replace(contact, handover=replace(contact.handover, reason=f"call {said}"))
        return sound(session, contact, event, now, rules)

    return [(contacts, "enqueue", enqueue)]


_ALL: Collection[Mutation] = (
    Mutation(
        "forgets_applied_ids",
        "apply does not remember which events it applied",
        forgets_applied_ids,
        (1, 40),
    ),
    Mutation(
        "drops_untold_facts",
        "facts that a dead process left behind are taken for told",
        drops_untold_facts,
        (4, 80),
    ),
    Mutation(
        "tells_before_it_saves",
        "facts are told before they are saved",
        tells_before_it_saves,
        (1, 10),
    ),
    Mutation(
        "ignores_the_version_guard",
        "the last write wins",
        ignores_the_version_guard,
        (1, 60),
    ),
    Mutation(
        "expiry_does_not_requeue",
        "an offer that expires leaves its contact out of the queue",
        expiry_does_not_requeue,
        (4, 40),
    ),
    Mutation(
        "late_accept_assigns",
        "an accept of an expired offer is taken",
        late_accept_assigns,
        (1, 80),
    ),
    Mutation(
        "capacity_is_off_by_one",
        "an agent is offered one contact more than he can hold",
        capacity_is_off_by_one,
        (1, 60),
    ),
    Mutation(
        "withdrawn_offer_keeps_the_agent",
        "who was offered what is withdrawn stays reserved",
        withdrawn_offer_keeps_the_agent,
        (3, 40),
    ),
    Mutation(
        "closes_a_contact_twice",
        "a wrap-up that times out closes its contact again",
        closes_a_contact_twice,
        (5, 40),
    ),
    Mutation(
        "second_goodbye_counts",
        "a customer who says goodbye twice leaves twice",
        second_goodbye_counts,
        (2, 60),
    ),
    Mutation(
        "counts_a_repeat_again",
        "figures told again are added again",
        counts_a_repeat_again,
        (1, 60),
    ),
    Mutation(
        "commits_what_was_not_saved",
        "a reader swallows that its store did not answer",
        commits_what_was_not_saved,
        (7, 60),
    ),
    Mutation(
        "trusts_the_tellers_clock",
        "routing takes the time from who tells",
        trusts_the_tellers_clock,
        (2, 40),
    ),
    Mutation(
        "mixes_tenants",
        "a customer is looked up without his tenant",
        mixes_tenants,
        (6, 60),
    ),
    Mutation(
        "tells_personal_data",
        "a phone number stands outside of pii",
        tells_personal_data,
        (1, 40),
    ),
)
MUTATIONS: dict[str, Mutation] = {each.name: each for each in _ALL}
