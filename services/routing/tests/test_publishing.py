"""Strategies are checked, published, read back and rolled back, and their pool hears of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from libs import clock
from libs.apply import Apply
from libs.errors import Conflict, Invalid, NotFound, Refused
from libs.events import queue
from libs.local import LocalBus
from libs.rpc.routing.v1 import routing_pb2 as pb
from libs.rpc.routing.v1.routing_pb2_grpc import RoutingServiceStub, add_RoutingServiceServicer_to_server
from libs.rpc_client import Caller, acting_for, channel
from libs.rpc_server import serve
from libs.stored import Key
from libs.structs import plain_of, struct_of
from libs.wire import decode
from services.routing.domain.strategy import checking, publishing
from services.routing.domain.strategy.document import DEFAULT, GOALS, Strategy
from services.routing.handlers import Matching, handler, teller
from services.routing.rpc import RoutingService
from services.routing.tests import cases
from services.routing.tests.places import LocalDecisions, LocalPools, LocalStrategies

SECRET = "a secret that only these tests know"
MAX = Caller("acme", "max", frozenset({"manager"}))
GOOD = "strategy_id: gold\nqueues: [service]\nselect: {order: [round_robin]}"


@dataclass
class House:
    ask: RoutingServiceStub
    bus: LocalBus
    pools: LocalPools
    matching: Matching

    def told(self) -> list[queue.StrategyPublished]:
        events = [decode(each.headers, each.value) for each in self.bus.topics["trunkline.queue"]]
        return [each.data for each in events if isinstance(each.data, queue.StrategyPublished)]

    async def follow(self) -> None:
        """Let routing read what is on the topic of queues."""
        events = [decode(each.headers, each.value) for each in self.bus.topics["trunkline.queue"]]
        await handler(self.matching, lambda: cases.at(30))(events)

    async def publish(self, text: str, **more: Any) -> pb.PublishStrategyResponse:
        document = pb.StrategyDocument(text=text)
        return await self.ask.PublishStrategy(pb.PublishStrategyRequest(strategy=document, **more))


@pytest.fixture
async def house() -> AsyncIterator[House]:
    pools, decisions, strategies, bus = LocalPools(), LocalDecisions(), LocalStrategies(), LocalBus()
    matching = Matching(pools, teller(bus, decisions))
    apply_strategy = Apply(strategies, publishing.decide, bus.publish, "/trunkline/routing")
    await handler(matching, lambda: cases.at(1))([cases.event(cases.service())])
    service = RoutingService(pools, decisions, strategies, apply_strategy, lambda: cases.at(20))
    async with (
        serve(
            partial(add_RoutingServiceServicer_to_server, service), port=0, secret=SECRET, now=clock.now
        ) as serving,
        channel(f"127.0.0.1:{serving.port}", SECRET, "test", clock.now) as line,
    ):
        with acting_for(MAX):
            yield House(RoutingServiceStub(line), bus, pools, matching)


async def test_its_pool_follows_what_is_published(house: House) -> None:
    made = await house.publish(GOOD, comment="turns")
    await house.follow()

    pool = await house.pools.get(Key("acme", "main"))

    assert (made.strategy_id, made.version, list(made.problems)) == ("gold", 1, [])
    assert pool is not None
    assert pool.queues["service"].rules.strategy.select.order == ("round_robin",)


async def test_the_same_request_again_publishes_nothing(house: House) -> None:
    first = await house.publish(GOOD, request_id="r-1")
    again = await house.publish(GOOD, request_id="r-1")

    assert first == again
    assert [each.version for each in house.told()] == [1]


async def test_it_goes_back_by_publishing_an_old_version_once_more(house: House) -> None:
    await house.publish(GOOD, comment="first")
    await house.publish(GOOD.replace("round_robin", "random"))

    back = await house.ask.RollBackStrategy(pb.RollBackStrategyRequest(strategy_id="gold", version=1))
    found = await house.ask.GetStrategy(pb.GetStrategyRequest(strategy_id="gold"))

    assert back.version == 3
    assert (found.version.rolled_back_to, found.strategy.version, found.version.published_by) == (1, 3, "max")
    assert plain_of(found.document)["select"] == {"order": ["round_robin"]}
    assert [each.document for each in house.told()][::2] == [house.told()[0].document] * 2


async def test_it_refuses_what_has_changed_in_the_meantime(house: House) -> None:
    await house.publish(GOOD, expected_version=0)

    with pytest.raises(Conflict):
        await house.publish(GOOD, expected_version=0)
    with pytest.raises(Refused):
        await house.publish(f"{GOOD}\npool_id: other")
    with pytest.raises(NotFound):
        await house.ask.RollBackStrategy(pb.RollBackStrategyRequest(strategy_id="gold", version=7))
    with pytest.raises(NotFound):
        await house.ask.GetStrategy(pb.GetStrategyRequest(strategy_id="silver"))


async def test_it_lists_strategies_by_id_in_pages(house: House) -> None:
    for name in ("b", "a", "c"):
        await house.publish(GOOD.replace("gold", name))

    page = pb.ListStrategiesRequest()
    page.page.page_size = 2
    first = await house.ask.ListStrategies(page)
    page.page.page_token = first.page.next_page_token
    second = await house.ask.ListStrategies(page)

    assert [each.strategy_id for each in (*first.strategies, *second.strategies)] == ["a", "b", "c"]
    assert not second.page.next_page_token


async def test_it_warns_of_queues_that_are_not_there(house: House) -> None:
    document = {
        "strategy_id": "gold",
        "queues": ["service", "nothing"],
        "overflow": [{"after_s": 9, "to": "nowhere"}],
    }
    checked = await house.ask.ValidateStrategy(
        pb.ValidateStrategyRequest(strategy=pb.StrategyDocument(document=struct_of(document)))
    )

    assert checked.valid
    assert [each.path for each in checked.problems] == ["queues.1", "overflow.0.to"]


async def test_it_publishes_nothing_that_is_wrong(house: House) -> None:
    with pytest.raises(Invalid) as raised:
        await house.publish('strategy_id: gold\nfilters: [{id: x, keep: "agent.shoes > 3"}]')

    assert [(each.field, each.text) for each in raised.value.violations] == [
        ("strategy.filters.0.keep", "agent.shoes is not known here")
    ]
    assert house.told() == []


FILTER = {"id": "x", "keep": "True"}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"filters": [{"id": "x", "keep": "agent.load > 3"}]}, "filters.0.keep"),
        ({"rings": [{"filters": [{"id": "x", "keep": "portrait.fcr > 0.3"}]}]}, "rings.0.filters.0.keep"),
        ({"filters": [FILTER], "rings": [{"filters": [FILTER]}]}, "filters"),
        ({"rings": [{"after_s": 9}, {"after_s": 9}]}, "rings"),
        ({"priority": {"base": "agent.level['zh']"}}, "priority.base"),
        ({"priority": {"per_minute": "contact.waited_s"}}, "priority.per_minute"),
        ({"priority": {"steps": [{"after_s": 9, "add": 1}, {"after_s": 3, "add": 1}]}}, "priority.steps"),
        ({"select": {"goal": "own"}}, "select.score"),
        ({"select": {"score": "1"}}, "select.score"),
        ({"select": {"goal": "own", "score": "agent.team"}}, "select.score"),
        ({"select": {"order": ["random", "random"]}}, "select.order"),
        ({"select": {"order": ["cleverest"]}}, "select.order.0"),
        ({"reserve": [{"id": "r", "agents": "True", "contacts": "agent.team == ''", "keep_free": 1}]},
         "reserve.0.contacts"),
        ({"overflow": [{"after_s": 3, "to": "x", "when": "contact.shoes"}]}, "overflow.0.when"),
        ({"vocabulary": {"agent": {"team": "text"}}}, "vocabulary.agent.team"),
        ({"vocabulary": {"agent": {"Team": "text"}}}, "vocabulary.agent.Team.[key]"),
        ({"hours": {"calendar": {"time_zone": "Mars/Base", "weekly": {}}}}, "hours.calendar.time_zone"),
        ({"color": "red"}, "color"),
        ({"filters": [{"id": f"x{n}", "keep": f"'{'y' * 900}' == ''"} for n in range(50)]}, ""),
    ],
)  # fmt: skip
def test_it_finds_what_is_wrong(document: dict[str, Any], path: str) -> None:
    strategy, problems = checking.examine({"strategy_id": "gold", "queues": ["service"], **document})

    errors = [each for each in problems if each.severity == "error"]
    assert strategy is None or len(errors) == 1
    assert errors[0].path == path
    assert all(each.en and each.zh for each in errors)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"queues": []}, "queues"),
        ({"queues": ["*", "service"]}, "queues"),
        ({"priority": {"per_minute": "0"}}, "priority.per_minute"),
        ({"overflow": [{"after_s": 9, "to": "service"}]}, "overflow.0.to"),
        ({"select": {"goal": "sales", "order": ["longest_idle"]}}, "select.order"),
    ],
)
def test_it_warns_of_what_is_likely_a_mistake(document: dict[str, Any], path: str) -> None:
    _, problems = checking.examine({"strategy_id": "gold", "queues": ["service"], **document})

    assert [(each.path, each.severity) for each in problems] == [(path, "warning")]


def test_the_default_strategy_is_a_document_like_any_other() -> None:
    written = checking.read(DEFAULT_TEXT)

    assert written == (DEFAULT, [])


def test_every_goal_can_be_read() -> None:
    for goal in GOALS:
        strategy = Strategy.model_validate({"strategy_id": "x", "queues": ["a"], "select": {"goal": goal}})
        assert checking.problems_of(strategy) == []


DEFAULT_TEXT = """
strategy_id: default
queues: ["*"]
priority:
  base: queue.priority + contact.priority
  per_minute: queue.priority_per_minute
select:
  goal: skills
  order: [best_score, least_loaded, longest_idle, fewest_skills]
  preferred_first: true
"""
