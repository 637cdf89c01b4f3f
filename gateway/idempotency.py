"""Idempotency-Key: a POST that comes again gets the answer of the first time, and nothing happens twice."""

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta

from starlette.responses import Response

from libs.clock import Now
from libs.errors import AlreadyExists, Invalid, Refused, Unavailable, Violation
from libs.mongo import Database, Document, DuplicateKeyError, guarded

HEADER = "idempotency-key"
KEPT_S = 24 * 3600
HELD_FOR = timedelta(seconds=60)  # an attempt that has not ended by then has died; commands repeat safely
LARGEST = 1024 * 1024
KEPT_HEADERS = ("content-type", "etag", "location")
_KEY = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST with a key, from its first byte to its answer."""

    id: str
    fingerprint: str


class Answers:
    """The answers given to POSTs with a key, kept for a day by tenant, subject and key."""

    def __init__(self, database: Database, now: Now) -> None:
        self._kept = database["idempotency"]
        self._now = now

    async def create_indexes(self) -> None:
        with guarded():
            await self._kept.create_index([("at", 1)], expireAfterSeconds=KEPT_S, name="kept")

    async def begin(self, attempt: Attempt) -> Response | None:
        """
        Return the answer given before, None when this attempt is the first.

        :raises AlreadyExists: the key was used for another request.
        :raises Unavailable: the first attempt is still on its way.
        """
        now = self._now()
        fresh = {"_id": attempt.id, "print": attempt.fingerprint, "at": now, "held_at": now}
        with guarded():
            try:
                await self._kept.insert_one(fresh)
                return None
            except DuplicateKeyError:
                row = await self._kept.find_one({"_id": attempt.id})
        if row is None:
            raise Unavailable("request_in_progress", "the same request is on its way", retry_after_s=1)
        if row["print"] != attempt.fingerprint:
            raise AlreadyExists("idempotency_key_reused", "the key was used for another request")
        if "status" in row:
            return _answer(row)
        await self._take_over(attempt)
        return None

    async def _take_over(self, attempt: Attempt) -> None:
        now = self._now()
        dead = {"_id": attempt.id, "status": {"$exists": False}, "held_at": {"$lt": now - HELD_FOR}}
        with guarded():
            taken = await self._kept.find_one_and_update(dead, {"$set": {"held_at": now}})
        if taken is None:
            raise Refused("request_in_progress", "the same request is on its way", retry_after_s=1)

    async def end(self, attempt: Attempt, response: Response) -> None:
        """Keep the answer; one that says "try again" is forgotten, so that trying again works."""
        body = bytes(response.body)
        with guarded():
            if response.status_code >= 500 or response.status_code == 429 or len(body) > LARGEST:
                await self._kept.delete_one({"_id": attempt.id})
                return
            headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
            change = {"status": response.status_code, "body": body, "headers": headers}
            await self._kept.update_one({"_id": attempt.id}, {"$set": change})

    async def forget(self, attempt: Attempt) -> None:
        """Let the next attempt be the first again: this one failed without an answer."""
        with guarded():
            await self._kept.delete_one({"_id": attempt.id})


def attempt_of(who: str, key: str, method: str, path: str, body: bytes) -> Attempt:
    """
    Return the attempt that a request is.

    :raises Invalid: the key is empty, longer than 128 characters or not printable.
    """
    if not _KEY.fullmatch(key):
        raise Invalid(Violation("Idempotency-Key", "must be 1 to 128 printable characters", "bad_key"))
    digest = hashlib.sha256(f"{method} {path}\n".encode() + body).hexdigest()
    return Attempt(f"{who}/{hashlib.sha256(key.encode()).hexdigest()}", digest)


def _answer(row: Document) -> Response:
    headers = {**row["headers"], "Idempotency-Replayed": "true"}
    return Response(bytes(row["body"]), row["status"], headers=headers)
