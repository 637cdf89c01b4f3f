"""The things that can be configured, one by one: their keys, and what stands in a file about each."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple, TypeAlias

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from libs.documents import Problem
from libs.events.base import Id, Part, Short
from libs.events.queue import AgentConfigured, QueueConfigured, Schedule, Shift
from libs.hours import Calendar
from services.routing.domain import calendars

MOST_PROBLEMS = 20
# In the order of a file: what is named stands before what names it.
SECTIONS = ("skills", "calendars", "reasons", "queues", "agents")
IN_POOLS = frozenset({"queues", "agents"})
ID: TypeAdapter[str] = TypeAdapter(Id)
# Maps whose order says nothing; those of agents.
_UNORDERED = ("skills", "capacity", "attributes", "interrupts")


class Named(Part):
    """A skill, or a reason for not being ready, as people read it."""

    name: Short = ""
    name_zh: Short = ""


class _QueueBounds(BaseModel):
    """How far administrators may go, who are kept from more than facts are."""

    priority: Annotated[int, Field(ge=-1000, le=1000)]
    priority_per_minute: Annotated[float, Field(le=1000)]
    service_level_s: Annotated[float, Field(le=86_400)]
    max_waiting: Annotated[int, Field(le=1_000_000)]
    max_wait_s: Annotated[float, Field(le=86_400)]


class _AgentBounds(BaseModel):
    skills: Annotated[dict[str, int], Field(max_length=200)]


Item: TypeAlias = Named | Calendar | QueueConfigured | AgentConfigured


class Place(NamedTuple):
    """Names an item; its text is its key: `skills/zh`, `queues/main/service`."""

    section: str
    pool_id: str  # "" outside pools
    item_id: str

    @property
    def key(self) -> str:
        return "/".join(filter(None, self))

    @property
    def group(self) -> str:
        """Return what a file has or has not as a whole: a section, or that of a pool."""
        return "/".join(filter(None, self[:2]))

    @property
    def path(self) -> tuple[str, ...]:
        """Return where a file has it."""
        return (
            ("pools", self.pool_id, self.section, self.item_id)
            if self.pool_id
            else (self.section, self.item_id)
        )

    @property
    def order(self) -> tuple[int, str, str]:
        return SECTIONS.index(self.section), self.pool_id, self.item_id


def place_of(key: str) -> Place:
    section, _, rest = key.partition("/")
    pool_id, _, item_id = rest.rpartition("/")
    return Place(section, pool_id, item_id)


class Wrong(Exception):
    """An item that is none; `problems` have paths within it."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(f"{each.path}: {each.en}" for each in problems))
        self.problems = problems[:MOST_PROBLEMS]


def read(place: Place, document: object) -> Item:
    """Return the item of a document. :raises Wrong: it does not say one, or more than one can say."""
    if not isinstance(document, dict):
        raise Wrong(Problem("", "must be a map", "必须是映射"))
    with _as_wrong():
        for name in filter(None, place[1:]):
            ID.validate_python(name)
        item = _model(place, document)
    unknown = [_not_known(*path) for path in _unknown(document, plain(item, whole=True))]
    if unknown:
        raise Wrong(*unknown)
    return item


@contextmanager
def _as_wrong(*path: str) -> Iterator[None]:
    """Turn what a model says of a document into Wrong, the document being at this path."""
    try:
        yield
    except ValidationError as error:
        raise Wrong(
            *(
                Problem(".".join(map(str, (*path, *each["loc"]))), each["msg"], f"字段有误：{each['type']}")
                for each in error.errors(include_input=False, include_url=False)
            )
        ) from None


def _not_known(*path: object) -> Problem:
    return Problem(".".join(map(str, path)), "is not known here", "未知字段")


