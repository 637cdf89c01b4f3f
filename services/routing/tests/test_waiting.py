"""An agent who comes free is given the same by kinds as by looking at everybody who waits."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.events import queue
from services.routing.domain.index import AgentIndex
from services.routing.domain.match import Matcher, barred
from services.routing.domain.model import Agent, Contact, Published, Queue
from services.routing.domain.urgency import in_order, urgency
from services.routing.domain.waiting import WaitingIndex
from services.routing.tests import cases
from services.routing.tests.cases import NINE, POOL, at, hard
from services.routing.tests.test_explaining import FILTERS

PRIORITIES: tuple[dict[str, Any], ...] = (
    {},
    {"per_minute": "2 * queue.priority_per_minute", "base": "contact.vip_level * 7"},
    {"per_minute": "1 + contact.vip_level"},
    {"steps": [{"after_s": 60, "add": 9}]},
    {"deadline_within_s": 300, "deadline_adds": 20},
)
RESERVE = [{"id": "r", "agents": "agent.senior", "contacts": "contact.vip_level > 1", "keep_free": 1}]
VOCABULARY = {
    "agent": {"licences": "set", "gender": "text", "senior": "boolean"},
    "contact": {"product": "text"},
}


@st.composite
def queues(draw: st.DrawFn) -> dict[str, Queue]:
    """Return two queues that follow strategies of their own."""
    made = {}
    for queue_id in ("service", "sales"):
        document = {
            "vocabulary": VOCABULARY,
            "filters": draw(
                st.lists(st.sampled_from(FILTERS), max_size=2, unique_by=lambda each: each["id"])
            ),
            "priority": draw(st.sampled_from(PRIORITIES)),
            "rings": draw(st.sampled_from(([], [{"after_s": 50, "levels_less": 2}]))),
            "reserve": draw(st.sampled_from(([], [], RESERVE))),
        }
        fact, config = cases.strategy(**document), cases.service(queue_id, priority=draw(st.integers(0, 3)))
        assert isinstance(fact, queue.StrategyPublished)
        assert isinstance(config, queue.QueueConfigured)
        made[queue_id] = Queue(config, strategy=Published("gold", 1, fact.document))
    return made


@st.composite
def contacts(draw: st.DrawFn) -> list[Contact]:
    some = []
    for number in range(draw(st.integers(1, 14))):
        since = at(draw(st.integers(0, 110)))
        prefers = draw(st.sampled_from(("", "", "", "ana", "bob")))
        contact = Contact(
            f"c{number}",
            "s",
            "j",
            draw(st.sampled_from(("service", "sales"))),
            draw(st.sampled_from(("voice", "chat"))),
            draw(st.sampled_from(((), (hard("zh", 3),), (hard("zh", 5), hard("en"))))),
            draw(st.integers(0, 2)),
            since,
            since,
            vip_level=draw(st.integers(0, 2)),
            value=draw(st.sampled_from((0, 20))),
            deadline=draw(st.sampled_from((None, at(300)))),
            attributes=draw(st.sampled_from(({}, {"product": "fund"}))),
            preferred_agent_id=prefers,
            insist_until=at(150) if prefers else None,
            excluded_agent_ids=draw(st.sampled_from(((), (), ("ana",)))),
            passed_by=draw(st.sampled_from(("", "", "bob"))),
        )
        some.append(contact)
    return some


def agent(agent_id: str, zh: int, *, senior: bool, licensed: bool) -> Agent:
    config = queue.AgentConfigured(
        pool_id=POOL,
        agent_id=agent_id,
        skills={"zh": zh, "en": 2},
        attributes={"senior": senior, "licences": ("fund",) if licensed else ()},
        capacity={"voice": 1, "chat": 2},
    )
    return Agent(config, signed_in=True, wants="ready", idle_since=NINE)


@settings(max_examples=200, deadline=None)
@given(queues(), contacts(), st.integers(1, 6), st.booleans(), st.booleans())
def test_it_gives_what_looking_at_everybody_gives(
    made: dict[str, Queue], some: list[Contact], zh: int, senior: bool, licensed: bool
) -> None:
    ana = agent("ana", zh, senior=senior, licensed=licensed)
    index = AgentIndex(barred)
    index.follow({"ana": ana, "bob": agent("bob", 4, senior=True, licensed=True)})
    matcher, waiting = Matcher(made, index, at(120)), WaitingIndex()
    waiting.follow({each.contact_id: each for each in some}, made, at(120))
    left = list(some)

    while (found := waiting.next_for(ana, matcher, at(120))) is not None:
        suited = [each for each in left if matcher.suits(ana, each)]
        expected = in_order(suited, made, at(120))[0]
        assert found.contact_id in {each.contact_id for each in suited}
        assert urgency(found, made[found.queue_id], at(120)) == pytest.approx(
            urgency(expected, made[expected.queue_id], at(120))
        )
        left.remove(found)
        waiting.drop(found.contact_id)

    assert not [each for each in left if matcher.suits(ana, each)]


@settings(max_examples=100, deadline=None)
@given(queues(), contacts(), st.data())
def test_it_keeps_in_step(made: dict[str, Queue], some: list[Contact], data: st.DataObject) -> None:
    followed = WaitingIndex()
    held = {each.contact_id: each for each in some}
    for _ in range(4):
        followed.follow(held, made, at(120))
        changed = data.draw(st.sampled_from(some)).contact_id
        kind = data.draw(st.sampled_from(("gone", "offered", "older", "back")))
        match kind:
            case "gone":
                held = {key: each for key, each in held.items() if key != changed}
            case "offered" if changed in held:
                held = {**held, changed: replace(held[changed], state="offered")}
            case "older" if changed in held:
                held = {**held, changed: replace(held[changed], aged_since=NINE, priority=50)}
            case "back":
                held = {**held, changed: next(each for each in some if each.contact_id == changed)}
            case _:
                pass
    followed.follow(held, made, at(120))

    afresh = WaitingIndex()
    afresh.follow(held, made, at(120))
    assert followed.contacts == afresh.contacts
    assert {kind: line.places for kind, line in followed.lines.items()} == {
        kind: line.places for kind, line in afresh.lines.items()
    }
    assert followed.alone == afresh.alone


def test_who_asks_something_else_of_agents_stands_in_another_line() -> None:
    fact, config = cases.strategy(vocabulary=VOCABULARY, filters=[FILTERS[0]]), cases.service()
    assert isinstance(fact, queue.StrategyPublished)
    assert isinstance(config, queue.QueueConfigured)
    made = {"service": Queue(config, strategy=Published("gold", 1, fact.document))}
    some = {
        each: Contact(each, "s", "j", "service", "chat", (), 0, NINE, NINE, attributes={"product": product})
        for each, product in (("c1", "fund"), ("c2", ""))
    }
    ana = agent("ana", 1, senior=False, licensed=False)
    index, waiting = AgentIndex(barred), WaitingIndex()
    index.follow({"ana": ana})
    waiting.follow(some, made, at(120))

    found = waiting.next_for(ana, Matcher(made, index, at(120)), at(120))

    assert found is some["c2"]


def test_contacts_that_ask_the_same_stand_in_one_line() -> None:
    config = cases.service()
    assert isinstance(config, queue.QueueConfigured)
    some = {
        f"c{n}": Contact(f"c{n}", "s", "j", "service", "voice", (hard("zh"),), n % 3, at(n), at(n))
        for n in range(90)
    }
    waiting = WaitingIndex()

    waiting.follow(some, {"service": Queue(config)}, at(120))

    (line,) = waiting.lines.values()
    assert [each for _, _, each in line.places] == [
        each.contact_id for each in in_order(some.values(), {"service": Queue(config)}, at(120))
    ]
    assert not waiting.alone
