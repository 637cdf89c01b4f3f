"""The engine gives what plain looking would give, and nobody waits for nothing."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from libs.events import queue
from services.routing.domain import bits
from services.routing.domain.index import AgentIndex
from services.routing.domain.match import Matcher, barred
from services.routing.domain.model import Agent, Contact, Held, Published, Queue
from services.routing.domain.rank import FEW, Ranking
from services.routing.domain.strategy.document import Rule
from services.routing.tests import cases
from services.routing.tests.cases import NINE, POOL, Floor, at, hard, soft
from services.routing.tests.test_explaining import RULES
from services.routing.tests.test_properties import PoolMachine

DOCUMENTS: tuple[dict[str, Any], ...] = (
    {},
    {"rings": [{"after_s": 10, "levels_less": 3}, {"after_s": 30, "waive": ["zh", "card"]}]},
    {"filters": [{"id": "known", "keep": "contact.vip_level > 0 or agent.level['card'] > 2"}]},
    {
        "reserve": [
            {
                "id": "versatile",
                "agents": 'size(both(agent.skills, ["zh", "card"])) == 2',
                "contacts": "contact.vip_level > 1",
                "keep_free": 1,
                "until_s": 40,
            }
        ],
        "select": {"order": ["round_robin", "least_occupied"]},
    },
    {"overflow": [{"after_s": 12, "to": "vip", "when": "contact.vip_level == 1"}], "priority": {"base": "0"}},
    {"select": {"together_s": 5}},
    {"hours": {"calendar": {"time_zone": "UTC", "weekly": {0: [{"start": "09:00", "end": "09:01"}]}}}},
)


class StrategyMachine(PoolMachine):
    """A pool under random requests that is also given one strategy after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 0

    @rule(document=st.sampled_from(DOCUMENTS), queues=st.sampled_from((["*"], ["service"], ["vip", "sales"])))
    def publish(self, document: dict[str, Any], queues: list[str]) -> None:
        self.version += 1
        self.tell(cases.strategy(self.version, **{**document, "queues": queues}))

    def could_serve(self, someone: Agent, contact: Contact) -> bool:
        pool = self.floor.pool
        matcher = Matcher(pool.queues, fresh(pool.agents), pool.at)
        return not list(matcher.obstacles(someone, matcher.question(contact)))

    @invariant()
    def the_index_is_in_step(self) -> None:
        if self.floor.pool.index is None or not self.floor.pool.index.agents.mirrors:
            return
        index = self.floor.pool.index.agents
        index.follow(self.floor.pool.agents)
        anew = fresh(self.floor.pool.agents)
        for what in ("signed_in", "free", "by_load", "by_skills", "idle", "offered", "wrapping", "slot_of"):
            mine, its = getattr(index, what), getattr(anew, what)
            if what == "free":  # a channel without anybody may stand there or not
                mine, its = ({key: value for key, value in each.items() if value} for each in (mine, its))
            assert mine == its, what
        for node in list(index._conditions):
            assert index.where(node) == anew.where(node)

    @invariant()
    def sets_say_what_looking_at_each_agent_says(self) -> None:
        pool = self.floor.pool
        matcher = Matcher(pool.queues, fresh(pool.agents), pool.at)
        for contact in pool.contacts.values():
            if contact.state != "waiting":
                continue
            question = matcher.question(contact)
            able = {matcher._index.agents[slot].agent_id for slot in bits.slots_in(matcher.able(question))}
            free_of_obstacles = {
                each.agent_id for each in pool.agents.values() if not list(matcher.obstacles(each, question))
            }
            assert able == free_of_obstacles
            assert able == {
                each.agent_id
                for each in pool.agents.values()
                if matcher.suits(each, contact) and not barred(each, contact.channel)
            }


def fresh(agents: Any) -> AgentIndex:
    index = AgentIndex(barred)
    index.follow(agents)
    return index


StrategyMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestStrategies = StrategyMachine.TestCase


# --- the order of selection

people = st.fixed_dictionaries(
    {
        "skills": st.dictionaries(st.sampled_from(("zh", "en", "card", "fund")), st.integers(1, 5)),
        "load": st.integers(0, 2),
        "idle": st.integers(0, 4),
        "offered": st.integers(0, 4),
        "busy": st.integers(0, 2),
        "capacity": st.integers(1, 3),
    }
)


def crowd(some: list[dict[str, Any]]) -> dict[str, Agent]:
    """Return agents who all are ready for chats, many of them alike."""
    return {f"a{place:03}": person(f"a{place:03}", **each) for place, each in enumerate(some)}


def person(
    agent_id: str, skills: dict[str, int], load: int, idle: int, offered: int, busy: int, capacity: int
) -> Agent:
    config = queue.AgentConfigured(
        pool_id=POOL, agent_id=agent_id, skills=skills, capacity={"chat": capacity}
    )
    holds = {
        f"{agent_id}-{number}": Held(f"{agent_id}-{number}", "s", "j", "service", "chat", "assigned", NINE)
        for number in range(min(load, capacity - 1))
    }
    return Agent(
        config,
        signed_in=True,
        wants="ready",
        holds=holds,
        idle_since=at(idle),
        offered_at=at(offered),
        busy_ms=busy * 1000,
        free_ms=3000,
    )


