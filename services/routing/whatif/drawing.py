"""Draws a period from distributions: a seed gives the same contacts, whoever serves them by what strategy."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from libs.documents import canonical
from libs.events.base import Channel, Fact, Id
from libs.events.queue import (
    AgentConfigured,
    AgentSignedIn,
    AgentSignedOut,
    AgentStateRequested,
    Attributes,
    ContactQueued,
    Need,
    QueueConfigured,
    StrategyPublished,
)
from services.routing.domain.model import seconds
from services.routing.domain.strategy import checking
from services.routing.domain.strategy.document import Strategy
from services.routing.whatif.distribution import Constant, Distribution, Never
from services.routing.whatif.script import Answer, Given, Leg, Script, Visit

LONGEST_S = 31 * 86_400
Moment = Annotated[float, Field(ge=0, le=LONGEST_S)]  # seconds after the start
Rate = Annotated[float, Field(ge=0, le=1_000_000)]  # contacts an hour


class Piece(BaseModel):
    """A part of what is asked; a word that means nothing is an error, since it is mostly a misspelt one."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def sound(strategies: tuple[Strategy, ...]) -> tuple[Strategy, ...]:
    """Return the strategies. :raises ValueError: one could not be published."""
    for strategy in strategies:
        for problem in checking.problems_of(strategy):
            if problem.severity == "error":
                raise ValueError(f"strategy {strategy.strategy_id}, {problem.path}: {problem.en}")
    return strategies


Strategies = Annotated[tuple[Strategy, ...], Field(max_length=20), AfterValidator(sound)]


class Demand(Piece):
    """
    Contacts of one kind. They come as a Poisson process, in the i-th interval at the rate `per_hour[i]`, and
    after the last interval the first one comes again.
    """

    queue_id: Id
    channel: Channel = "voice"
    per_hour: Annotated[tuple[Rate, ...], Field(min_length=1, max_length=2_976)]
    interval_s: Annotated[float, Field(ge=60, le=86_400)] = 1_800
    talk: Distribution
    patience: Distribution = Never()
    answer: Distribution = Constant(value_s=0)  # from offer to acceptance
    wrap_up: Distribution = Constant(value_s=0)
    needs: Annotated[tuple[Need, ...], Field(max_length=32)] = ()
    priority: int = 0
    value: float = 0.0
    attributes: Attributes = {}


class Shift(Piece):
    """When agents are signed in and ready, in seconds after the start."""

    from_s: Moment = 0
    to_s: Moment = LONGEST_S

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if self.to_s <= self.from_s:
            raise ValueError("a shift ends after it begins")
        return self


class QueueGiven(QueueConfigured):
    """A queue of the period, configured as on the bus."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    pool_id: Id = "main"


class AgentGiven(AgentConfigured):
    """An agent of the period, configured as on the bus."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    pool_id: Id = "main"


class Staff(Piece):
    """An agent and when he is there; several alike are called `<agent_id>-1`, `<agent_id>-2` and so on."""

    agent: AgentGiven
    count: Annotated[int, Field(ge=1, le=2_000)] = 1
    shifts: Annotated[tuple[Shift, ...], Field(max_length=62)] = (Shift(),)


class Synthetic(Piece):
    """A period that is drawn; what comes in its first `warm_up_s` is not measured."""

    pool_id: Id = "main"
    start: AwareDatetime
    duration_s: Annotated[float, Field(gt=0, le=LONGEST_S)]
    warm_up_s: Moment = 0
    queues: Annotated[tuple[QueueGiven, ...], Field(min_length=1, max_length=100)]
    staff: Annotated[tuple[Staff, ...], Field(min_length=1, max_length=2_000)]
    demand: Annotated[tuple[Demand, ...], Field(min_length=1, max_length=100)]
    strategies: Strategies = ()
    back_after_s: Moment = 60.0  # an agent who did not take an offer says so late that he is ready again

    @model_validator(mode="after")
    def _is_measured(self) -> Self:
        if self.warm_up_s >= self.duration_s:
            raise ValueError("nothing is left to measure after the warm-up")
        return self


