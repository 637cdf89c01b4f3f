"""One contact as the audit follows it: its account so far, what is overdue, what was counted of it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from libs.events.base import AnyEvent, Fact, Facts, Tick
from services.audit.domain import account, figures
from services.audit.domain.account import Account
from services.audit.domain.line import Line, contact_of, is_line, line_of
from services.audit.domain.routed import Stay
from services.audit.domain.verdict import OPEN
from services.audit.domain.words import Counted, Decide, Limits, Noted, follows

MOST_LINES = 4000


@dataclass(frozen=True, slots=True)
class Contact:
    """
    The lines about one contact, in the order in which they were read, each event once.

    `noted` are (rule, words) of the breaches told and not mended; `overdue` the words of the one among them
    that time alone found. Both follow from the lines and the clock, never from the order of topics.
    """

    tenant: str = ""
    contact_id: str = ""
    journey_id: str = ""
    session_id: str = ""
    channel: str = ""
    lines: tuple[Line, ...] = ()
    heard_at: datetime | None = None
    began_at: datetime | None = None
    outcome: str = ""
    missing: str = ""
    overdue: str = ""
    noted: tuple[tuple[str, str], ...] = ()
    stays: tuple[Stay, ...] = ()

    @property
    def open(self) -> bool:
        return self.began_at is not None and not self.outcome


def due(contact: Contact, limits: Limits) -> datetime | None:
    """Return when something will be overdue that is not yet."""
    if contact.heard_at is None or contact.overdue:
        return None
    if contact.missing:
        return contact.heard_at + timedelta(seconds=limits.follow_s)
    return contact.heard_at + timedelta(seconds=limits.open_s) if contact.open else None


def decider(limits: Limits) -> Decide[Contact]:
    """Return `decide` under these limits."""

    def decide(contact: Contact, event: AnyEvent, now: datetime) -> tuple[Contact, Facts]:
        if isinstance(event.data, Tick):
            return time_out(contact, event, now, limits)
        if not is_line(event):
            return contact, ()
        if len(contact.lines) >= MOST_LINES:
            return replace(contact, heard_at=None), ()  # what is not written down cannot be judged
        return hear(contact, event, now, limits)

    return decide


def hear(contact: Contact, event: AnyEvent, now: datetime, limits: Limits) -> tuple[Contact, Facts]:
    """Write one line more, and say what the account comes to now."""
    said = event.data.__dict__
    known = replace(
        contact,
        tenant=event.tenant,
        contact_id=contact_of(event.data),
        journey_id=contact.journey_id or event.journey_id,
        session_id=contact.session_id or said.get("session_id", ""),
        channel=contact.channel or said.get("channel", ""),
        lines=(*contact.lines, line_of(event)),
        heard_at=now,
    )
    found = account.read(known.tenant, known.contact_id, known.lines)
    if not limits.judges(found.began_at):
        return replace(known, began_at=found.began_at, outcome=found.outcome), ()
    changed = replace(
        known,
        began_at=found.began_at,
        outcome=found.outcome,
        missing=found.missing,
        stays=found.stays,
        overdue=contact.overdue if found.missing or found.open else "",
        noted=tuple((each.rule, each.what) for each in found.breaches),
    )
    facts = [*_counted(contact, changed), *_breaches(contact, changed, found)]
    return changed, follows(event, now, facts)


def time_out(contact: Contact, event: AnyEvent, now: datetime, limits: Limits) -> tuple[Contact, Facts]:
    """Note what has not come within its limit."""
    at = due(contact, limits)
    if at is None or now < at:
        return contact, ()
    if not limits.judges(contact.began_at):
        return replace(contact, heard_at=None), ()  # since it was heard, the topics turned out to be cut
    what = contact.missing or OPEN
    late = replace(contact, overdue=what)
    facts: list[Fact] = [_note(contact, "I1", what, (contact.lines[0].event_id, contact.lines[-1].event_id))]
    event = event._replace(journey_id=contact.journey_id)
    return late, follows(event, now, [*facts, Counted(counts={"overdue": 1})])


def _breaches(before: Contact, contact: Contact, found: Account) -> Iterable[Fact]:
    for each in found.breaches:
        if (each.rule, each.what) not in before.noted:
            yield _note(contact, each.rule, each.what, each.event_ids)
    for rule, what in before.noted:
        if (rule, what) not in contact.noted:
            yield _note(contact, rule, what, (), mended=True)
    if before.overdue and not contact.overdue:
        yield _note(contact, "I1", before.overdue, (), mended=True)


def _note(
    contact: Contact, rule: str, what: str, event_ids: tuple[str, ...], *, mended: bool = False
) -> Noted:
    return Noted.model_validate(
        {
            "rule": rule,
            "subject": contact.contact_id,
            "contact_id": contact.contact_id,
            "what": what,
            "event_ids": tuple(dict.fromkeys(event_ids)),
            "mended": mended,
        }
    )


def _counted(before: Contact, contact: Contact) -> Iterable[Counted]:
    """Return what the change adds to the ledger and to the intervals of queues."""
    total: Counter[str] = Counter()
    total["opened"] = int(contact.began_at is not None) - int(before.began_at is not None)
    total["overdue"] = int(bool(contact.overdue)) - int(bool(before.overdue))
    if contact.outcome != before.outcome:
        total[f"closed:{contact.outcome}"] += 1
        if before.outcome:
            total[f"closed:{before.outcome}"] -= 1
    if any(total.values()):
        yield Counted(counts={name: number for name, number in total.items() if number})
    if contact.stays == before.stays:
        return
    was, now = figures.count(before.stays), figures.count(contact.stays)
    for cell in {**was, **now}:
        change = now.get(cell, Counter())
        change.subtract(was.get(cell, Counter()))
        if any(change.values()):
            counts = {name: number for name, number in change.items() if number}
            yield Counted(queue_id=cell[0], start=cell[1], counts=counts)
