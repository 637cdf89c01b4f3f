"""The context that services and front ends of a journey share: named values with versions and expiry."""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

from libs.errors import Conflict
from libs.events import interaction, ivr
from libs.events import session as told
from libs.events.base import AnyEvent, Fact, Facts, Scalar, Tick, after
from libs.stored import Key

ANSWERS = 64  # commands whose answer is given again
ENTRIES = 200  # of one session; what channel and self-service bring beyond that is left out


@dataclass(frozen=True, slots=True)
class Entry:
    """One value, as JSON text; `version` counts its writes, removals included."""

    name: str
    value: str
    version: int
    written_by: str
    written_at: datetime
    expires_at: datetime | None = None
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """
    The entries of one session, or of one journey, by the order of their first write.

    A removed entry stays as a mark with its version, so that versions only grow.
    """

    session_id: str = ""  # in whose name changes are told
    journey_id: str = ""
    entries: tuple[Entry, ...] = ()
    answers: tuple[tuple[str, Entry], ...] = ()

    def entry(self, name: str) -> Entry | None:
        return next((each for each in self.entries if each.name == name), None)

    def live(self, now: datetime) -> tuple[Entry, ...]:
        """Return what has neither been removed nor expired."""
        return tuple(each for each in self.entries if is_live(each, now))


def blank(key: Key) -> Context:
    """Return the context of a session ("session:<id>") or journey of which nothing is known."""
    scope, _, name = key.id.partition(":")
    return Context(session_id=name if scope == "session" else "")


def is_live(entry: Entry, now: datetime) -> bool:
    return not entry.removed and (entry.expires_at is None or entry.expires_at > now)


class Put(Fact):
    """Somebody asked to write an entry; an empty value removes it. Never leaves the service."""

    type: ClassVar[str] = "trunkline.command.put_context.v1"
    session_id: str
    journey_id: str
    name: str
    value: str = ""  # JSON text
    expected_version: int | None = None
    ttl_s: int = 0
    by: str

    @property
    def key(self) -> str:
        return self.session_id


def decide(context: Context, event: AnyEvent, now: datetime) -> tuple[Context, Facts]:
    """
    Return the context after a write, and that it changed.

    :raises Conflict: the entry is not at the version that was expected.
    """
    match event.data:
        case Put() as data:
            context = replace(context, session_id=data.session_id, journey_id=data.journey_id)
            return put(context, event, data, now)
        case interaction.Started() as data:
            return take(context, event, data.context, "channel", now)
        case ivr.DialogueCompleted() as data:
            return take(context, event, data.pii.collected, "ivr", now)
        case Tick():
            return expire(context, event, now)
    return context, ()


def put(context: Context, event: AnyEvent, data: Put, now: datetime) -> tuple[Context, Facts]:
    present = context.entry(data.name)
    live = present if present is not None and is_live(present, now) else None
    if data.expected_version is not None and data.expected_version != (live.version if live else 0):
        raise Conflict(data.expected_version, live.version if live else 0)
    if live is None and not data.value:
        nothing = Entry(data.name, "", present.version if present else 0, data.by, now, removed=True)
        return replace(context, answers=_answered(context, event, nothing)), ()
    expires_at = now + timedelta(seconds=data.ttl_s) if data.ttl_s and data.value else None
    entry = Entry(
        data.name,
        data.value,
        (present.version if present else 0) + 1,
        data.by,
        now,
        expires_at,
        removed=not data.value,
    )
    context = _with(context, entry)
    return replace(context, answers=_answered(context, event, entry)), [_changed(context, event, entry, now)]


def take(
    context: Context, event: AnyEvent, values: dict[str, Scalar], by: str, now: datetime
) -> tuple[Context, Facts]:
    """Take over what the channel or self-service knows."""
    context = replace(context, journey_id=context.journey_id or event.journey_id)
    facts: list[AnyEvent] = []
    for name, value in values.items():
        present = context.entry(name)
        text = json.dumps(value, ensure_ascii=False)
        same = present is not None and is_live(present, now) and present.value == text
        if value is None or same or len(name) > 256 or (present is None and len(context.entries) >= ENTRIES):
            continue
        entry = Entry(name, text, (present.version if present else 0) + 1, by, now)
        context = _with(context, entry)
        facts.append(_changed(context, event, entry, now))
    return context, facts


def expire(context: Context, event: AnyEvent, now: datetime) -> tuple[Context, Facts]:
    """Remove what has expired."""
    facts: list[AnyEvent] = []
    for entry in context.entries:
        if entry.expires_at is not None and not entry.removed and entry.expires_at <= now:
            gone = replace(entry, value="", version=entry.version + 1, expires_at=None, removed=True)
            context = _with(context, gone)
            facts.append(_changed(context, event, gone, now))
    return context, facts


def due(context: Context) -> datetime | None:
    """Return when the next entry expires."""
    times = (each.expires_at for each in context.entries if each.expires_at and not each.removed)
    return min(times, default=None)


def _with(context: Context, entry: Entry) -> Context:
    if context.entry(entry.name) is None:
        return replace(context, entries=(*context.entries, entry))
    return replace(
        context, entries=tuple(entry if each.name == entry.name else each for each in context.entries)
    )


def _answered(context: Context, event: AnyEvent, entry: Entry) -> tuple[tuple[str, Entry], ...]:
    return (*context.answers[1 - ANSWERS :], (event.id, entry))


def _changed(context: Context, event: AnyEvent, entry: Entry, now: datetime) -> AnyEvent:
    fact = told.ContextChanged(
        session_id=context.session_id, name=entry.name, version=entry.version, removed=entry.removed
    )
    return after(event, now, fact, journey_id=context.journey_id, what=entry.name)
