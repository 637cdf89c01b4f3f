"""What of session can be computed again: the journal. Sessions decide, and so are no projection of topics."""

from collections.abc import Sequence

from libs.mongo import Database, Document
from libs.projections import At, Fold, Kept, Rebuildable
from libs.reading import Bus, Reading
from libs.wire import Record
from services.session.journal import ALIASES, GROUP, KEPT, LINES, Journal, alias_of, document_of


class Rewriting:
    """Writes the journal as the service does."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._reading = Reading(KEPT, frozenset(), frozenset(), GROUP)
        self.touched: dict[str, set[str]] = {LINES: set(), ALIASES: set()}

    async def take(self, records: Sequence[Record]) -> None:
        events, _ = self._reading.sort_out(records)
        await self._journal(events)
        for event in events:
            self.touched[LINES].add(document_of(event)["_id"])
            if alias := alias_of(event):
                self.touched[ALIASES].add(alias["_id"])

    async def finish(self) -> None:
        """Do nothing: every line is written at once."""

    async def sweep(self) -> None:
        """Do nothing: the journal tells nothing."""


def all_of(document: Document) -> object:
    return document


async def _fold(database: Database, at: At, bus: Bus | None) -> Fold:
    journal = Journal(database, at)
    await journal.create_indexes()
    return Rewriting(journal)


PROJECTIONS = Rebuildable(
    service="session",
    group=GROUP,
    topics=tuple(sorted({fact.topic() for fact in KEPT})),
    kept=(Kept(LINES, all_of, has_log=False), Kept(ALIASES, all_of, has_log=False)),
    fold=_fold,
)
