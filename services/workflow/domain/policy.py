"""What is promised for tickets: working minutes by priority, when to remind, when to escalate."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from libs.events.workflow import Priority
from services.workflow.domain.calendar import Calendar, add_working_minutes

Target = Literal["first_response", "resolution"]
PRIORITIES: tuple[Priority, ...] = ("low", "normal", "high", "urgent")
Minutes = Annotated[int, Field(gt=0, le=100_000)]


class Promise(BaseModel):
    """Within how many working minutes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_response: Minutes
    resolution: Minutes


class Policy(BaseModel):
    """The promises of an installation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calendar: Calendar
    promises: dict[Priority, Promise]
    remind_after: Annotated[float, Field(gt=0, lt=1)] = 0.75  # of the time promised
    groups: dict[str, str] = {}  # ticket type: the group that gets it

    @model_validator(mode="after")
    def _promises_all(self) -> Self:
        if missing := set(PRIORITIES) - self.promises.keys():
            raise ValueError(f"nothing is promised for {', '.join(sorted(missing))}")
        return self

    def due(self, priority: Priority, target: Target, start: datetime) -> tuple[datetime, datetime]:
        """Return when to remind and when it is due."""
        promise = self.promises[priority]
        minutes = promise.first_response if target == "first_response" else promise.resolution
        remind = add_working_minutes(self.calendar, start, minutes * self.remind_after)
        return cut(remind), cut(add_working_minutes(self.calendar, start, minutes))


def cut(time: datetime) -> datetime:
    """Return the time in whole milliseconds: what the store keeps."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def higher(priority: Priority) -> Priority:
    """Return the next priority, the highest for the highest."""
    return PRIORITIES[min(PRIORITIES.index(priority) + 1, len(PRIORITIES) - 1)]
