"""Facts owned by the audit service: what breaks a rule, what was made good, how the ledger stands."""

from typing import ClassVar, Literal

from pydantic import AwareDatetime

from libs.events.base import Fact, Id, OptionalId, Short

Rule = Literal["I1", "I2", "I3", "I4", "I6", "I12", "I14"]


class _BreachFact(Fact):
    breach_id: Id
    rule: Rule
    subject: Short  # the contact, agent, aggregate, interval or partition
    contact_id: OptionalId = ""  # where it is about one contact
    what: Short

    @property
    def key(self) -> str:
        return self.breach_id


class BreachFound(_BreachFact):
    """A rule is not kept; `event_ids` are the events that show it."""

    type: ClassVar[str] = "trunkline.audit.breach_found.v1"
    event_ids: tuple[Short, ...] = ()


class BreachMended(_BreachFact):
    """What a breach said was missing or wrong has been made good by later facts."""

    type: ClassVar[str] = "trunkline.audit.breach_mended.v1"


class LedgerChecked(Fact):
    """How the contacts of a tenant stand, counted from the facts on the bus; told while it changes."""

    type: ClassVar[str] = "trunkline.audit.ledger_checked.v1"
    checked_at: AwareDatetime
    opened: int
    closed: dict[str, int] = {}  # by outcome
    open: int
    overdue: int  # of the open ones and those closed with something missing
    breaches: dict[str, int] = {}  # not mended, by rule

    @property
    def key(self) -> str:
        return "ledger"
