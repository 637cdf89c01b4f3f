"""What of repair can be computed again: all of it, from the dead letters and from what was told of them."""

from collections.abc import Sequence

from libs import clock
from libs.apply import Tell
from libs.events.base import AnyEvent
from libs.mongo import Database, Document
from libs.projections import At, Fold, Kept, Rebuildable, Refold, tell_nothing
from libs.reading import Bus, Reading
from libs.stored import Key
from libs.wire import Record
from services.repair.domain.deciding import decide
from services.repair.domain.letter import Letter
from services.repair.handlers import DEAD_LETTER_TOPICS, GROUP, SOURCE, found_in, telling
from services.repair.store import AUDIT, AUDITED, LETTERS, Audit, Letters

TOLD = AUDITED[0].topic()
# Where a record stood, and when it came there, is not the same after topics were refilled.
OF_THE_PLACE = ("places", "set_aside_at")


class Sorting:
    """Keeps letters as the service does; what was done with them is read from the service's own topic."""

    def __init__(self, letters: Letters, audit: Audit, tell: Tell) -> None:
        self._letters: Refold[Letter] = Refold(letters, decide, tell, SOURCE)
        self._audit = audit
        self._reading = Reading(AUDITED, frozenset(), frozenset(), GROUP)
        self._lines: set[str] = set()

    @property
    def touched(self) -> dict[str, set[str]]:
        return {LETTERS.name: self._letters.touched, AUDIT: self._lines}

    async def take(self, records: Sequence[Record]) -> None:
        pairs = [found_in(record) for record in records if record.topic != TOLD]
        told, _ = self._reading.sort_out([record for record in records if record.topic == TOLD])
        await self._audit.keep(told)
        self._lines.update(f"{fact.tenant}/{fact.id}" for fact in told)
        pairs += [(Key(fact.tenant, fact.key), _as_command(fact)) for fact in told]
        if pairs:
            await self._letters(pairs, clock.now())

    async def finish(self) -> None:
        await self._letters.settle()

    async def sweep(self) -> None:
        await self._letters.sweep_all(clock.now())


def _as_command(fact: AnyEvent) -> AnyEvent:
    """Return the fact under the id of its command, which is known then, should it come again."""
    return fact._replace(id=fact.caused_by or fact.id)


def letter_of(document: Document) -> object:
    return {name: value for name, value in document["state"].items() if name not in OF_THE_PLACE}


def line_of(document: Document) -> object:
    return document


async def _fold(database: Database, at: At, bus: Bus | None) -> Fold:
    letters, audit = Letters(database, at(LETTERS.name)), Audit(database, at(AUDIT))
    for store in (letters, audit):
        await store.create_indexes()
    return Sorting(letters, audit, telling(letters, audit.keep, bus) if bus else tell_nothing)


PROJECTIONS = Rebuildable(
    service="repair",
    group=GROUP,
    topics=(*DEAD_LETTER_TOPICS, TOLD),
    kept=(Kept(LETTERS.name, letter_of), Kept(AUDIT, line_of, has_log=False)),
    fold=_fold,
)
