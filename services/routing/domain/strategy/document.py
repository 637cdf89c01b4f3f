"""A strategy as its author writes it; all that is left out is as routing does it without a strategy."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from libs.events.base import Id, OptionalId, Short
from libs.hours import Calendar
from services.routing.domain.expression import Kind
from services.routing.domain.expression.reading import LONGEST

EVERY_QUEUE = "*"

PieceId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)]
Texts = dict[
    Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{2,16}$")], Annotated[str, Field(max_length=400)]
]
Seconds = Annotated[float, Field(ge=0, le=30 * 86_400)]
Points = Annotated[float, Field(ge=-10_000, le=10_000)]

Rule = Literal[
    "best_score", "least_loaded", "longest_idle", "fewest_skills", "least_occupied", "round_robin", "random"
]
Goal = Literal["skills", "service", "sales", "own"]

# What each goal maximises; `own` is written by the author.
SKILLS = "soft_needs"
GOALS: dict[Goal, str] = {
    "skills": SKILLS,
    "service": "soft_needs + 5 * portrait.fcr + portrait.csat + portrait.nps / 2",
    "sales": "soft_needs + 10 * portrait.conversion * max(1, contact.value)",
}


class _Piece(BaseModel):
    """A part of a strategy; a word that means nothing is an error, since it is mostly a misspelt one."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Vocabulary(_Piece):
    """The attributes, with their kinds, that expressions call `agent.<word>` and `contact.<word>`."""

    agent: Annotated[dict[Word, Kind], Field(max_length=100)] = {}
    contact: Annotated[dict[Word, Kind], Field(max_length=100)] = {}


class Filter(_Piece):
    """Excludes the agents for whom `keep` does not hold."""

    id: PieceId
    keep: Expression
    name: Texts = {}


class Ring(_Piece):
    """
    What is asked of agents once a contact has waited for `after_s`, until the next ring takes its place.

    Hard needs are lowered by `levels_less`, never below 1; those of the skills in `waive` exclude nobody.
    """

    after_s: Seconds = 0
    filters: Annotated[tuple[Filter, ...], Field(max_length=20)] = ()
    levels_less: Annotated[int, Field(ge=0, le=9)] = 0
    waive: Annotated[tuple[Id, ...], Field(max_length=32)] = ()


class Step(_Piece):
    after_s: Seconds
    add: Points


class Priority(_Piece):
    """
    Who goes first: `base`, and what is added for every minute of age, at steps of age, and near the deadline.
    """

    base: Expression = "queue.priority + contact.priority"
    per_minute: Expression = "queue.priority_per_minute"
    steps: Annotated[tuple[Step, ...], Field(max_length=20)] = ()
    deadline_within_s: Seconds = 0
    deadline_adds: Points = 0


class Select(_Piece):
    """
    Which of the able agents: by the first rule in which they differ, and last by their ids.

    Contacts that come within `together_s` are matched together, for the best sum of their scores. `score`
    belongs to the goal "own"; `fairness` is taken off the score of an agent who has been busy all the
    time since he signed in, and in proportion of the others. `seed` belongs to the rule "random".
    """

    goal: Goal = "skills"
    score: Expression | None = None
    fairness: Annotated[float, Field(ge=0, le=10_000)] = 0
    order: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=7)] = (
        "best_score",
        "least_loaded",
        "longest_idle",
        "fewest_skills",
    )
    seed: Annotated[str, Field(max_length=64)] = ""
    preferred_first: bool = True
    together_s: Annotated[float, Field(ge=0, le=60)] = 0


class Reserve(_Piece):
    """
    Keeps agents free for certain contacts: of the agents for whom `agents` holds, `keep_free` stay free
    unless `contacts` holds of the contact, or it has waited for `until_s`.
    """

    id: PieceId
    agents: Expression
    contacts: Expression
    keep_free: Annotated[int, Field(ge=1, le=10_000)]
    until_s: Annotated[float, Field(gt=0, le=86_400)] = 300


class Elsewhere(_Piece):
    """Where a contact goes that a queue does not take: to another queue, or away with what it is offered."""

    to: OptionalId = ""
    instead: Literal["", "voicemail", "callback"] = ""


class Overflow(_Piece):
    """Sends contacts that have waited for `after_s` to a queue or past agents, if `when` holds of them."""

    after_s: Annotated[float, Field(gt=0, le=30 * 86_400)]
    to: OptionalId = ""
    instead: Literal["", "voicemail", "callback"] = ""
    when: Expression = "True"


class Announcement(_Piece):
    """
    What is said to who waits: once he has waited for `after_s`, then every `every_s`, `at_most` times.

    With 0 it is said while he waits; only if `when` holds of the contact. Of two of one kind at one moment
    the first that stands here is said. `say` has texts by language; those of a place or an estimate may hold
    {{ position }} and {{ minutes }}.
    """

    id: PieceId
    kind: Literal["comfort", "position", "estimated_wait"] = "comfort"
    after_s: Seconds = 0
    every_s: Annotated[float, Field(ge=5, le=86_400)] | None = None
    at_most: Annotated[int, Field(ge=0, le=1000)] = 0
    when: Expression = "True"
    say: Texts = {}
    media_url: Short = ""


class Limits(_Piece):
    """Who is not taken in: beyond `max_waiting` (0: the queue's own limit), and when nobody is there."""

    max_waiting: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    full: Elsewhere = Elsewhere()
    nobody: Elsewhere | None = None


class Hours(_Piece):
    """When the queue takes contacts, and where they go otherwise."""

    calendar: Calendar
    closed: Elsewhere = Elsewhere()
    holiday: Elsewhere | None = None  # None: as when closed


class Learning(_Piece):
    """
    What portraits are learned from: the wrap-up codes that mean resolved and sold.

    An agent's mean over n contacts counts n / (n + `shrink`), the mean of all agents the rest.
    """

    resolved: Annotated[tuple[Id, ...], Field(max_length=50)] = ("resolved",)
    converted: Annotated[tuple[Id, ...], Field(max_length=50)] = ("sold",)
    shrink: Annotated[float, Field(ge=0, le=1000)] = 20


class Strategy(_Piece):
    """How the contacts of some queues of a pool find their agents."""

    strategy_id: Id
    pool_id: Id = "main"
    queues: Annotated[tuple[Id | Literal["*"], ...], Field(max_length=500)] = ()
    name: Texts = {}
    vocabulary: Vocabulary = Vocabulary()
    filters: Annotated[tuple[Filter, ...], Field(max_length=50)] = ()
    rings: Annotated[tuple[Ring, ...], Field(max_length=20)] = ()
    priority: Priority = Priority()
    select: Select = Select()
    reserve: Annotated[tuple[Reserve, ...], Field(max_length=10)] = ()
    overflow: Annotated[tuple[Overflow, ...], Field(max_length=20)] = ()
    announcements: Annotated[tuple[Announcement, ...], Field(max_length=20)] = ()
    limits: Limits = Limits()
    hours: Hours | None = None
    learning: Learning = Learning()


DEFAULT = Strategy(strategy_id="default", queues=(EVERY_QUEUE,))
