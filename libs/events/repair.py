"""Facts owned by the repair service: what people did with dead letters; key: letter id."""

from typing import ClassVar

from libs.events.base import Fact, Id, OptionalId, Part, Short


class _LetterFact(Fact):
    letter_id: Id
    letter_topic: Id  # where the record had stood
    letter_reason: Short  # why it was set aside
    by: Id

    @property
    def key(self) -> str:
        return self.letter_id


class LetterInspected(_LetterFact):
    """Somebody looked at the content of a dead letter."""

    type: ClassVar[str] = "trunkline.repair.letter_inspected.v1"
    sha256: Short


class RepairedPii(Part):
    """The record as it was repaired: a letter's state can be computed again from the topics."""

    body: str = ""
    headers: dict[str, str] = {}
    record_key: str = ""


class LetterEdited(_LetterFact):
    """A dead letter was repaired; the original is kept beside what it shall be."""

    type: ClassVar[str] = "trunkline.repair.letter_edited.v1"
    before_sha256: Short
    after_sha256: Short
    note: Short = ""
    pii: RepairedPii = RepairedPii()


class LetterReplayed(_LetterFact):
    """A dead letter went to its topic once more, under the event id it had."""

    type: ClassVar[str] = "trunkline.repair.letter_replayed.v1"
    replayed_event_id: OptionalId = ""
    sha256: Short


class LetterDiscarded(_LetterFact):
    """A dead letter is of no use to anybody, and why."""

    type: ClassVar[str] = "trunkline.repair.letter_discarded.v1"
    sha256: Short
    why: Short
