"""The versions of a strategy: one after the other; to go back is to publish an old one again."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from libs.errors import Conflict, NotFound, Refused
from libs.events.base import AnyEvent, Fact, Facts, Id, after
from libs.events.queue import StrategyPublished

MOST_VERSIONS = 400


@dataclass(frozen=True, slots=True)
class Version:
    version: int
    pool_id: str
    document: str  # as JSON
    comment: str
    published_by: str
    published_at: datetime
    command_id: str
    rolled_back_to: int = 0


@dataclass(frozen=True, slots=True)
class StrategyRecord:
    """A strategy by its versions, 1..n without a hole; the last is in force."""

    strategy_id: str
    versions: tuple[Version, ...] = ()

    @property
    def version(self) -> int:
        return len(self.versions)

    def numbered(self, version: int) -> Version:
        """Return a version, the present one for 0. :raises NotFound: there is none."""
        if not 0 <= version <= len(self.versions) or not self.versions:
            raise NotFound(
                "strategy", f"{self.strategy_id} version {version}" if version else self.strategy_id
            )
        return self.versions[version - 1]

    def made_by(self, command_id: str) -> Version:
        """Return the version that a command has made."""
        return next(each for each in self.versions if each.command_id == command_id)


class Publish(Fact):
    """The command to publish a document as the next version."""

    type: ClassVar[str] = "trunkline.command.publish_strategy.v1"
    strategy_id: Id
    pool_id: Id
    document: str
    comment: str = ""
    by: str = ""
    expected_version: int | None = None

    @property
    def key(self) -> str:
        return self.strategy_id


class RollBack(Fact):
    """The command to publish an earlier version once more."""

    type: ClassVar[str] = "trunkline.command.roll_back_strategy.v1"
    strategy_id: Id
    version: int
    comment: str = ""
    by: str = ""

    @property
    def key(self) -> str:
        return self.strategy_id


def decide(record: StrategyRecord, event: AnyEvent, now: datetime) -> tuple[StrategyRecord, Facts]:
    """
    Return the strategy with one more version, and the fact that tells its pool.

    :raises Conflict: another version than the expected one is present.
    :raises NotFound: there is no version to go back to.
    :raises Refused: it would move to another pool, or there are too many versions.
    """
    match event.data:
        case Publish() as publish:
            made = _published(record, event, publish, now)
        case RollBack() as back:
            if back.version < 1:
                raise NotFound("strategy", f"{record.strategy_id} version {back.version}")
            made = replace(
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
        raise Refused("too_many_versions", f"a strategy has {MOST_VERSIONS} versions at most")
    fact = StrategyPublished(
        pool_id=made.pool_id,
        strategy_id=record.strategy_id,
        version=made.version,
        document=made.document,
        by=made.published_by,
        rolled_back_to=made.rolled_back_to,
    )
    return replace(record, versions=(*record.versions, made)), (after(event, now, fact),)


def _published(record: StrategyRecord, event: AnyEvent, publish: Publish, now: datetime) -> Version:
    if publish.expected_version is not None and publish.expected_version != record.version:
        raise Conflict(publish.expected_version, record.version)
    if record.versions and record.versions[-1].pool_id != publish.pool_id:
        raise Refused("pool_is_fixed", "a strategy stays in its pool; publish it under another id")
    return Version(
        version=record.version + 1,
        pool_id=publish.pool_id,
        document=publish.document,
        comment=publish.comment,
        published_by=publish.by,
        published_at=now,
        command_id=event.id,
    )
