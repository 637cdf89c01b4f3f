"""What is known of a session, its contacts and who takes part."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from libs.events.base import AnyEvent, Channel, Direction, Fact, Identity, after
from libs.events.queue import Attribute, Need
from libs.events.session import Outcome
from libs.identities import name_of, normal
from libs.stored import Key

Phase = Literal["self_service", "held", "queued", "connected", "closed"]
Role = Literal["customer", "agent", "bot", "supervisor", "expert"]


@dataclass(frozen=True, slots=True)
class Rules:
    """The times a session keeps, in seconds."""

    inactivity_s: float = 1800  # after its last contact closed, until the session closes
    survey_expires_s: int = 86_400
    hold_s: float = 0.3  # a contact waits this long for the customer to become known
    dialogue_grace_s: float = 5  # an ended contact waits this long for the dialogue's outcome
    stale_s: float = 86_400  # a contact of which nothing is heard has failed
    preferred_for_s: float = (
        5  # how long routing insists on the preferred agent, and on each of the last ones
    )
    last_agents: int = 1  # on how many of those who have helped before it insists after the preferred one
    default_pool: str = "main"


@dataclass(frozen=True, slots=True)
class Handover:
    """Where self-service sent the contact, kept while it is held back for the customer's record."""

    queue_id: str
    needs: tuple[Need, ...] = ()
    priority: int = 0
    language: str = ""
    reason: str = ""
    attributes: dict[str, Attribute] = field(default_factory=dict)
    deadline_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WrapUp:
    """What the agent noted after the contact."""

    agent_id: str
    codes: tuple[str, ...]
    notes: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Survey:
    """What the customer said when asked how it was."""

    csat: int | None
    nps: int | None
    ces: int | None
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Contact:
    """
    One interaction of the session.

    It reaches `closed` exactly once, with its outcome; only after-work and the survey follow.
    """

    interaction_id: str
    channel: Channel
    direction: Direction
    entry_point: str
    language: str
    external: bool
    began_at: datetime
    phase: Phase = "self_service"
    outcome: Outcome | None = None
    pool_id: str = ""
    queue_id: str = ""
    agent_id: str = ""
    prepared: bool = False  # crm_context has said who it is, or that nobody knows
    handover: Handover | None = None
    queued_at: datetime | None = None
    ended_at: datetime | None = None
    deadline: datetime | None = None
    wrap_up: WrapUp | None = None
    survey_until: datetime | None = None
    survey: Survey | None = None


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody who took part in a contact, and when."""

    participant_id: str
    role: Role
    interaction_id: str
    joined_at: datetime
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """
    One stretch of a person's dealing with the tenant, over several contacts and channels.

    Blank until its first interaction; closed for good once `closed_at` is set, though after-work and surveys
    of its contacts still count. `opening_keys` never change: what is unique among open sessions.
    """

    tenant: str
    session_id: str
    journey_id: str = ""
    began_at: datetime | None = None
    active_at: datetime | None = None  # by the tellers' clock
    heard_at: datetime | None = None  # by our clock: replays of old logs must not time out at once
    closed_at: datetime | None = None
    customer_id: str = ""
    vip_level: int = 0
    preferred_agent_id: str = ""
    then_agent_ids: tuple[str, ...] = ()
    exclusive: bool = False
    value: float = 0.0
    identities: tuple[Identity, ...] = ()
    visitor_ids: tuple[str, ...] = ()
    opening_keys: tuple[str, ...] = ()
    contacts: tuple[Contact, ...] = ()
    participants: tuple[Participant, ...] = ()

    @property
    def idle(self) -> bool:
        """Return whether no contact lives any more."""
        return all(contact.phase == "closed" for contact in self.contacts)

    def contact(self, interaction_id: str) -> Contact | None:
        return next((each for each in self.contacts if each.interaction_id == interaction_id), None)

    def with_contact(self, contact: Contact) -> "Session":
        """Return the session with the contact as it is now."""
        contacts = tuple(
            contact if each.interaction_id == contact.interaction_id else each for each in self.contacts
        )
        return replace(self, contacts=contacts)


def blank(key: Key) -> Session:
    """Return a session of which nothing is known."""
    return Session(key.tenant, key.id)


def keys_of(tenant: str, identities: Iterable[Identity], visitor_ids: Iterable[str]) -> tuple[str, ...]:
    """Return what a person is found by among open sessions, as digests: personal data is no key."""
    names = [name_of(normal(each)) for each in identities]
    names += [f"visitor:{visitor_id}" for visitor_id in visitor_ids if visitor_id]
    return tuple(dict.fromkeys(digest(tenant, name) for name in names))


def digest(tenant: str, name: str) -> str:
    return hashlib.blake2b(f"{tenant}/{name}".encode(), digest_size=16).hexdigest()


def due(session: Session, rules: Rules) -> datetime | None:
    """Return when the session wants to be told that time has passed."""
    if session.heard_at is None or session.closed_at is not None:
        return None
    if session.idle:
        return session.heard_at + timedelta(seconds=rules.inactivity_s)
    stale_at = session.heard_at + timedelta(seconds=rules.stale_s)
    return min([stale_at, *(each.deadline for each in session.contacts if each.deadline is not None)])


def facts_of(session: Session, cause: AnyEvent, when: datetime, *facts: Fact) -> list[AnyEvent]:
    """Return the facts as events of the session's journey, each told apart by contact and participant."""
    return [after(cause, when, each, journey_id=session.journey_id, what=_apart(each)) for each in facts]


def _apart(fact: Fact) -> str:
    who = getattr(fact, "interaction_id", "") or getattr(fact, "contact_id", "")
    return f"{who}/{getattr(fact, 'agent_id', '')}"
