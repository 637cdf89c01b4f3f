"""How the contacts of one tenant stand, and the list of what breaks a rule."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from libs.events import audit
from libs.events.base import AnyEvent, Facts, Tick
from services.audit.domain.words import Counted, Decide, Limits, Noted, follows


@dataclass(frozen=True, slots=True)
class Ledger:
    """
    Sums over all contacts of a tenant: opened, closed:<outcome>, overdue, breach:<rule> (not mended).

    `due_at` is when they will be told, None while they are as they were told last.
    """

    tenant: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    due_at: datetime | None = None
    checked_at: datetime | None = None

    @property
    def opened(self) -> int:
        return self.counts.get("opened", 0)

    @property
    def closed(self) -> dict[str, int]:
        return self._of("closed:")

    @property
    def open(self) -> int:
        return self.opened - sum(self.closed.values())

    @property
    def overdue(self) -> int:
        return self.counts.get("overdue", 0)

    @property
    def breaches(self) -> dict[str, int]:
        return self._of("breach:")

    def _of(self, prefix: str) -> dict[str, int]:
        return {
            name.removeprefix(prefix): number
            for name, number in sorted(self.counts.items())
            if name.startswith(prefix) and number
        }


def decider(limits: Limits) -> Decide[Ledger]:
    """Return `decide` of a tenant's ledger."""

    def decide(ledger: Ledger, event: AnyEvent, now: datetime) -> tuple[Ledger, Facts]:
        match event.data:
            case Counted() as data:
                return _add(ledger, event.tenant, data.counts, now, limits), ()
            case audit.BreachFound() as data:
                return _add(ledger, event.tenant, {f"breach:{data.rule}": 1}, now, limits), ()
            case audit.BreachMended() as data:
                return _add(ledger, event.tenant, {f"breach:{data.rule}": -1}, now, limits), ()
            case Tick() if ledger.due_at is not None and now >= ledger.due_at:
                told = audit.LedgerChecked(
                    checked_at=now,
                    opened=ledger.opened,
                    closed=ledger.closed,
                    open=ledger.open,
                    overdue=ledger.overdue,
                    breaches=ledger.breaches,
                )
                return replace(ledger, due_at=None, checked_at=now), follows(event, now, [told])
        return ledger, ()

    return decide


def _add(ledger: Ledger, tenant: str, more: Mapping[str, int], now: datetime, limits: Limits) -> Ledger:
    counts = {name: ledger.counts.get(name, 0) + more.get(name, 0) for name in {**ledger.counts, **more}}
    due_at = ledger.due_at or now + timedelta(seconds=limits.check_s)
    return replace(ledger, tenant=tenant, counts=counts, due_at=due_at)


@dataclass(frozen=True, slots=True)
class Found:
    """A breach as it is listed: found once or again, mended when what it said is not so any more."""

    breach_id: str = ""
    rule: str = ""
    subject: str = ""
    contact_id: str = ""
    what: str = ""
    event_ids: tuple[str, ...] = ()
    found_at: datetime | None = None
    mended_at: datetime | None = None

    @property
    def open(self) -> bool:
        return self.found_at is not None and self.mended_at is None


def note(found: Found, event: AnyEvent, now: datetime) -> tuple[Found, Facts]:
    """Return the breach after a note of it; told when it comes to be open, and when it ceases to be."""
    data = event.data
    if not isinstance(data, Noted) or found.open is not data.mended:
        return found, ()
    about = {
        "breach_id": data.key,
        "rule": data.rule,
        "subject": data.subject[:256],
        "contact_id": data.contact_id,
        "what": data.what[:256],
    }
    if data.mended:
        mended = audit.BreachMended.model_validate(about)
        return replace(found, mended_at=now), follows(event, now, [mended])
    new = Found(data.key, data.rule, data.subject, data.contact_id, data.what, data.event_ids, found_at=now)
    told = audit.BreachFound.model_validate({**about, "event_ids": data.event_ids})
    return new, follows(event, now, [told])
