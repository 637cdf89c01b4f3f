"""What is counted of a contact or an agent, as whole numbers that add up over intervals, ids and time."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import ClassVar, Literal

from libs.events.base import Fact, Id

GRAIN = timedelta(minutes=15)  # divides every time zone's offset, so that any zone's day is a sum of grains
Dimension = Literal["queue", "agent", "channel", "tenant"]
Counts = Mapping[str, int]

ANSWERED_WAIT = "answered_within"  # histograms: one counter per bound, e.g. answered_within:1200
ABANDONED_WAIT = "abandoned_within"
ESTIMATE_ERROR = "estimate_within"  # of what was told from what came, whichever was longer


class Counted(Fact):
    """Numbers to add to one interval of one dimension; never leaves the service."""

    type: ClassVar[str] = "trunkline.private.counted.v1"
    dimension: Dimension
    id: Id
    start: datetime
    counts: dict[str, int]

    @property
    def key(self) -> str:
        return f"{self.dimension}.{self.id}.{_name_of(self.start)}"


@lru_cache(maxsize=4096)
def _name_of(start: datetime) -> str:
    return f"{start:%Y%m%dT%H%M}"


def grain_of(time: datetime) -> datetime:
    """Return the start of the interval that a time falls into."""
    time = time.astimezone(UTC)
    return time.replace(minute=time.minute // 15 * 15, second=0, microsecond=0)


def bound_ms(waited_ms: int) -> int:
    """
    Return the upper bound of the histogram's step that a wait falls into.

    Steps: 10 ms up to a second, 100 ms up to a minute, a second up to 10 minutes, then 10 seconds. So "within
    T" is exact for every T on a step's bound, such as whole seconds up to 10 minutes.
    """
    for limit, step in ((1_000, 10), (60_000, 100), (600_000, 1_000)):
        if waited_ms <= limit:
            return -(-waited_ms // step) * step
    return -(-waited_ms // 10_000) * 10_000


def within(histogram: str, waited_ms: int) -> str:
    """Return the name of the counter of a wait."""
    return f"{histogram}:{bound_ms(waited_ms)}"


def histogram_of(counts: Counts, name: str) -> list[tuple[int, int]]:
    """Return (upper bound in ms, how many) of a histogram, rising."""
    prefix = f"{name}:"
    return sorted((int(key[len(prefix) :]), n) for key, n in counts.items() if key.startswith(prefix))


def spread(start: datetime, end: datetime) -> Iterator[tuple[datetime, int]]:
    """Yield (interval, ms) for the time between two moments, cut at the intervals' borders."""
    while start < end:
        grain = grain_of(start)
        stop = min(end, grain + GRAIN)
        yield grain, (stop - start) // timedelta(milliseconds=1)
        start = stop


def add(one: Counts, other: Counts) -> dict[str, int]:
    """Return the sums of both."""
    total = dict(one)
    for name, number in other.items():
        total[name] = total.get(name, 0) + number
    return total
