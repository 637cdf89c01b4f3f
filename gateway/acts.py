"""What people did over sockets: an act that comes again, anywhere, has one effect and one answer."""

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta

from libs import wire
from libs.clock import Now
from libs.errors import AlreadyExists
from libs.events.base import AnyEvent
from libs.mongo import Database, Document, DuplicateKeyError, IndexModel, guarded


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody asked: `act_id` follows from him and the id he gave it, `print` from all of it."""

    act_id: str
    print: str


def print_of(text: str) -> str:
    """Return what tells two requests apart."""
    return hashlib.sha256(text.encode()).hexdigest()


class Acts:
    """
    The events that acts became, kept for as long as streams can be resumed.

    An act is kept before it is told. So whoever finds it here tells the same event again, which changes
    nothing where it was told before, and answers as the first time, whatever has happened since.
    """

    def __init__(self, database: Database, now: Now, resume_for: timedelta) -> None:
        self._kept = database["acts"]
        self._now = now
        self._resume_for = resume_for

    async def create_indexes(self) -> None:
        """Create what is missing; safe to call at every start."""
        with guarded():
            await self._kept.create_indexes(
                [IndexModel([("kept_until", 1)], name="kept", expireAfterSeconds=0)]
            )

    async def keep(self, act: Act, event: AnyEvent) -> AnyEvent:
        """
        Keep what an act becomes, and return what it became the first time.

        :raises AlreadyExists: another act had its id.
        """
        document = {
            "_id": act.act_id,
            "print": act.print,
            "event": json.dumps(wire.to_structured(event)),
            "kept_until": self._now() + self._resume_for,
        }
        try:
            with guarded():
                await self._kept.insert_one(document)
        except DuplicateKeyError:
            return await self.find(act) or event
        return event

    async def find(self, act: Act) -> AnyEvent | None:
        """Return what an act became when it came before, if it did. :raises AlreadyExists: as `keep` does."""
        with guarded():
            row = await self._kept.find_one({"_id": act.act_id})
        return _event_of(row, act) if row is not None else None


def _event_of(row: Document, act: Act) -> AnyEvent:
    if row["print"] != act.print:
        raise AlreadyExists("command_id_reused", "the id was used for another command")
    return wire.from_structured(json.loads(row["event"]))
