"""One dead letter: the record as it was set aside, what it was repaired to, and what became of it."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from libs.events.base import follow_id
from libs.wire import Headers, Record

MARK = "dlq_"  # of the headers that say why and where a record was set aside
REPLAY_OF = "trunkline_replay_of"  # of a replayed record: the letter it was
NOBODY = "*"  # the installation's own letters: no tenant can have this name
MOST_PLACES = 20
FOREIGN = "foreign_tenant"
_NAME = re.compile(r"[A-Za-z0-9._:@+=~-]{1,128}")

Status = Literal["open", "replayed", "discarded"]


@dataclass(frozen=True, slots=True)
class Content:
    """What a reader of a topic sees of a record."""

    key: bytes | None = None
    body: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the body."""
        return hashlib.sha256(self.body or b"").hexdigest()

    def header(self, name: str) -> str:
        """Return a header's text where it is a name, as ids and types are; anything else may be personal."""
        value = dict(self.headers).get(name, b"").decode("utf-8", "replace")
        return value if is_name(value) else ""


@dataclass(frozen=True, slots=True)
class Letter:
    """
    A dead letter. Its facts may be known before it is: topics are read in any order.

    Invariant: `original` never changes; `repaired` only while it is open; a closed letter stays closed.
    `version` counts what changed it, places and looks left aside.
    """

    letter_id: str
    topic: str = ""
    reason: str = ""
    detail: str = ""
    group: str = ""
    places: tuple[str, ...] = ()
    original: Content = Content()
    set_aside_at: datetime | None = None
    replay_of: str = ""
    repaired: Content | None = None
    status: Status = "open"
    closed_at: datetime | None = None
    closed_by: str = ""
    why: str = ""
    version: int = 0

    @property
    def is_known(self) -> bool:
        return self.set_aside_at is not None

    @property
    def content(self) -> Content:
        """Return what would be replayed now."""
        return self.repaired or self.original


def is_name(text: str) -> bool:
    """Return whether a text is a name, as ids, types and tenants are."""
    return _NAME.fullmatch(text) is not None


def without_marks(headers: Headers) -> Headers:
    """Return the headers that a record had before it was set aside."""
    return tuple((name, value) for name, value in headers if not name.startswith(MARK))


def id_of(topic: str, content: Content) -> str:
    """
    Return the id of the letter that a record of `topic` becomes.

    It is made from all that readers see, not from where the record stood: what is read again after topics
    were refilled is the same letter. A replayed record says so in a header, and so becomes another one.
    """
    digest = hashlib.blake2b(digest_size=16)
    for piece in (topic.encode(), content.key, content.body):
        _feed(digest, piece)
    for name, value in content.headers:
        _feed(digest, name.encode())
        _feed(digest, value)
    return digest.hexdigest()


def _feed(digest: "hashlib.blake2b", piece: bytes | None) -> None:
    digest.update(b"-" if piece is None else b"%d:" % len(piece))
    digest.update(piece or b"")


def tenant_of(content: Content, reason: str) -> str:
    """Return whose letter it is: the tenant it names, the installation's where that cannot be believed."""
    named = content.header("ce_tenant")
    return NOBODY if reason == FOREIGN or not named else named


def to_replay(letter: Letter) -> Record:
    """Return the record that goes to the letter's topic, under the event id it has."""
    content = letter.content
    headers = tuple(pair for pair in content.headers if pair[0] != REPLAY_OF)
    return Record(letter.topic, content.key, content.body, (*headers, (REPLAY_OF, letter.letter_id.encode())))


def journey_of(tenant: str, letter_id: str) -> str:
    """Return the journey of what is told of a letter."""
    return follow_id(f"{tenant}/letter/{letter_id}", "journey")