def ranking_of(agents: dict[str, Agent], contact: Contact, **select: Any) -> tuple[Ranking, int]:
    """Return the ranking of agents for a contact, and the set of those who are able."""
    fact = cases.strategy(select=select)
    assert isinstance(fact, queue.StrategyPublished)
    config = cases.service()
    assert isinstance(config, queue.QueueConfigured)
    into = Queue(config, strategy=Published("gold", 1, fact.document))
    index = fresh(agents)
    matcher = Matcher({"service": into}, index, at(60))
    question = matcher.question(contact)
    return Ranking(contact, into, question.needs, index, at(60)), matcher.able(question)


def waiting(*needs: queue.Need) -> Contact:
    return Contact("c", "s", "j", "service", "chat", needs, 0, NINE, NINE)


needed = st.lists(
    st.sampled_from(
        (hard("zh", 2), soft("zh", 4, 2), soft("en", 2, 2), soft("card", 3, 1), soft("fund", 2, 0))
    ),
    max_size=4,
    unique_by=lambda need: (need.skill, need.hard),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(people, min_size=FEW + 1, max_size=3 * FEW),
    needed,
    st.lists(st.sampled_from(RULES), min_size=1, max_size=4, unique=True),
    st.sampled_from(({}, {"goal": "own", "score": "agent.level['zh'] + agent.load"}, {"fairness": 2})),
)
def test_it_finds_the_best_in_the_order_of_the_rules(
    some: list[dict[str, Any]], needs: list[queue.Need], order: list[Rule], goal: dict[str, Any]
) -> None:
    ranking, able = ranking_of(crowd(some), waiting(*needs), order=order, **goal)

    best = list(ranking.best(able))

    assert best == sorted(best, key=ranking.of)
    assert len(best) == able.bit_count()


@pytest.mark.parametrize("order", list(permutations(RULES, 2)))
def test_the_first_rule_decides_and_the_second_among_equals(order: tuple[Rule, Rule]) -> None:
    some = [
        {"skills": {"zh": 1 + place % 5}, "load": place % 3, "idle": place % 4, "offered": place % 7,
         "busy": place % 3, "capacity": 3}
        for place in range(100)
    ]  # fmt: skip
    ranking, able = ranking_of(crowd(some), waiting(soft("zh", 5)), order=order, seed="x")

    best = list(ranking.best(able))
    values = [ranking.of(each)[0] for each in best]

    assert values == sorted(values)
    assert len({each[0] for each in values}) > 1 or order[0] == "fewest_skills"


# --- nobody is forgotten


@settings(max_examples=60, deadline=None)
@given(
    per_minute=st.sampled_from((3, 10, 60)),
    gap=st.integers(0, 3),
    ring_s=st.sampled_from((0, 30, 90)),
    reserve=st.booleans(),
    order=st.lists(st.sampled_from(RULES), min_size=1, max_size=3, unique=True),
    goal=st.sampled_from(("skills", "service", "sales")),
)
def test_nobody_waits_for_ever_however_many_more_urgent_come(
    per_minute: int, gap: int, ring_s: int, reserve: bool, order: list[Rule], goal: str
) -> None:
    """One agent serves for ten seconds each; every eight seconds somebody of a higher level comes."""
    document: dict[str, Any] = {
        "priority": {"per_minute": str(per_minute)},
        "select": {"order": order, "goal": goal},
        "rings": [{"after_s": ring_s, "levels_less": 2}],
    }
    if reserve:
        document["reserve"] = [
            {"id": "r", "agents": "True", "contacts": "contact.vip_level > 0", "keep_free": 1, "until_s": 60}
        ]
    pool = Floor()
    for fact in (cases.service(wrap_up_s=0), cases.strategy(**document)):
        pool.tell(fact)
    pool.staff(ana={"zh": 3})
    # He is overtaken by those who came up to (gap x 10 points) / (points a minute) after him, by nobody else.
    overtaken_s = max(gap * 10 / per_minute * 60, ring_s, 60 * reserve)
    # Each of them takes eleven seconds, and one was being served.
    limit_s = 11 * (overtaken_s / 8 + 3)

    pool.tell(cases.queued("old", needs=(hard("zh", 5 if ring_s else 3),)), 5)
    second, came = 5.0, 0
    while pool.contact("old").state != "assigned":
        second += 1
        assert second <= 5 + limit_s, "it still waits"
        pool.wait_until(second)
        if second >= 5 + 8 * came:
            pool.tell(cases.queued(f"v{came}", vip_level=gap), second)
            came += 1
        for contact in list(pool.pool.contacts.values()):
            if contact.state == "offered":
                pool.accept(contact.contact_id, second)
            elif contact.state == "assigned" and at(second) - (contact.assigned_at or NINE) >= timedelta(
                seconds=10
            ):
                pool.tell(cases.withdrawn(contact.contact_id), second)
