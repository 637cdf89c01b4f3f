"""What the simulated people saw with their own eyes, counted without the platform's help."""

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any


def moment(frame: dict[str, Any]) -> datetime:
    """Return when a frame's fact happened."""
    return datetime.fromisoformat(frame["time"])


@dataclass(slots=True)
class Seen:
    """One contact, as its customer saw it."""

    interaction_id: str
    started: bool = False
    outcome: str = ""
    outcomes: int = 0
    queued_at: datetime | None = None
    offered: int = 0
    waits_ms: list[int] = field(default_factory=list)
    abandon_ms: list[int] = field(default_factory=list)
    csat: int | None = None
    surveyed: bool = False
    gaps: int = 0

    @property
    def is_whole(self) -> bool:
        """
        Tell whether the contact is closed and all that led there was seen.

        The end comes by another topic than the queue, so it may be heard of first.
        """
        if self.outcome in ("handled", "abandoned_in_queue"):
            return self.offered > 0 and self.queued_at is None
        return bool(self.outcome)

    def note(self, frame: dict[str, Any]) -> None:
        """Take in one frame of the customer's stream."""
        match frame["type"]:
            case "started":
                self.started = True
            case "queued":
                self.offered += 1
                self.queued_at = datetime.fromisoformat(frame["data"]["since"])
            case "agent_joined" if self.queued_at:
                self.waits_ms.append(_ms(self.queued_at, moment(frame)))
                self.queued_at = None
            case "contact_abandoned" if self.queued_at:
                self.abandon_ms.append(_ms(self.queued_at, moment(frame)))
                self.queued_at = None
            case "survey_answered":
                self.surveyed = True
                self.csat = frame["data"]["csat"]
            case "closed":
                self.outcome = frame["data"]["outcome"]
                self.outcomes += 1


@dataclass(slots=True)
class Served:
    """What one agent saw."""

    agent_id: str
    handled: int = 0
    talk_ms: int = 0
    wrap_up_ms: int = 0
    assigned_at: dict[str, datetime] = field(default_factory=dict)
    released_at: dict[str, datetime] = field(default_factory=dict)
    gaps: int = 0

    def note(self, frame: dict[str, Any]) -> None:
        """Take in one frame of the agent's stream."""
        contact = frame["data"].get("interaction_id", "")
        match frame["type"]:
            case "assigned":
                self.assigned_at[contact] = moment(frame)
            case "released" if contact in self.assigned_at:
                self.handled += 1
                self.talk_ms += _ms(self.assigned_at.pop(contact), moment(frame))
                self.released_at[contact] = moment(frame)
            case "wrapped_up" if contact in self.released_at:
                self.wrap_up_ms += _ms(self.released_at.pop(contact), moment(frame))


def _ms(start: datetime, end: datetime) -> int:
    return round((end - start).total_seconds() * 1000)


@dataclass(frozen=True, slots=True)
class Totals:
    """Whole numbers of a day; what both sides must agree on."""

    offered: int
    self_served: int
    answered: int
    abandoned: int
    answer_wait_ms: int
    handled: int
    handle_ms: int
    within: int  # answered within the threshold
    surveys: int
    satisfied: int
    scored: int


def totals(contacts: list[Seen], agents: list[Served], threshold_ms: int) -> Totals:
    """Return the day as its people saw it."""
    waits = [wait for contact in contacts for wait in contact.waits_ms]
    scores = [contact.csat for contact in contacts if contact.csat is not None]
    return Totals(
        offered=sum(contact.offered for contact in contacts),
        self_served=sum(contact.outcome == "self_served" for contact in contacts),
        answered=len(waits),
        abandoned=sum(len(contact.abandon_ms) for contact in contacts),
        answer_wait_ms=sum(waits),
        handled=sum(agent.handled for agent in agents),
        handle_ms=sum(agent.talk_ms + agent.wrap_up_ms for agent in agents),
        within=sum(wait <= threshold_ms for wait in waits),
        surveys=sum(contact.surveyed for contact in contacts),
        satisfied=sum(score >= 4 for score in scores),
        scored=len(scores),
    )


def minus(after: Totals, before: Totals) -> Totals:
    """Return what happened between two counts."""
    return Totals(
        *(getattr(after, name) - getattr(before, name) for name in (each.name for each in fields(Totals)))
    )


def of_report(figures: dict[str, float], threshold_ms: int) -> Totals:
    """
    Return the whole numbers behind a report's figures.

    A mean times its count is the sum it was made from; rounding removes what floats add.
    """

    def number(name: str) -> int:
        return round(figures.get(name, 0.0))

    def sum_of(mean: str, count: str) -> int:
        return round(figures.get(mean, 0.0) * figures.get(count, 0.0))

    surveys = number("surveys")
    return Totals(
        offered=number("offered"),
        self_served=number("self_served"),
        answered=number("answered"),
        abandoned=number("abandoned"),
        answer_wait_ms=sum_of("asa_ms", "answered"),
        handled=number("handled"),
        handle_ms=sum_of("aht_ms", "handled"),
        within=sum_of(f"service_level_{threshold_ms}ms", "offered"),
        surveys=surveys,
        satisfied=sum_of("csat", "surveys"),  # every survey of the demo has a score
        scored=surveys,
    )
