"""Fits what people do from traces: how long they talk, wait, ring and wrap up, by queue and channel."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from random import Random

from services.routing.domain.model import DEFAULT_HANDLING_MS
from services.routing.whatif.tracing import SeenLeg, Span, Trace

Kind = tuple[str, str]  # queue and channel
EVERY: Kind = ("", "")


@dataclass(slots=True)
class Habits:
    """
    What was seen of one kind of contact.

    Times of talk, ringing and wrap-up are drawn from those seen. Patience is taken for exponential, its mean
    estimated from waits that mostly end by an answer: all waiting / those who left (maximum likelihood of
    censored exponential times; L. Brown et al., "Statistical Analysis of a Telephone Call Center", JASA 100,
    2005).
    """

    talks_s: list[float] = field(default_factory=list)
    rings_s: list[float] = field(default_factory=list)
    wrap_ups_s: list[float | None] = field(default_factory=list)
    waited_s: float = 0.0
    left: int = 0

    @property
    def patience_s(self) -> float:
        """Return the mean patience; infinite where nobody was seen to leave."""
        return self.waited_s / self.left if self.left else inf

    def see(self, leg: SeenLeg) -> None:
        self.waited_s += leg.patience.s
        self.left += leg.patience.known
        if leg.talk.known:
            self.talks_s.append(leg.talk.s)
        if leg.wrap_up is None or leg.wrap_up.known:
            self.wrap_ups_s.append(leg.wrap_up.s if leg.wrap_up else None)


class Fitted:
    """The habits of every kind, and of all together for kinds of which too little was seen."""

    def __init__(self, traces: Iterable[Trace]) -> None:
        self._kinds: dict[Kind, Habits] = {EVERY: Habits()}
        for trace in traces:
            for leg in trace.legs:
                for kind in ((leg.queue_id, leg.channel), EVERY):
                    self._kinds.setdefault(kind, Habits()).see(leg)
            kind = (trace.legs[0].queue_id, trace.legs[0].channel) if trace.legs else EVERY
            for answers in trace.answers.values():
                rings = [each.after.s for each in answers if each.act == "accepts"]
                for each in (kind, EVERY):
                    self._kinds[each].rings_s += rings

    def patience_s(self, kind: Kind, seen: Span, chance: Random) -> float:
        """Return how long one would wait: as seen, or longer than was seen, for patience has no memory."""
        if seen.known:
            return seen.s
        mean_s = self._habits(kind, lambda habits: habits.left).patience_s
        return inf if mean_s == inf else seen.s + (chance.expovariate(1 / mean_s) if mean_s else 0.0)

    def talk_s(self, kind: Kind, seen: Span, chance: Random) -> float:
        times = self._habits(kind, lambda habits: len(habits.talks_s)).talks_s
        return _beyond(times or [DEFAULT_HANDLING_MS / 1000], seen, chance)

    def ring_s(self, kind: Kind, seen: Span, chance: Random) -> float:
        return _beyond(self._habits(kind, lambda habits: len(habits.rings_s)).rings_s or [0.0], seen, chance)

    def wrap_up_s(self, kind: Kind, seen: Span | None, chance: Random) -> float | None:
        """Return the wrap-up, None for one that runs out."""
        if seen is None or seen.known:
            return seen.s if seen else None
        return chance.choice(self._habits(kind, lambda habits: len(habits.wrap_ups_s)).wrap_ups_s or [None])

    def _habits(self, kind: Kind, seen: Callable[[Habits], int]) -> Habits:
        own = self._kinds.get(kind)
        return own if own is not None and seen(own) else self._kinds[EVERY]


def _beyond(times_s: list[float], seen: Span, chance: Random) -> float:
    """Return the time as seen, else one of those that are longer than what was seen of it."""
    if seen.known:
        return seen.s
    longer = [each for each in times_s if each > seen.s]
    return chance.choice(longer) if longer else seen.s + chance.choice(times_s)