def drawn(what: Synthetic, seed: str) -> Script:
    """
    Return the period as this seed has it.

    Every kind of contact and every question about it (when, how patient, how long) has its own stream of
    chance, so that what is asked of one changes no answer about another: common random numbers, as A. Law,
    "Simulation Modeling and Analysis", 5th ed., section 11.2, advises for comparing two systems.
    """
    end = what.start + timedelta(seconds=what.duration_s)
    visits = [
        visit
        for number, demand in enumerate(what.demand)
        for visit in _visits(what, demand, f"{seed}/{number}", f"{number}-")
    ]
    return Script(
        pool_id=what.pool_id,
        begin=what.start + timedelta(seconds=what.warm_up_s),
        end=end,
        given=tuple(_given(what, end)),
        visits=tuple(sorted(visits, key=lambda each: each.at)),
        back_after_s=what.back_after_s,
    )


def _given(what: Synthetic, end: datetime) -> Iterator[Given]:
    for queue in what.queues:
        into = QueueConfigured.model_validate({**dict(queue), "pool_id": what.pool_id})
        yield Given(what.start, into)
    for number, strategy in enumerate(what.strategies, start=1):
        yield Given(what.start, published(what.pool_id, strategy, number))
    everybody = each_of(what.staff)
    for staff in everybody:
        yield Given(what.start, configured(what.pool_id, staff.agent))
    for staff in everybody:
        for shift in staff.shifts:
            for at_s, fact in presence(what.pool_id, staff.agent.agent_id, shift):
                at = what.start + seconds(at_s)
                if at < end:  # who is there at the end stays for those who still wait
                    yield Given(at, fact)


def each_of(staff: tuple[Staff, ...]) -> tuple[Staff, ...]:
    """Return the agents one by one, each under an id of his own."""
    return tuple(
        each if each.count == 1 else _named(each, f"{each.agent.agent_id}-{number}")
        for each in staff
        for number in range(1, each.count + 1)
    )


def _named(staff: Staff, agent_id: str) -> Staff:
    return Staff(agent=staff.agent.model_copy(update={"agent_id": agent_id}), shifts=staff.shifts)


def configured(pool_id: str, agent: AgentGiven) -> AgentConfigured:
    """Return the fact that the agent was configured, as the bus has it."""
    return AgentConfigured.model_validate({**dict(agent), "pool_id": pool_id})


def published(pool_id: str, strategy: Strategy, version: int) -> StrategyPublished:
    """Return the fact that a version of a strategy came into force."""
    return StrategyPublished(
        pool_id=pool_id, strategy_id=strategy.strategy_id, version=version, document=canonical(strategy)
    )


def presence(pool_id: str, agent_id: str, shift: Shift) -> Iterator[tuple[float, Fact]]:
    yield shift.from_s, AgentSignedIn(pool_id=pool_id, agent_id=agent_id)
    yield shift.from_s, AgentStateRequested(pool_id=pool_id, agent_id=agent_id, state="ready")
    yield shift.to_s, AgentSignedOut(pool_id=pool_id, agent_id=agent_id)


def _visits(what: Synthetic, demand: Demand, seed: str, prefix: str) -> Iterator[Visit]:
    patience, talk, answer, wrap_up = (
        Random(f"{seed}/{name}") for name in ("patience", "talk", "answer", "wrap_up")
    )
    arrivals = _arrivals(demand, what.duration_s, Random(f"{seed}/arrivals"))
    for number, at_s in enumerate(arrivals, start=1):
        contact_id = f"{prefix}{number}"
        queued = ContactQueued(
            pool_id=what.pool_id,
            contact_id=contact_id,
            session_id=contact_id,
            queue_id=demand.queue_id,
            channel=demand.channel,
            needs=demand.needs,
            priority=demand.priority,
            value=demand.value,
            attributes=demand.attributes,
        )
        leg = Leg(
            talk_s=demand.talk.draw(talk),
            patience_s=demand.patience.draw(patience),
            wrap_up_s=demand.wrap_up.draw(wrap_up),
        )
        answers = Answer("accepts", demand.answer.draw(answer))
        yield Visit(what.start + seconds(at_s), queued, (leg,), answers)


def _arrivals(demand: Demand, duration_s: float, chance: Random) -> Iterator[float]:
    """Yield when contacts come. At an edge of an interval the draw begins anew, which such gaps allow."""
    start_s, interval = 0.0, 0
    while start_s < duration_s:
        end_s = min(start_s + demand.interval_s, duration_s)
        per_s = demand.per_hour[interval % len(demand.per_hour)] / 3600
        at_s = start_s + chance.expovariate(per_s) if per_s else end_s
        while at_s < end_s:
            yield at_s
            at_s += chance.expovariate(per_s)
        start_s, interval = end_s, interval + 1
