"""What a visitor did lately, and who he turned out to be."""

from dataclasses import dataclass, replace
from datetime import datetime

from libs.events import visitor
from libs.events.base import AnyEvent, Facts, Identity, as_json
from libs.identities import normal
from libs.stored import Key

STEPS = 50


@dataclass(frozen=True, slots=True)
class Step:
    """One thing the visitor did; `subject` says what it was about."""

    time: datetime
    type: str
    subject: str
    data: dict[str, str | int]


@dataclass(frozen=True, slots=True)
class Trail:
    """The last steps of a visitor, the newest first, and his identities."""

    visitor_id: str
    identities: tuple[Identity, ...] = ()
    identified_by: str = ""  # the event that told the last of them
    steps: tuple[Step, ...] = ()


def blank(key: Key) -> Trail:
    return Trail(key.id)


def decide(trail: Trail, event: AnyEvent, now: datetime) -> tuple[Trail, Facts]:
    """Return the trail with one more step, or one more identity; nothing is told of it."""
    match event.data:
        case visitor.Identified() as data:
            known = (*map(normal, data.pii.identities), *trail.identities)
            identities = tuple(dict.fromkeys(known))[:32]
            return replace(trail, identities=identities, identified_by=event.id), ()
        case visitor.PageViewed() as data:
            subject = data.title or data.url
        case visitor.Searched() as data:
            subject = data.query
        case visitor.ScreenShown() as data:
            subject = data.screen
        case visitor.ProductViewed() as data:
            subject = data.name or data.product_id
        case visitor.BillViewed() as data:
            subject = data.period or data.bill_id
        case _:
            return trail, ()
    details = {name: str(value) for name, value in as_json(event.data).items() if name != "visitor_id"}
    step = Step(event.time, event.type, subject, dict(details))
    steps = sorted((step, *trail.steps), key=lambda each: each.time, reverse=True)
    return replace(trail, steps=tuple(steps)[:STEPS]), ()
