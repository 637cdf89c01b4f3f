"""G7: matching one contact with many agents, and one agent with many who wait, beside looking at each."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from time import perf_counter
from typing import Any

from bench.harness import Figure, Rates, Stage, compare, say
from libs.documents import canonical
from libs.events.base import Channel
from libs.events.queue import AgentConfigured, Need, QueueConfigured
from services.routing.domain.index import AgentIndex
from services.routing.domain.match import Matcher, barred
from services.routing.domain.model import Agent, Contact, Published, Queue
from services.routing.domain.rank import Ranking
from services.routing.domain.strategy.checking import examine
from services.routing.domain.urgency import in_order
from services.routing.domain.waiting import WaitingIndex

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SIZES = (100, 1_000, 10_000, 100_000)
ATTRIBUTES = 50  # of an agent: a dozen skills and 38 attributes
SKILLS = tuple(f"skill{number}" for number in range(30))
REGIONS = tuple(f"region{number}" for number in range(20))
LEAST_S = 0.2  # that a contender runs in a round, so that the clock's grain does not count

DOCUMENT = {
    "strategy_id": "bench",
    "queues": ["*"],
    "vocabulary": {
        "agent": {"region": "text", "licences": "set", "trainee": "boolean"},
        "contact": {"region": "text", "product": "text"},
    },
    "filters": [
        {"id": "licensed", "keep": "contact.product in agent.licences"},
        {"id": "near", "keep": "agent.region == contact.region or not agent.trainee"},
    ],
}


def the_queue() -> Queue:
    strategy, problems = examine(DOCUMENT)
    assert strategy is not None and not problems, problems
    config = QueueConfigured(pool_id="main", queue_id="service")
    return Queue(config, strategy=Published("bench", 1, canonical(strategy)))


def an_agent(number: int, dice: random.Random) -> Agent:
    """Return an agent of fifty attributes; half of all are free."""
    skills = {skill: dice.randint(1, 10) for skill in dice.sample(SKILLS, 12)}
    attributes: dict[str, Any] = {f"attribute{n}": float(dice.randint(0, 9)) for n in range(ATTRIBUTES - 15)}
    attributes |= {
        "region": dice.choice(REGIONS),
        "licences": tuple(dice.sample(("fund", "loan", "card", "car"), 2)),
        "trainee": dice.random() < 0.2,
    }
    config = AgentConfigured(
        pool_id="main", agent_id=f"agent{number}", skills=skills, attributes=attributes, capacity={"voice": 1}
    )
    idle = NOON - timedelta(seconds=dice.randint(0, 3600))
    is_ready = dice.random() < 0.5
    return Agent(config, signed_in=True, wants="ready" if is_ready else "not_ready", idle_since=idle)


def a_contact(number: int, dice: random.Random, channel: Channel = "voice") -> Contact:
    needs = (Need(skill=dice.choice(SKILLS[:8]), level=3), Need(skill=SKILLS[9], level=5, hard=False))
    since = NOON - timedelta(milliseconds=dice.randint(0, 600_000))
    return Contact(
        f"contact{number}",
        "s",
        "j",
        "service",
        channel,
        needs,
        dice.choice((0, 0, 0, 10)),
        since,
        since,
        attributes={"region": REGIONS[0], "product": dice.choice(("fund", "loan"))},
    )


def timed(work: Callable[[], object]) -> float:
    """Return how often a second the work is done."""
    began, times = perf_counter(), 0
    while (passed := perf_counter() - began) < LEAST_S or not times:
        work()
        times += 1
    return times / passed


async def of_agents(size: int) -> Rates:
    """Compare the choice of the best two agents for a contact: by sets, and by looking at each."""
    dice = random.Random(size)
    agents = {each.agent_id: each for each in (an_agent(number, dice) for number in range(size))}
    queue = the_queue()
    index = AgentIndex(barred)
    began = perf_counter()
    index.follow(agents)
    contacts = [a_contact(number, dice) for number in range(16)]
    turns = iter(range(1 << 60))

    def by_sets() -> list[Agent]:
        contact = contacts[next(turns) % len(contacts)]
        matcher = Matcher({"service": queue}, index, NOON)
        question = matcher.question(contact)
        ranking = Ranking(contact, queue, question.needs, index, NOON)
        return list(islice(ranking.best(matcher.able(question)), 2))

    def by_looking() -> list[Agent]:
        contact = contacts[next(turns) % len(contacts)]
        matcher = Matcher({"service": queue}, index, NOON)
        question = matcher.question(contact)
        ranking = Ranking(contact, queue, question.needs, index, NOON)
        able = (
            each
            for each in agents.values()
            if not barred(each, contact.channel) and matcher.suits(each, contact)
        )
        return sorted(able, key=ranking.of)[:2]

    for _ in contacts:
        by_sets()
    say(f"   {size:>7,} agents: index and conditions in {perf_counter() - began:.2f} s")
    return await _compared(size, by_sets, by_looking)


async def of_waiting(size: int) -> Rates:
    """Compare what a freed agent is given: by kinds, and by putting all in order and looking at each."""
    dice = random.Random(size)
    agents = [replace(an_agent(number, dice), wants="ready") for number in range(64)]
    queue = the_queue()
    queues = {"service": queue}
    contacts = {each.contact_id: each for each in (a_contact(number, dice) for number in range(size))}
    index = AgentIndex(barred)
    index.follow({each.agent_id: each for each in agents})
    waiting = WaitingIndex()
    began = perf_counter()
    waiting.follow(contacts, queues, NOON)
    say(f"   {size:>7,} waiting: index in {perf_counter() - began:.2f} s, {len(waiting.lines)} kinds")
    matcher = Matcher(queues, index, NOON)
    turns = iter(range(1 << 60))

    def by_kinds() -> Contact | None:
        return waiting.next_for(agents[next(turns) % len(agents)], matcher, NOON)

    def by_looking() -> Contact | None:
        agent = agents[next(turns) % len(agents)]
        return next(
            (each for each in in_order(contacts.values(), queues, NOON) if matcher.suits(agent, each)), None
        )

    return await _compared(size, by_kinds, by_looking)


async def _compared(size: int, ours: Callable[[], object], looking: Callable[[], object]) -> Rates:
    async def run(work: Callable[[], object]) -> float:
        return timed(work)

    rates = await compare({"ours": partial(run, ours), "looking at each": partial(run, looking)})
    rates.show()
    return rates


def growth(rates: dict[int, Rates], versus: str, target: float) -> Figure:
    """Return how many times the smallest pool's time the largest one takes, round by round."""
    small, large = (rates[size].of("ours") for size in (SIZES[0], SIZES[-1]))
    return Figure(
        "G7", versus, target, tuple(one / other for one, other in zip(small, large, strict=True)), True
    )


async def run(stage: Stage) -> list[Figure]:
    """Match by sets and by looking, at four sizes of the pool."""
    agents = {size: await of_agents(size) for size in SIZES}
    waiting = {size: await of_waiting(size) for size in SIZES}
    return [
        agents[10_000].figure("G7", "ours", "looking at each", 40),
        agents[100_000].figure("G7", "ours", "looking at each", 100),
        waiting[10_000].figure("G7", "ours", "looking at each", 40),
        waiting[100_000].figure("G7", "ours", "looking at each", 100),
        growth(agents, "100 agents (growth to 100,000)", 40),
        growth(waiting, "100 waiting (growth to 100,000)", 3),
    ]
