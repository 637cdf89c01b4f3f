"""The versions of a flow: published one after the other, rolled back to by publishing an old one again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from pydantic import Field

from libs.errors import Conflict, NotFound, Refused
from libs.events.base import AnyEvent, Fact, Facts, Id
from services.ivr.domain.flow import EVERY_ENTRY_POINT

MOST_VERSIONS = 2000


@dataclass(frozen=True, slots=True)
class Version:
    """One published version; its document is kept by what it says, under `digest`."""

    version: int
    digest: str
    name: Mapping[str, str]
    entry_points: tuple[str, ...]
    comment: str
    published_by: str
    published_at: datetime
    command_id: str
    rolled_back_to: int = 0


@dataclass(frozen=True, slots=True)
class FlowRecord:
    """A flow by its versions, 1..n without a hole; new dialogues follow the last."""

    flow_id: str
    versions: tuple[Version, ...] = ()

    @property
    def version(self) -> int:
        return len(self.versions)

    @property
    def present(self) -> Version:
        return self.versions[-1]

    def numbered(self, version: int) -> Version:
        """Return a version, the present one for 0. :raises NotFound: there is none."""
        if not 0 <= version <= len(self.versions) or not self.versions:
            raise NotFound("flow", f"{self.flow_id} version {version}" if version else self.flow_id)
        return self.versions[version - 1]

    def made_by(self, command_id: str) -> Version:
        """Return the version that a command has made."""
        return next(each for each in self.versions if each.command_id == command_id)

    def binds(self, entry_point: str) -> int:
        """Return 2 where new dialogues of the entry point follow this flow, 1 where they may, else 0."""
        if not self.versions:
            return 0
        points = self.present.entry_points
        return 2 if entry_point in points else 1 if EVERY_ENTRY_POINT in points else 0


class Publish(Fact):
    """The command to publish a document as the next version."""

    type: ClassVar[str] = "trunkline.command.publish_flow.v1"
    flow_id: Id
    digest: str
    name: Mapping[str, str] = Field(default_factory=dict)
    entry_points: tuple[str, ...] = ()
    comment: str = ""
    by: str = ""
    expected_version: int | None = None

    @property
    def key(self) -> str:
        return self.flow_id


class RollBack(Fact):
    """The command to publish an earlier version once more."""

    type: ClassVar[str] = "trunkline.command.roll_back_flow.v1"
    flow_id: Id
    version: int
    comment: str = ""
    by: str = ""

    @property
    def key(self) -> str:
        return self.flow_id


@dataclass(frozen=True, slots=True)
class FlowText:
    """A flow's document as JSON, kept under its digest and never changed."""

    digest: str
    document: str = ""


class Keep(Fact):
    """The command to keep a document."""

    type: ClassVar[str] = "trunkline.command.keep_flow_text.v1"
    digest: str
    document: str

    @property
    def key(self) -> str:
        return self.digest


def keep(text: FlowText, event: AnyEvent, now: datetime) -> tuple[FlowText, Facts]:
    """Return the text as kept; what is there already stays."""
    if isinstance(event.data, Keep) and not text.document:
        return replace(text, document=event.data.document), ()
    return text, ()


def decide(record: FlowRecord, event: AnyEvent, now: datetime) -> tuple[FlowRecord, Facts]:
    """
    Return the flow with one more version.

    :raises Conflict: another version than the expected one is present.
    :raises NotFound: there is no version to go back to.
    """
    match event.data:
        case Publish() as publish:
            if publish.expected_version is not None and publish.expected_version != record.version:
                raise Conflict(publish.expected_version, record.version)
            version = Version(
                version=record.version + 1,
                digest=publish.digest,
                name=publish.name,
                entry_points=publish.entry_points,
                comment=publish.comment,
                published_by=publish.by,
                published_at=now,
                command_id=event.id,
            )
        case RollBack() as back:
            if back.version < 1:
                raise NotFound("flow", f"{record.flow_id} version {back.version}")
            version = replace(
                record.numbered(back.version),
                version=record.version + 1,
                comment=back.comment,
                published_by=back.by,
                published_at=now,
                command_id=event.id,
                rolled_back_to=back.version,
            )
        case _:
            return record, ()
    if record.version >= MOST_VERSIONS:
        raise Refused("too_many_versions", f"a flow has {MOST_VERSIONS} versions at most")
    return replace(record, versions=(*record.versions, version)), ()
