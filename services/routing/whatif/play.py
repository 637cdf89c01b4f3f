"""Plays a script: the real engine decides, people act on what it tells, under a virtual clock."""

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

from libs.events import queue
from libs.events.base import AnyEvent, Event, Fact, Facts, Tick
from services.routing.domain.decide import decide
from services.routing.domain.model import Pool, due, seconds
from services.routing.whatif.people import Act, People, Score
from services.routing.whatif.script import Script
from services.routing.whatif.story import Told

TENANT = "what-if"
DRAIN = timedelta(hours=4)  # for contacts to end after the last that is measured has come
MOST_EVENTS = 10_000_000
Watch = Callable[[AnyEvent, datetime, Facts], None]


class TooMany(Exception):
    """The period needs more events than allowed."""


class Play:
    """
    One run of one script, beginning from `pool`.

    `watch` is told every event that was decided, when, and the facts that followed; `score` says how well an
    offer serves the goal that is compared. Ticks come when they are due, with `beat` at its next stroke.
    """

    def __init__(
        self,
        script: Script,
        *,
        pool: Pool | None = None,
        score: Score | None = None,
        watch: Watch | None = None,
        most_events: int = MOST_EVENTS,
        beat: timedelta | None = None,
    ) -> None:
        self.pool = pool or Pool(script.pool_id)
        self._script = script
        self._watch = watch
        self._left = most_events
        self._beat = beat
        self._numbers = count(1)
        self._later: list[tuple[datetime, int, Act]] = []
        self._people = People(script, self.pool, score)

    def run(self) -> Told:
        """
        Play until all contacts are over, or until four hours after the last measured one may come.

        :raises TooMany: more than `most_events` events.
        """
        script = self._script
        known = [(each.at, each.order, Act(0, each.data, "")) for each in script.given]
        known += [
            (each.at, each.order, Act(0, each.queued, "", event_time=each.queued_at))
            for each in script.visits
        ]
        for at, _, act in sorted(known, key=lambda each: each[:2]):
            self._plan(at, act)
        now, stop = script.begin, script.end + DRAIN
        while (moment := self._next_moment()) is not None and moment <= stop:
            now = moment
            self._let_time_pass(now)
            while self._later and self._later[0][0] == now:
                self._act(heapq.heappop(self._later)[2], now)
            if now >= script.end and not self._people.expected and not self.pool.contacts:
                break
        return self._people.told(max(now, script.end))

    def _next_moment(self) -> datetime | None:
        """Return when somebody next acts, or time itself changes something; None when all is over."""
        acts, passes = (self._later[0][0] if self._later else None), self._next_tick()
        return min((each for each in (acts, passes) if each is not None), default=None)

    def _next_tick(self) -> datetime | None:
        moment = due(self.pool)
        if moment is None or self._beat is None:
            return moment
        return moment + -(moment - self._script.begin) % self._beat

    def _act(self, act: Act, now: datetime) -> None:
        if isinstance(act.data, queue.ContactQueued):
            self._people.comes(act.data, now)
        if self._people.still_means(act, self.pool):
            self._decide(act.data, now, act.event_time)

    def _plan(self, at: datetime, act: Act) -> None:
        heapq.heappush(self._later, (at, next(self._numbers), act))

    def _let_time_pass(self, until: datetime) -> None:
        """Bring the pool the ticks that the service would bring it, each at its moment."""
        while (moment := self._next_tick()) is not None and moment <= until:
            before = self.pool
            self._decide(Tick(of=before.pool_id), moment)
            assert self.pool is not before, "a deadline came and nothing came of it"

    def _decide(self, data: Fact, now: datetime, event_time: datetime | None = None) -> None:
        if self._left <= 0:
            raise TooMany("the period needs more events than allowed")
        self._left -= 1
        before = self.pool
        event_id = f"{before.pool_id}-{next(self._numbers)}"
        event = Event(event_id, TENANT, event_time or now, data, _journey_of(data))
        self.pool, facts = decide(before, event, now)
        if self._watch is not None:
            self._watch(event, now, facts)
        for fact in facts:
            for act in self._people.react(fact.data, now, before, self.pool):
                self._plan(now + seconds(act.after_s), act)


def _journey_of(data: Fact) -> str:
    return getattr(data, "contact_id", "") or getattr(data, "agent_id", "") or "pool"
