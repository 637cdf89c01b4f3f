"""How a call log is written: its columns, formats, words and what stands for "no value"."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from libs.events.base import Channel, Id, IdentityKind

Outcome = Literal["answered", "left", "ignored"]
BANK = Path(__file__).parent / "mappings" / "bank.yaml"


class Unusable(Exception):
    """The mapping, or the log as a whole, cannot be used; the text says why."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Span(_Part):
    """The columns of one phase of a call: from, until and how many seconds; the last one is a check."""

    start: str
    end: str
    seconds: str = ""


class Columns(_Part):
    """
    Names of columns. `call` are those that name a call together.

    A log without self-service names the column of the call's arrival as `self_service.start` and `.end`.
    """

    call: Annotated[tuple[str, ...], Field(min_length=1)]
    date: str
    self_service: Span
    wait: Span
    service: Span
    outcome: str
    agent: str = ""
    queue: str = ""
    priority: str = ""

    @property
    def needed(self) -> tuple[str, ...]:
        spans = (self.self_service, self.wait, self.service)
        named = (*self.call, self.date, self.outcome, self.agent, self.queue, self.priority)
        return tuple(
            name for name in (*named, *(n for s in spans for n in (s.start, s.end, s.seconds))) if name
        )


class IdentityColumn(_Part):
    """A column that tells who called; it is personal and travels under `pii` only."""

    column: str
    kind: IdentityKind = "account"
    no_value: tuple[str, ...] = ("",)


class Mapping(_Part):
    """All that must be known of a log to read it; the file is YAML with these names."""

    name: Id  # begins the ids of the interactions, so that two logs cannot be taken for one
    tenant: Id = "demo"
    channel: Channel = "voice"
    entry_point: Id = "hotline"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = "\t"
    encoding: str = "utf-8"
    time_zone: str = "UTC"
    date_format: str = "%Y-%m-%d"
    time_format: str = "%H:%M:%S"
    no_time: tuple[str, ...] = ("",)  # a phase whose start and end both say so did not take place
    no_agent: tuple[str, ...] = ("",)
    columns: Columns
    outcomes: dict[str, Outcome]
    queues: dict[str, Id] = {}  # by the value of columns.queue
    other_queue: Id = "hotline"
    context: dict[str, str] = {}  # name in the contact's context -> column
    identity: IdentityColumn | None = None
    clock_skew_s: Annotated[int, Field(ge=0)] = 2  # by which the clocks of the log may differ unnoticed

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("is no IANA time zone") from None
        return name

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str) -> str:
        try:
            "".encode(name)
        except LookupError:
            raise ValueError("is no encoding") from None
        return name

    @model_validator(mode="after")
    def _answers_and_leaves(self) -> Self:
        if "answered" not in self.outcomes.values():
            raise ValueError("outcomes: no word means answered")
        return self

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def queue_ids(self) -> tuple[str, ...]:
        return tuple(sorted({*self.queues.values(), self.other_queue}))

    @property
    def needed(self) -> tuple[str, ...]:
        """Return the columns that the log must have."""
        identity = (self.identity.column,) if self.identity else ()
        return tuple(dict.fromkeys((*self.columns.needed, *self.context.values(), *identity)))


def load(path: Path) -> Mapping:
    """Return the mapping of a file. :raises Unusable: it cannot be read, or says something impossible."""
    try:
        return Mapping.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except OSError as error:
        raise Unusable(f"{path.name}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Unusable(f"{path.name} is no YAML: {error}") from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise Unusable(f"{path.name}: {wrong}") from None
