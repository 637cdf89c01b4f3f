"""What the audit's aggregates say to each other, and the limits they keep."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, TypeVar

from libs.events.audit import Rule
from libs.events.base import AnyEvent, Fact, Facts, after, follow_id

S = TypeVar("S")
Decide = Callable[[S, AnyEvent, datetime], tuple[S, Facts]]


@dataclass(frozen=True, slots=True)
class Limits:
    """
    How long the audit waits before it calls something missing.

    `judged_from` answers from when on the topics are known in full: None for always, which is so unless
    retention had cut them before they were first read. What began before is not judged.
    """

    follow_s: float = 120  # for what must follow at once: a session, a close, routing's answer
    open_s: float = 90_000  # without a word of an open contact; the session gives up after a day
    gap_s: float = 60  # for a number that came after its successor
    figures_s: float = 120  # for analytics to tell an interval again after anything changed in it
    letter_s: float = 120  # for the dead letter of a record that cannot be read
    check_s: float = 30  # between two tellings of how the ledger stands
    judged_from: Callable[[], datetime | None] = lambda: None

    def judges(self, time: datetime | None) -> bool:
        """Return whether all that followed a time is known."""
        start = self.judged_from()
        return start is None or (time is not None and time >= start)

    def judges_interval(self, start: datetime) -> bool:
        """Return whether all contacts of an interval are known: none began before the topics do."""
        return self.judges(start - timedelta(days=1))


class Noted(Fact):
    """A breach was found, or mended where `mended`; goes to the list of breaches, which tells it."""

    type: ClassVar[str] = "trunkline.private.breach_noted.v1"
    rule: Rule
    subject: str
    what: str
    contact_id: str = ""
    event_ids: tuple[str, ...] = ()
    mended: bool = False

    @property
    def key(self) -> str:
        """Return the breach's id: the same breach found again is the same."""
        return follow_id(f"{self.rule}/{self.subject}/{self.what}", "breach")


class Counted(Fact):
    """Numbers to add to the ledger of the tenant, or to an interval of a queue."""

    type: ClassVar[str] = "trunkline.private.audit_counted.v1"
    queue_id: str = ""  # "": the ledger
    start: datetime | None = None
    counts: dict[str, int]

    @property
    def key(self) -> str:
        return f"{self.queue_id}@{self.start:%Y%m%dT%H%M}" if self.start else "ledger"


def follows(cause: AnyEvent, now: datetime, facts: Iterable[Fact]) -> list[AnyEvent]:
    """Return the facts as events that follow from a cause, numbered apart."""
    journey_id = cause.journey_id or follow_id(f"{cause.tenant}/audit", "journey")
    return [
        after(cause, now, fact, journey_id=journey_id, what=str(number)) for number, fact in enumerate(facts)
    ]
