"""The shape every event shares: a fact as data, in a CloudEvents envelope."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha1
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints

NAMESPACE = UUID("6b1f2b2e-6f0e-5e0c-9d3b-7a55d5a1c0de")  # of every id that follows from another
_NAMESPACE = NAMESPACE.bytes

# No slash, no white space, no control character: ids stand in document keys, paths and headers.
Id = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._:@+=~-]+$")]
OptionalId = Annotated[str, StringConstraints(max_length=128, pattern=r"^[A-Za-z0-9._:@+=~-]*$")]
Short = Annotated[str, StringConstraints(max_length=256)]
Text = Annotated[str, StringConstraints(max_length=16_384)]
Language = Annotated[str, StringConstraints(max_length=16, pattern=r"^[A-Za-z0-9-]*$")]
Scalar = str | int | float | bool | None

Channel = Literal["voice", "chat", "app", "email", "sms", "social", "fax", "video"]
Direction = Literal["inbound", "outbound"]
IdentityKind = Literal["phone", "email", "openid", "device", "account", "card", "custom"]


class Part(BaseModel):
    """A piece of a fact's data; readers ignore fields they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Identity(Part):
    """One way to recognise a person: a phone number (E.164), an e-mail address, an openid, ..."""

    kind: IdentityKind
    value: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Fact(BaseModel):
    """
    Something that has happened, in the past tense, told by the one service that owns it.

    A new field with a default is not a new version; anything else is a new type beside the old one.
    Personal data stands only under `pii`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str] = ""  # every subclass names its own: "trunkline.<topic>.<fact>.v<n>"

    @property
    def key(self) -> str:
        """Return the partition key: facts with one key are read in order, by one process."""
        raise NotImplementedError(type(self).__name__)

    @classmethod
    def topic(cls) -> str:
        """Return the topic: "trunkline.routing.agent_offered.v1" -> "trunkline.routing"."""
        return cls.type.rsplit(".", 2)[0]


F_co = TypeVar("F_co", bound=Fact, covariant=True)


class Event(NamedTuple, Generic[F_co]):
    """
    A fact with its CloudEvents attributes; a tuple, since millions are made and a dataclass costs more.

    `journey_id` is the extension `correlationid`, `caused_by` is `causationid` (empty for what came from
    outside), `sequence` counts 1..n what one aggregate of the source has told (0: it does not count).
    """

    id: str
    tenant: str
    time: datetime
    data: F_co
    journey_id: str
    caused_by: str = ""
    source: str = ""
    sequence: int = 0
    traceparent: str = ""

    @property
    def type(self) -> str:
        return self.data.type

    @property
    def key(self) -> str:
        return self.data.key


AnyEvent = Event[Fact]
Facts = Sequence[AnyEvent]


def follow_id(cause_id: str, what: str) -> str:
    """Return the id that follows from a cause: asking twice gives one id, not two."""
    # A version 5 UUID, made by hand: every fact has one, and the class costs more than the hash.
    digest = bytearray(sha1(_NAMESPACE + f"{cause_id}/{what}".encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def after(cause: AnyEvent, now: datetime, data: Fact, *, journey_id: str = "", what: str = "") -> AnyEvent:
    """
    Return the event that tells `data` as a consequence of `cause`.

    Its id follows from the cause, so deciding twice tells one fact, not two. `what` tells apart two facts of
    one type and key with one cause. `journey_id` is given where the cause belongs to another journey (an
    agent who became ready is offered somebody's contact). Source, sequence and trace are stamped on saving.
    """
    event_id = follow_id(cause.id, f"{data.type}/{data.key}/{what}")
    return Event(event_id, cause.tenant, now, data, journey_id or cause.journey_id, cause.id)


class Tick(Fact):
    """Time has passed for one aggregate that had set itself a deadline; never leaves its service."""

    type: ClassVar[str] = "trunkline.time.tick.v1"
    of: str

    @property
    def key(self) -> str:
        return self.of


def as_json(data: Fact) -> dict[str, Any]:
    """Return the fact's data as plain JSON values, without what stands at its default."""
    return data.model_dump(mode="json", exclude_defaults=True)
