"""How transcripts, recordings and the audit are kept and found."""

from collections.abc import Collection, Sequence

from libs.mongo import Database, Document, IndexModel, MongoStore, Shape, guarded, key_of
from libs.paging import Place
from libs.stored import Key
from services.recording.domain import recording, transcript
from services.recording.domain.access import Access
from services.recording.domain.recording import Recording
from services.recording.domain.transcript import Transcript

TRANSCRIPTS: Shape[Transcript] = Shape(
    "transcripts",
    Transcript,
    blank=lambda key: Transcript(key.id),
    due=transcript.due,
    index=lambda state: {"session": state.session_id} if state.session_id else {},
    indexes=(IndexModel([("tenant", 1), ("ix.session", 1)], name="session"),),
)


def recording_index(state: Recording) -> Document:
    """Return what a recording is found by."""
    found: Document = {
        "session": state.session_id,
        "interaction": state.interaction_id,
        "customer": state.customer_id,
        "agents": list(state.agent_ids),
        "channel": state.channel,
        "queue": state.queue_id,
        "kind": state.kind,
        "at": state.started_at,
    }
    if state.status == "erasing":
        found["erasing"] = True
    return found


RECORDINGS: Shape[Recording] = Shape(
    "recordings",
    Recording,
    blank=lambda key: Recording(key.id),
    due=recording.due,
    index=recording_index,
    indexes=(
        IndexModel([("tenant", 1), ("ix.at", -1), ("_id", -1)], name="at"),
        *(
            IndexModel([("tenant", 1), (f"ix.{name}", 1), ("ix.at", -1), ("_id", -1)], name=name)
            for name in ("session", "interaction", "customer", "agents")
        ),
        IndexModel([("ix.erasing", 1)], sparse=True, name="erasing"),
    ),
)

ACCESSES: Shape[Access] = Shape(
    "accesses",
    Access,
    blank=lambda key: Access(key.id),
    index=lambda state: {"recording": state.recording_id, "subject": state.subject, "at": state.at},
    indexes=(
        IndexModel([("tenant", 1), ("ix.recording", 1), ("ix.at", -1), ("_id", -1)], name="recording"),
        IndexModel([("tenant", 1), ("ix.subject", 1), ("ix.at", -1), ("_id", -1)], name="subject"),
    ),
)
NEWEST_FIRST = (("ix.at", -1), ("_id", -1))


class Transcripts(MongoStore[Transcript]):
    """Transcripts in the database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, TRANSCRIPTS)

    async def of_sessions(self, sessions: Collection[Key]) -> dict[Key, list[Key]]:
        """Return the transcripts that are known to belong to each of the sessions, by one query."""
        if not sessions:
            return {}
        where = [{"tenant": each.tenant, "ix.session": each.id} for each in sessions]
        with guarded():
            rows = await self.collection.find({"$or": where}, {"tenant": 1, "ix": 1}).to_list(None)
        found: dict[Key, list[Key]] = {}
        for row in rows:
            found.setdefault(Key(row["tenant"], row["ix"]["session"]), []).append(key_of(row["_id"]))
        return found


class Recordings(MongoStore[Recording]):
    """Recordings in the database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, RECORDINGS)

    async def search(
        self, tenant: str, where: Document, after: Sequence[Place], limit: int
    ) -> list[Recording]:
        """Return recordings, the newest first, those after the given time and id."""
        return await self.find(tenant, {**where, **past(tenant, after)}, sort=NEWEST_FIRST, limit=limit)

    async def erasing(self, limit: int) -> list[tuple[Key, Recording]]:
        """Return recordings of all tenants whose content is to go."""
        with guarded():
            rows = await self.collection.find({"ix.erasing": True}).limit(limit).to_list(None)
        return [(key_of(row["_id"]), self.read(row).state) for row in rows]


class Accesses(MongoStore[Access]):
    """The audit in the database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, ACCESSES)

    async def search(self, tenant: str, where: Document, after: Sequence[Place], limit: int) -> list[Access]:
        """Return entries, the newest first, those after the given time and id."""
        return await self.find(tenant, {**where, **past(tenant, after)}, sort=NEWEST_FIRST, limit=limit)


def past(tenant: str, after: Sequence[Place]) -> Document:
    """Return the condition that holds past a place in the order of time and id."""
    if not after:
        return {}
    at, name = after
    return {"$or": [{"ix.at": {"$lt": at}}, {"ix.at": at, "_id": {"$lt": f"{tenant}/{name}"}}]}
