"""The settings of the audit."""

from collections.abc import Callable
from datetime import datetime

from pydantic import Field

from libs.settings import Settings
from services.audit.domain.words import Limits


class AuditSettings(Settings):
    """What all services share, and how long the audit waits before it calls something missing; seconds."""

    audit_follow_s: float = Field(default=120, gt=0)  # what must follow at once
    audit_open_s: float = Field(default=90_000, gt=0)  # no word of an open contact; > the session's stale_s
    audit_gap_s: float = Field(default=60, gt=0)  # a number that came after its successor
    audit_figures_s: float = Field(default=120, gt=0)  # analytics to tell an interval again
    audit_letter_s: float = Field(default=120, gt=0)  # the dead letter of an unreadable record
    audit_check_s: float = Field(default=30, gt=0)  # between two tellings of the ledger
    audit_settle_s: float = Field(default=5, ge=0)  # no verdict on time-outs until it has kept up so long

    def limits(self, judged_from: Callable[[], datetime | None]) -> Limits:
        return Limits(
            follow_s=self.audit_follow_s,
            open_s=self.audit_open_s,
            gap_s=self.audit_gap_s,
            figures_s=self.audit_figures_s,
            letter_s=self.audit_letter_s,
            check_s=self.audit_check_s,
            judged_from=judged_from,
        )
