"""What is known of records that a topic has dropped: whether the archive has gone over all of them."""

from collections.abc import Iterable, Mapping

from libs.wire import Record

Place = tuple[str, int]


class Spans:
    """
    From which to which offset the archive's records of each partition stood.

    Records that came twice are in the archive once, so that only both ends of a span are looked at. An
    archive that was begun on an earlier broker counts by the offsets there.
    """

    def __init__(self) -> None:
        self._spans: dict[Place, tuple[int, int]] = {}

    def see(self, records: Iterable[Record]) -> None:
        """Take note of records as the archive has them."""
        for record in records:
            place = record.topic, record.partition
            low, high = self._spans.get(place, (record.offset, record.offset))
            self._spans[place] = min(low, record.offset), max(high, record.offset)

    def missing(self, firsts: Mapping[Place, int]) -> list[str]:
        """Return in words which records, before the first ones that the topics still have, are nowhere."""
        gone: list[str] = []
        for (topic, partition), first in sorted(firsts.items()):
            if first <= 0:
                continue
            low, high = self._spans.get((topic, partition), (first, -1))
            if low > 0:
                gone.append(f"{topic}-{partition}: records 0 to {min(low, first) - 1:,}")
            if low < first - 1 and high < first - 1:
                gone.append(f"{topic}-{partition}: records {high + 1:,} to {first - 1:,}")
        return gone
