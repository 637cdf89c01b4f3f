"""Compares a live collection with the one that was computed anew beside it."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from libs.mongo import Database, Document, guarded
from libs.projections import Kept

AT_ONCE = 2_000


@dataclass(slots=True)
class Difference:
    """How two versions of one collection compare."""

    live: int = 0
    rebuilt: int = 0
    differing: set[str] = field(default_factory=set)
    numbers: dict[str, tuple[int, int]] = field(default_factory=dict)  # name: live, rebuilt


async def differing(database: Database, kept: Kept, beside: str) -> set[str]:
    """
    Return the documents that differ now; while the service runs, some are only on their way.

    Both collections are read once, in the order of their ids.
    """
    found: set[str] = set()
    with guarded():
        left, right = (
            database[name].find({}, sort=[("_id", 1)], batch_size=AT_ONCE) for name in (kept.name, beside)
        )
        one, other = await anext(left, None), await anext(right, None)
        while one is not None or other is not None:
            first = min(each["_id"] for each in (one, other) if each is not None)
            mine = one if one is not None and one["_id"] == first else None
            new = other if other is not None and other["_id"] == first else None
            if mine is None or new is None or kept.compared(mine) != kept.compared(new):
                found.add(first)
            one = await anext(left, None) if mine is not None else one
            other = await anext(right, None) if new is not None else other
    return found


async def compare(database: Database, kept: Kept, beside: str, suspects: Collection[str]) -> Difference:
    """Return what is different, of the documents that may be, and what both add up to."""
    found = Difference()
    names = (kept.name, beside)
    with guarded():
        for some in _cut(sorted(suspects)):
            where: Document = {"_id": {"$in": some}}
            mine, new = [
                {row["_id"]: kept.compared(row) async for row in database[name].find(where)} for name in names
            ]
            found.differing.update(each for each in some if mine.get(each) != new.get(each))
        found.live, found.rebuilt = [await database[name].count_documents({}) for name in names]
        sums = [await _sums(database, kept, name) for name in names]
    found.numbers = {
        number: (sums[0].get(number, 0), sums[1].get(number, 0)) for number in sorted({*sums[0], *sums[1]})
    }
    return found


async def _sums(database: Database, kept: Kept, name: str) -> dict[str, int]:
    total: dict[str, int] = {}
    if kept.numbers is not None:
        async for row in database[name].find(kept.summed):
            for number, value in kept.numbers(row).items():
                total[number] = total.get(number, 0) + value
    return total


def _cut(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]
