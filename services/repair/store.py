"""How letters and their audit are kept and found."""

from collections.abc import Sequence

from libs.events import repair
from libs.events.base import AnyEvent
from libs.mongo import Database, Document, IndexModel, MongoStore, Shape, guarded, insert_new, key_of
from libs.paging import Place
from libs.stored import Key
from services.repair.domain.letter import Letter

LETTERS: Shape[Letter] = Shape(
    "letters",
    Letter,
    blank=lambda key: Letter(key.id),
    index=lambda letter: {
        "topic": letter.topic,
        "reason": letter.reason,
        "status": letter.status if letter.is_known else "unknown",
        "at": letter.set_aside_at,
        "replay_of": letter.replay_of,
    },
    indexes=(
        IndexModel([("tenant", 1), ("ix.at", -1), ("_id", -1)], name="at"),
        IndexModel([("tenant", 1), ("ix.status", 1), ("ix.topic", 1), ("ix.at", -1)], name="status"),
        IndexModel([("ix.at", -1), ("_id", -1)], name="everywhere"),
        IndexModel([("tenant", 1), ("ix.replay_of", 1)], name="replay_of"),
    ),
)
NEWEST_FIRST = [("ix.at", -1), ("_id", -1)]
AUDITED = (repair.LetterInspected, repair.LetterEdited, repair.LetterReplayed, repair.LetterDiscarded)
MOST_REPLAYS = 20
AUDIT = "audit"


class Letters(MongoStore[Letter]):
    """Letters in the database."""

    def __init__(self, database: Database, at: str = "") -> None:
        super().__init__(database, LETTERS, at)

    async def search(
        self, tenant: str, where: Document, after: Sequence[Place], limit: int
    ) -> list[tuple[Key, Letter]]:
        """Return letters, the latest first, those after a place in that order; of every tenant for ""."""
        question: Document = {"ix.status": {"$ne": "unknown"}, **where}
        if tenant:
            question["tenant"] = tenant
        if after:
            at, name = after
            question["$or"] = [{"ix.at": {"$lt": at}}, {"ix.at": at, "_id": {"$lt": name}}]
        with guarded():
            rows = await self.collection.find(question).sort(NEWEST_FIRST).limit(limit).to_list(None)
        return [(key_of(row["_id"]), self.read(row).state) for row in rows]

    async def came_back(self, key: Key) -> list[str]:
        """Return the letters that a replay of this one led to."""
        where = {"tenant": key.tenant, "ix.replay_of": key.id}
        with guarded():
            rows = await self.collection.find(where, {"_id": 1}).sort("ix.at", 1).to_list(MOST_REPLAYS)
        return [key_of(row["_id"]).id for row in rows]


class Audit:
    """What was done with letters: one line for each fact, whatever is told twice."""

    def __init__(self, database: Database, at: str = AUDIT) -> None:
        self._lines = database[at]

    async def create_indexes(self) -> None:
        with guarded():
            await self._lines.create_index([("letter", 1), ("time", -1), ("_id", -1)], name="letter")

    async def keep(self, facts: Sequence[AnyEvent]) -> None:
        """Write down the facts that are not there yet."""
        await insert_new(self._lines, [_line(fact) for fact in facts if isinstance(fact.data, AUDITED)])

    async def of_letter(self, key: Key, after: Sequence[Place], limit: int) -> list[Document]:
        """Return what was done with a letter, the latest first, after a place in that order."""
        question: Document = {"letter": str(key)}
        if after:
            time, name = after
            question["$or"] = [{"time": {"$lt": time}}, {"time": time, "_id": {"$lt": name}}]
        with guarded():
            cursor = self._lines.find(question).sort([("time", -1), ("_id", -1)]).limit(limit)
            return await cursor.to_list(None)


def _line(fact: AnyEvent) -> Document:
    data = fact.data
    after = getattr(data, "after_sha256", "") or getattr(data, "sha256", "")
    return {
        "_id": f"{fact.tenant}/{fact.id}",
        "letter": f"{fact.tenant}/{data.key}",
        "time": fact.time,
        "what": fact.type.split(".")[-2].removeprefix("letter_"),
        "by": getattr(data, "by", ""),
        "before": getattr(data, "before_sha256", "") or after,
        "after": after,
        "note": getattr(data, "note", "") or getattr(data, "why", ""),
        "event_id": fact.id,
    }
