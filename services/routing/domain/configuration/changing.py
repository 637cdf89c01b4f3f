"""How a configuration changes: all at once or not at all, and its pools are told in the same write."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from pydantic import Field

from libs.errors import Conflict, Invalid, NotFound, Refused, Violation
from libs.events import queue
from libs.events.base import AnyEvent, Fact, Facts, after, follow_id
from libs.hours import Calendar
from services.routing.domain import calendars
from services.routing.domain.configuration.items import Named, kept, place_of
from services.routing.domain.configuration.using import problems_of

ALL = "configuration"  # the id of the one aggregate that a tenant has
MOST_CHANGES = 5000  # their facts are one document until they are told
MOST_REASONS = 200


@dataclass(frozen=True, slots=True)
class Kept:
    """An item as the text of its file, and the version of the configuration that changed it last."""

    text: str
    version: int


@dataclass(frozen=True, slots=True)
class Configuration:
    """
    All that a tenant has configured, by key; `version` counts its changes.

    What the pools were told last follows from the items alone.
    """

    version: int = 0
    items: dict[str, Kept] = field(default_factory=dict)

    @property
    def texts(self) -> dict[str, str]:
        return {key: each.text for key, each in self.items.items()}


class _Command(Fact):
    @property
    def key(self) -> str:
        return ALL


class Adopt(_Command):
    """The command to begin with what the pools had been told before there was a configuration."""

    type: ClassVar[str] = "trunkline.command.adopt_configuration.v1"
    items: dict[str, str]


class Change(_Command):
    """
    The command to put items and to remove others.

    `versions` are those that items must have (0: it must not be there); `busy` are items that must not be
    removed now, since contacts or agents are in them.
    """

    type: ClassVar[str] = "trunkline.command.change_configuration.v1"
    puts: dict[str, str] = Field(default_factory=dict, max_length=MOST_CHANGES)
    removes: tuple[str, ...] = ()
    expected_version: int | None = None
    versions: dict[str, int] = Field(default_factory=dict)
    busy: tuple[str, ...] = ()
    overflows_known: bool = False  # whether overflow must lead to a queue that is there


def decide(configuration: Configuration, event: AnyEvent, now: datetime) -> tuple[Configuration, Facts]:
    """
    Return the configuration after a command, and the facts that tell its pools.

    :raises Conflict: it, or an item, is at another version than the expected one.
    :raises NotFound: there is no item of a name that is to be removed.
    :raises Refused: what is to be removed is in use.
    :raises Invalid: an item names another that is not there.
    """
    match event.data:
        case Adopt(items=items) if not configuration.version:
            return Configuration(1, {key: Kept(text, 1) for key, text in items.items()}), ()
        case Change() as change:
            return _changed(configuration, event, change, now)
    return configuration, ()


def _changed(
    before: Configuration, event: AnyEvent, change: Change, now: datetime
) -> tuple[Configuration, Facts]:
    if change.expected_version not in (None, before.version):
        raise Conflict(change.expected_version or 0, before.version)
    for key, expected in change.versions.items():
        present = before.items[key].version if key in before.items else 0
        if expected != present:
            raise Conflict(expected, present)
    for key in change.removes:
        if key not in before.items:
            raise NotFound(place_of(key).section.removesuffix("s"), key.partition("/")[2])
    puts = {key: text for key, text in change.puts.items() if _text(before, key) != text}
    if not puts and not change.removes:
        return before, ()
    version = before.version + 1
    items = {key: each for key, each in before.items.items() if key not in set(change.removes)}
    made = Configuration(version, items | {key: Kept(text, version) for key, text in puts.items()})
    _check(made, puts, change)
    facts = [
        after(event, now, fact, journey_id=_journey(event, fact), what=str(place))
        for place, fact in enumerate(_facts(before, made, puts, change))
    ]
    return made, facts


def _journey(event: AnyEvent, fact: Fact) -> str:
    """Return the journey of how a pool is set up."""
    return follow_id(f"{event.tenant}/pool/{fact.key}", "journey")


def _text(configuration: Configuration, key: str) -> str | None:
    return configuration.items[key].text if key in configuration.items else None


def _check(made: Configuration, puts: Mapping[str, str], change: Change) -> None:
    if busy := sorted(set(change.removes) & set(change.busy)):
        names = ", ".join(busy[:10])
        text = f"contacts or agents are still there: {names}; take them out first"
        raise Refused("in_use", text, {"items": names})
    if sum(key.startswith("reasons/") for key in made.items) > MOST_REASONS:
        raise Refused("too_many_reasons", f"there are {MOST_REASONS} reasons at most")
    wrong, in_use = problems_of(made.texts, puts, change.removes, overflows_known=change.overflows_known)
    if in_use:
        names = ", ".join(in_use[:10])
        raise Refused("in_use", f"others still name what would be removed: {names}", {"items": names})
    if wrong:
        raise Invalid(*(Violation(".".join(path), text, "unknown_name") for path, text in wrong[:50]))


def _facts(
    before: Configuration, made: Configuration, puts: Mapping[str, str], change: Change
) -> Iterator[Fact]:
    """Yield what the pools have to know: reasons first, then who comes or changes, then who goes."""
    yield from _reasons_told(before, made, (*puts, *change.removes))
    for key, text in puts.items():
        if key.startswith("queues/"):
            item = kept(key, text)
            assert isinstance(item, queue.QueueConfigured)
            yield item
    new_hours = {key.partition("/")[2] for key in puts if key.startswith("calendars/")}
    for key, each in made.items.items():
        if key.startswith("agents/") and (key in puts or new_hours):
            agent = kept(key, each.text)
            assert isinstance(agent, queue.AgentConfigured)
            if key in puts or agent.calendar in new_hours:
                yield resolved(made, agent)
    for place in map(place_of, change.removes):
        if place.section == "agents":
            yield queue.AgentRemoved(pool_id=place.pool_id, agent_id=place.item_id)
        elif place.section == "queues":
            yield queue.QueueRemoved(pool_id=place.pool_id, queue_id=place.item_id)


def resolved(configuration: Configuration, agent: queue.AgentConfigured) -> queue.AgentConfigured:
    """Return an agent with the schedule that his calendar is, where he has one of the configured."""
    if not agent.calendar:
        return agent
    calendar = kept(f"calendars/{agent.calendar}", configuration.items[f"calendars/{agent.calendar}"].text)
    assert isinstance(calendar, Calendar)
    return agent.model_copy(update={"schedule": calendars.schedule_of(calendar)})


def _reasons_told(
    before: Configuration, made: Configuration, touched: tuple[str, ...]
) -> Iterator[queue.ReasonsConfigured]:
    """Yield the reasons for every pool where they have changed, and for each pool that is new."""
    reasons = []
    for key in sorted(made.items):
        if key.startswith("reasons/"):
            named = kept(key, made.items[key].text)
            assert isinstance(named, Named)
            reasons.append(queue.Reason(reason_id=place_of(key).item_id, **named.model_dump()))
    have_changed = any(key.startswith("reasons/") for key in touched)
    if not reasons and not have_changed:
        return
    known = set() if have_changed else _pools(before)
    for pool_id in sorted(_pools(made) - known):
        yield queue.ReasonsConfigured(pool_id=pool_id, reasons=tuple(reasons))


def _pools(configuration: Configuration) -> set[str]:
    return {place_of(key).pool_id for key in configuration.items} - {""}
