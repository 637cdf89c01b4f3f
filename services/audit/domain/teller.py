"""One aggregate of another service, by the numbers of what it tells; of a pool also who holds what."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from libs.events.base import AnyEvent, Fact, Facts, Tick
from services.audit.domain import floor as floors
from services.audit.domain.floor import Floor, Move, move_of
from services.audit.domain.numbers import Numbers, in_words
from services.audit.domain.words import Decide, Limits, Noted, follows


@dataclass(frozen=True, slots=True)
class Teller:
    """
    The numbers seen so far. `gap_at` is when a gap was first seen, `noted` the words of those told.

    Of a pool: the floor after move number `folded`, and the moves beyond that wait for one that is missing.
    """

    name: str = ""
    numbers: Numbers = field(default_factory=Numbers)
    gap_at: datetime | None = None
    noted: tuple[str, ...] = ()
    folded: int = 0
    floor: Floor = field(default_factory=Floor)
    held: tuple[Move, ...] = ()


def due(teller: Teller, limits: Limits) -> datetime | None:
    """Return when the gap that is open now will have been open for too long."""
    return teller.gap_at + timedelta(seconds=limits.gap_s) if teller.gap_at else None


def decider(limits: Limits) -> Decide[Teller]:
    """Return `decide` under these limits."""

    def decide(teller: Teller, event: AnyEvent, now: datetime) -> tuple[Teller, Facts]:
        if isinstance(event.data, Tick):
            return time_out(teller, event, now, limits)
        return hear(teller, event, now)

    return decide


def hear(teller: Teller, event: AnyEvent, now: datetime) -> tuple[Teller, Facts]:
    """Note the number of an event that was not heard before: Apply knows those that were."""
    facts: list[Fact] = []
    number = event.sequence
    again = number in teller.numbers
    if again:
        what = f"number {number} was told twice"
        facts.append(Noted(rule="I4", subject=teller.name, what=what, event_ids=(event.id,)))
    elif number:
        teller = replace(teller, numbers=teller.numbers.add(number))
    gaps = tuple(f"{in_words(gap)} never came" for gap in teller.numbers.gaps)
    facts += [
        Noted(rule="I4", subject=teller.name, what=what, mended=True)
        for what in teller.noted
        if what not in gaps
    ]
    noted = tuple(what for what in teller.noted if what in gaps)
    gap_at = (teller.gap_at or now) if set(gaps) - set(noted) else None
    teller = replace(teller, noted=noted, gap_at=gap_at)
    if teller.name.startswith("pool "):
        move = move_of(event)
        if number == 0 or again or number <= teller.folded:
            teller, more = fold(teller, (move,))
        else:
            teller, more = advance(replace(teller, held=_sorted((*teller.held, move))))
        facts += more
    return teller, follows(event, now, facts)


def time_out(teller: Teller, event: AnyEvent, now: datetime, limits: Limits) -> tuple[Teller, Facts]:
    """Call what is still missing a breach, and go on without it."""
    at = due(teller, limits)
    if at is None or now < at:
        return teller, ()
    gaps = teller.numbers.gaps
    if limits.judged_from() is not None and gaps and gaps[0][0] == 1:
        # It told things before the topics begin: what came then is not known, and no breach.
        numbers = Numbers(((1, teller.numbers.last),))
        teller, facts = advance(replace(teller, numbers=numbers, gap_at=None), past_gaps=True)
        return teller, follows(event, now, facts)
    what = tuple(f"{in_words(gap)} never came" for gap in gaps)
    new: list[Fact] = [
        Noted(rule="I4", subject=teller.name, what=each) for each in what if each not in teller.noted
    ]
    teller, more = advance(replace(teller, noted=what, gap_at=None), past_gaps=True)
    return teller, follows(event, now, [*new, *more])


def advance(teller: Teller, *, past_gaps: bool = False) -> tuple[Teller, list[Fact]]:
    """Fold the moves that are next in the pool's log; past a gap it is not known who holds what."""
    facts: list[Fact] = []
    held = teller.held
    while held and (past_gaps or held[0].number == teller.folded + 1):
        move, held = held[0], held[1:]
        if move.number != teller.folded + 1:
            teller = replace(teller, floor=teller.floor.forget())
        teller, more = fold(replace(teller, folded=move.number), (move,))
        facts += more
    return replace(teller, held=held), facts


def fold(teller: Teller, moves: tuple[Move, ...]) -> tuple[Teller, list[Fact]]:
    """Return the pool after moves, and where an agent holds more than he can."""
    facts: list[Fact] = []
    floor = teller.floor
    for move in moves:
        floor, over = floors.take(floor, move)
        if over is not None:
            agent_id, what, event_ids = over
            facts.append(Noted(rule="I2", subject=agent_id, what=what, event_ids=event_ids))
    return replace(teller, floor=floor), facts


def _sorted(moves: tuple[Move, ...]) -> tuple[Move, ...]:
    return tuple(sorted(moves, key=lambda move: move.number))
