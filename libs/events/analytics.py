"""Facts owned by the analytics service; key: the dimension's id, e.g. a queue."""

from typing import ClassVar, Literal

from pydantic import AwareDatetime

from libs.events.base import Fact, Id


class IntervalClosed(Fact):
    """The figures of one interval when it closed; late events restate them by a higher `revision`."""

    type: ClassVar[str] = "trunkline.analytics.interval_closed.v1"
    dimension: Literal["queue", "agent", "channel"]
    id: Id
    interval_start: AwareDatetime
    interval_minutes: int
    revision: int
    definitions_version: int
    figures: dict[str, float]

    @property
    def key(self) -> str:
        return self.id
