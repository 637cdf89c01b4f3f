"""A strategy with its expressions read: what the engine works with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from libs.documents import Problem
from services.routing.domain.expression import BOOLEAN, NUMBER, BadExpression, Kind, Node, read
from services.routing.domain.expression import Literal as Constant
from services.routing.domain.strategy.document import DEFAULT, GOALS, SKILLS, Filter, Priority, Strategy
from services.routing.domain.strategy.names import About, Names

NEVER = Constant(False, BOOLEAN)  # stands for what could not be read: such a strategy is not published


class Sieve(NamedTuple):
    """A filter: keeps the agents for whom `node` holds."""

    id: str
    node: Node
    text: str


class Stage(NamedTuple):
    """What is asked of agents while a contact has waited for at least `after_s`."""

    after_s: float
    sieves: tuple[Sieve, ...]
    levels_less: int = 0
    waive: frozenset[str] = frozenset()


class Reserved(NamedTuple):
    """Agents of whom some stay free, except for contacts of whom `contacts` holds."""

    id: str
    agents: Node
    contacts: Node
    keep_free: int
    until_s: float


class Exit(NamedTuple):
    after_s: float
    to: str
    instead: Literal["", "voicemail", "callback"]
    when: Node


class Announced(NamedTuple):
    """An announcement with its condition read."""

    id: str
    kind: Literal["comfort", "position", "estimated_wait"]
    after_s: float
    every_s: float
    at_most: int
    when: Node
    say: Mapping[str, str]
    media_url: str


@dataclass(frozen=True, slots=True)
class Rules:
    """
    A strategy ready to be followed. `stages` begin with what holds from the first moment; each replaces the
    one before it. `moments` are the waits, in seconds, at which something is relaxed.
    """

    strategy: Strategy
    stages: tuple[Stage, ...]
    base: Node
    per_minute: Node
    score: Node
    score_text: str
    reserved: tuple[Reserved, ...]
    exits: tuple[Exit, ...]
    moments: tuple[float, ...]
    announced: tuple[Announced, ...]
    ages_plainly: bool  # priority and ageing are as without a strategy
    scores_skills: bool  # the score is what soft needs give, nothing else

    def stage(self, waited_s: float) -> int:
        """Return which stage a wait has come to."""
        if len(self.stages) == 1:
            return 0
        return max((place for place, each in enumerate(self.stages) if each.after_s <= waited_s), default=0)

    def next_moment(self, waited_s: float) -> float | None:
        """Return the wait at which more is relaxed, None when nothing is left to relax."""
        return next((moment for moment in self.moments if moment > waited_s), None)


@lru_cache(maxsize=256)
def rules_of(document: str) -> Rules:
    """Return the rules of a published document, those of the default strategy for none."""
    strategy = Strategy.model_validate_json(document) if document else DEFAULT
    rules, problems = compiled(strategy)
    assert not problems, problems
    return rules


def compiled(strategy: Strategy) -> tuple[Rules, list[Problem]]:
    """Return the rules of a strategy, and what is wrong with its expressions."""
    reading = _Reading(strategy)
    rules = reading.rules()
    return rules, reading.problems


class _Reading:
    def __init__(self, strategy: Strategy) -> None:
        self.problems: list[Problem] = []
        self._strategy = strategy
        self._suits = Names(strategy.vocabulary, About.AGENT | About.CONTACT)
        self._agent = Names(strategy.vocabulary, About.AGENT)
        self._contact = Names(strategy.vocabulary, About.CONTACT)
        self._all = Names(strategy.vocabulary, About.AGENT | About.CONTACT | About.MOMENT)

    def rules(self) -> Rules:
        strategy, select = self._strategy, self._strategy.select
        priority = strategy.priority
        score = select.score or GOALS.get(select.goal, SKILLS)
        if select.fairness:
            score = f"({score}) - {select.fairness!r} * agent.occupancy"
        reserved = tuple(
            Reserved(
                each.id,
                self._read(f"reserve.{place}.agents", each.agents, self._agent),
                self._read(f"reserve.{place}.contacts", each.contacts, self._contact),
                each.keep_free,
                round(each.until_s, 3),
            )
            for place, each in enumerate(strategy.reserve)
        )
        exits = tuple(
            Exit(
                each.after_s,
                each.to,
                each.instead,
                self._read(f"overflow.{place}.when", each.when, self._contact),
            )
            for place, each in enumerate(strategy.overflow)
        )
        stages = tuple(self._stages())
        moments = {each.after_s for each in stages} | {each.until_s for each in reserved}
        return Rules(
            strategy,
            stages,
            self._read("priority.base", priority.base, self._contact, NUMBER),
            self._read("priority.per_minute", priority.per_minute, self._contact, NUMBER),
            self._read("select.score", score, self._all, NUMBER),
            score,
            reserved,
            tuple(sorted(exits, key=lambda each: each.after_s)),
            tuple(sorted(moments - {0})),
            tuple(self._announced()),
            ages_plainly=priority == Priority(),
            scores_skills=score == SKILLS,
        )

    def _stages(self) -> Iterator[Stage]:
        strategy = self._strategy
        always = tuple(self._sieves("filters", strategy.filters))
        if not strategy.rings or strategy.rings[0].after_s > 0:
            yield Stage(0, always)
        for place, ring in enumerate(strategy.rings):
            own = tuple(self._sieves(f"rings.{place}.filters", ring.filters))
            yield Stage(round(ring.after_s, 3), (*always, *own), ring.levels_less, frozenset(ring.waive))

    def _announced(self) -> Iterator[Announced]:
        for place, each in enumerate(self._strategy.announcements):
            when = self._read(f"announcements.{place}.when", each.when, self._contact)
            yield Announced(
                each.id,
                each.kind,
                round(each.after_s, 3),
                round(each.every_s or 0, 3),
                each.at_most,
                when,
                each.say,
                each.media_url,
            )

    def _sieves(self, path: str, filters: tuple[Filter, ...]) -> Iterator[Sieve]:
        for place, each in enumerate(filters):
            yield Sieve(each.id, self._read(f"{path}.{place}.keep", each.keep, self._suits), each.keep)

    def _read(self, path: str, text: str, names: Names, wanted: Kind = BOOLEAN) -> Node:
        try:
            return read(text, names, wanted)
        except BadExpression as error:
            self.problems.append(Problem(path, error.en, error.zh))
            return NEVER