def _model(place: Place, document: dict[str, Any]) -> Item:
    match place.section:
        case "calendars":
            calendar = Calendar.model_validate(document)
            _fitting(calendar)
            return calendar
        case "queues":
            own = {"pool_id": place.pool_id, "queue_id": place.item_id}
            queue = QueueConfigured.model_validate({**document, **own})
            _QueueBounds.model_validate(queue.model_dump())
            return queue
        case "agents":
            own = {"pool_id": place.pool_id, "agent_id": place.item_id}
            works = _works(document.get("schedule", {}))
            agent = AgentConfigured.model_validate({**document, **works, **own})
            _AgentBounds.model_validate(agent.model_dump(include={"skills"}))
            return agent
    return Named.model_validate(document)


def _works(schedule: object) -> dict[str, object]:
    """Return the fields of an agent that say when he works: a calendar by its name, or one of his own."""
    match schedule:
        case str():
            return {"calendar": schedule, "schedule": Schedule()}
        case {"weekly": _}:
            with _as_wrong("schedule"):
                return {"calendar": "", "schedule": _fitting(Calendar.model_validate(schedule), "schedule")}
        case {**fields}:  # as facts and `PUT /v1/agents/{agent_id}` have it
            shifts = fields.get("shifts", ())
            given: list[tuple[str, ...]] = [
                ("schedule", str(name)) for name in fields.keys() - Schedule.model_fields.keys()
            ]
            if isinstance(shifts, list | tuple):
                given += [
                    ("schedule", "shifts", str(name))
                    for each in shifts
                    if isinstance(each, dict)
                    for name in each.keys() - Shift.model_fields.keys()
                ]
            if given:
                raise Wrong(*(_not_known(*path) for path in sorted(given)))
    return {"calendar": "", "schedule": schedule}


def _fitting(calendar: Calendar, *path: str) -> Schedule:
    """Return the schedule of a calendar. :raises Wrong: it has more than an agent can be told."""
    with _as_wrong(*path):
        try:
            return calendars.schedule_of(calendar)
        except ValidationError:
            raise
        except ValueError as error:
            raise Wrong(Problem(".".join(path), str(error), "日历有误")) from None


def plain(item: Item, *, whole: bool = False) -> dict[str, Any]:
    """Return what stands in a file about an item; `whole`: with what stands at its default too."""
    if isinstance(item, Calendar):
        return ({"holidays": []} if whole else {}) | calendars.plain_of(item)
    found = item.model_dump(
        mode="json",
        exclude_defaults=not whole,
        exclude={"pool_id", "queue_id", "agent_id", "calendar", "schedule"},
    )
    for name in _UNORDERED:
        if name in found:
            found[name] = dict(sorted(found[name].items()))
    if isinstance(item, AgentConfigured):
        if item.calendar:
            found["schedule"] = item.calendar
        elif item.schedule.shifts:
            found["schedule"] = calendars.plain_of(calendars.calendar_of(item.schedule))
        elif whole:
            found["schedule"] = {}
    return found


def text_of(item: Item) -> str:
    """Return an item as it is kept: JSON, the same text for the same item."""
    return json.dumps(plain(item), ensure_ascii=False)


def kept(key: str, text: str) -> Item:
    """Return an item from the text that `text_of` made of it."""
    return read(place_of(key), json.loads(text))


def of_pool(configured: QueueConfigured | AgentConfigured) -> tuple[str, str]:
    """Return key and text of what a pool has been told so far."""
    if isinstance(configured, QueueConfigured):
        return Place("queues", configured.pool_id, configured.queue_id).key, text_of(configured)
    return Place("agents", configured.pool_id, configured.agent_id).key, text_of(configured)


def _unknown(given: object, known: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of names that were given but that the item, written down again, does not have."""
    if isinstance(given, Mapping) and isinstance(known, Mapping):
        for name, value in given.items():
            if str(name) in known:
                yield from _unknown(value, known[str(name)], (*path, str(name)))
            elif not (path[-1:] == ("schedule",) or path[-1:] == ("weekly",)):
                yield (*path, str(name))
    elif isinstance(given, list | tuple) and isinstance(known, list):
        for place, (one, other) in enumerate(zip(given, known, strict=False)):
            yield from _unknown(one, other, (*path, str(place)))
