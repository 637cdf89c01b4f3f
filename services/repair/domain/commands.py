"""What happens to a letter: a record is set aside, somebody looks at it, repairs, replays or discards it."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from libs.events.base import Fact, Id, Short
from services.repair.domain.letter import Content


class _OfLetter(Fact):
    letter_id: Id

    @property
    def key(self) -> str:
        return self.letter_id


class Keep(_OfLetter):
    """A record was found among the dead letters; never leaves the service."""

    type: ClassVar[str] = "trunkline.private.letter_kept.v1"
    meant_for: Short
    reason: str
    detail: str
    group: str
    place: str
    content: Content
    set_aside_at: datetime


class Command(_OfLetter):
    """What all commands say: which letter, who asks, and which version he has seen."""

    by: Id
    expected_version: int | None = None


class Inspect(Command):
    type: ClassVar[str] = "trunkline.command.inspect_letter.v1"


class Edit(Command):
    """Headers are set by name or taken away; a body that is None stays as it is."""

    type: ClassVar[str] = "trunkline.command.edit_letter.v1"
    body: bytes | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    without_headers: tuple[str, ...] = ()
    note: Short = ""


class Replay(Command):
    """With `if_open` a letter that is closed is passed by instead of refused."""

    type: ClassVar[str] = "trunkline.command.replay_letter.v1"
    if_open: bool = False


class Discard(Command):
    type: ClassVar[str] = "trunkline.command.discard_letter.v1"
    why: Short
    if_open: bool = False


__all__ = ["Command", "Discard", "Edit", "Inspect", "Keep", "Replay"]
