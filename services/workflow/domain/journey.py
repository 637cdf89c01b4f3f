"""Which journey a session belongs to, so that a ticket opened from it is told in that journey."""

from dataclasses import dataclass, replace
from datetime import datetime

from libs.events import session
from libs.events.base import AnyEvent, Facts


@dataclass(frozen=True, slots=True)
class Journey:
    """The journey of one session; it never changes."""

    session_id: str
    journey_id: str = ""


def note(journey: Journey, event: AnyEvent, now: datetime) -> tuple[Journey, Facts]:
    """Return the journey as known after a session has started."""
    if isinstance(event.data, session.Started) and not journey.journey_id:
        return replace(journey, journey_id=event.journey_id), ()
    return journey, ()
