"""What routing answers, asked directly and over a real channel."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from libs import clock
from libs.apply import Apply
from libs.errors import Forbidden, Invalid, NotFound
from libs.events.base import Event
from libs.local import LocalBus
from libs.rpc.common.v1.common_pb2 import PageRequest
from libs.rpc.routing.v1 import routing_pb2 as pb
from libs.rpc.routing.v1.routing_pb2_grpc import RoutingServiceStub, add_RoutingServiceServicer_to_server
from libs.rpc_client import Caller, acting_for, channel
from libs.rpc_server import serve
from services.routing.domain.strategy import publishing
from services.routing.handlers import Matching, handler, teller
from services.routing.rpc import RoutingService
from services.routing.tests import cases
from services.routing.tests.places import LocalDecisions, LocalPools, LocalStrategies
from services.routing.tests.test_calling_back import asked

SECRET = "a secret that only these tests know"
SUE = Caller("acme", "sue", frozenset({"supervisor"}))


@pytest.fixture
async def ask() -> AsyncIterator[RoutingServiceStub]:
    pools, decisions = LocalPools(), LocalDecisions()
    matching = Matching(pools, teller(LocalBus(), decisions))
    facts = [
        cases.service("service", needs=(cases.hard("zh", 2),)),
        cases.service("sales"),
        cases.configured("ana", skills={"zh": 5}),
        cases.configured("bob"),
        cases.configured("cem"),
        cases.signed_in("ana"),
        cases.signed_in("bob"),
        cases.ready("bob"),
        cases.queued("c1"),
        cases.queued("c2", "sales"),
        asked("later", due_at=cases.at(600), reason="loan"),
        asked("other", queue_id="sales", due_at=cases.at(900), pii={}, customer_id="cu"),
    ]
    events = [Event(f"e-{place}", "acme", cases.at(place), each, "j") for place, each in enumerate(facts)]
    await handler(matching, lambda: cases.at(10))(events)
    strategies = LocalStrategies()
    bus = LocalBus()
    apply_strategy = Apply(strategies, publishing.decide, bus.publish, "/trunkline/routing")
    service = RoutingService(pools, decisions, strategies, apply_strategy, lambda: cases.at(20))
    register = partial(add_RoutingServiceServicer_to_server, service)
    async with (
        serve(register, port=0, secret=SECRET, now=clock.now) as serving,
        channel(f"127.0.0.1:{serving.port}", SECRET, "test", clock.now) as line,
    ):
        with acting_for(SUE):
            yield RoutingServiceStub(line)


async def test_it_shows_the_pool(ask: RoutingServiceStub) -> None:
    pool = await ask.GetPool(pb.GetPoolRequest())

    assert [agent.agent_id for agent in pool.agents] == ["ana", "bob", "cem"]
    assert [agent.presence for agent in pool.agents] == ["not_ready", "offered", "signed_out"]
    waiting = {each.interaction_id: (each.state, each.waited_ms) for each in pool.waiting}
    assert waiting == {"c1": ("waiting", 12_000), "c2": ("offered", 11_000)}


async def test_it_shows_an_agent(ask: RoutingServiceStub) -> None:
    agent = (await ask.GetAgent(pb.GetAgentRequest(agent_id="bob"))).agent

    assert list(agent.queue_ids) == ["sales"]
    assert {each.channel: (each.load, each.capacity, each.state) for each in agent.channels} == {
        "chat": (0, 3, "ready"),
        "voice": (1, 1, "offered"),
    }
    assert [(each.interaction_id, each.state) for each in agent.contacts] == [("c2", "offered")]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (pb.ListAgentsRequest(), ["ana", "bob", "cem"]),
        (pb.ListAgentsRequest(presence="offered"), ["bob"]),
        (pb.ListAgentsRequest(queue_id="service"), ["ana"]),
        (pb.ListAgentsRequest(queue_id="nothing"), []),
        (pb.ListAgentsRequest(pool_id="main", team_id="none"), []),
    ],
)
async def test_it_lists_the_agents_wanted(
    ask: RoutingServiceStub, asked: pb.ListAgentsRequest, expected: list[str]
) -> None:
    answer = await ask.ListAgents(asked)

    assert [agent.agent_id for agent in answer.agents] == expected


async def test_it_lists_page_by_page(ask: RoutingServiceStub) -> None:
    first = await ask.ListAgents(pb.ListAgentsRequest(page=PageRequest(page_size=2)))
    token = first.page.next_page_token
    last = await ask.ListAgents(pb.ListAgentsRequest(page=PageRequest(page_size=2, page_token=token)))

    assert [agent.agent_id for agent in (*first.agents, *last.agents)] == ["ana", "bob", "cem"]
    assert last.page.next_page_token == ""


async def test_it_lists_queues_with_figures(ask: RoutingServiceStub) -> None:
    queues = (await ask.ListQueues(pb.ListQueuesRequest())).queues

    assert [(each.queue_id, each.waiting, each.longest_wait_ms) for each in queues] == [
        ("sales", 1, 11_000),
        ("service", 1, 12_000),
    ]
    assert [(each.agents_signed_in, each.agents_ready) for each in queues] == [(2, 0), (1, 0)]


async def test_it_lists_callbacks(ask: RoutingServiceStub) -> None:
    first = await ask.ListCallbacks(pb.ListCallbacksRequest(page=PageRequest(page_size=1)))
    token = first.page.next_page_token
    last = await ask.ListCallbacks(pb.ListCallbacksRequest(page=PageRequest(page_size=1, page_token=token)))
    of_sales = await ask.ListCallbacks(pb.ListCallbacksRequest(queue_id="sales"))

    one = await ask.ListCallbacks(pb.ListCallbacksRequest(callback_id="later"))
    assert [each.callback_id for each in one.callbacks] == ["later"]
    (later,), (other,) = first.callbacks, last.callbacks
    assert (later.callback_id, later.state, later.reason) == ("later", "scheduled", "loan")
    assert (later.requested_by, later.identities[0].value) == ("customer", "+8613800000001")
    assert later.due_at.ToDatetime(cases.NINE.tzinfo) == cases.at(600)
    assert [each.callback_id for each in of_sales.callbacks] == [other.callback_id] == ["other"]
    assert other.customer_id == "cu"


async def test_it_explains_in_two_languages(ask: RoutingServiceStub) -> None:
    (decision,) = (await ask.ExplainAssignment(pb.ExplainAssignmentRequest(interaction_id="c2"))).decisions

    assert (decision.chosen_agent_id, decision.rule) == ("bob", "only_candidate")
    assert decision.explanation.en == "bob was the only agent free and able to serve the contact"
    assert "bob" in decision.explanation.zh
    excluded = {each.agent_id: (each.exclusion, each.explanation.zh) for each in decision.candidates}
    assert excluded["ana"] == ("not_ready", "未就绪")

    again = await ask.ExplainAssignment(pb.ExplainAssignmentRequest(decision_id=decision.decision_id))
    assert list(again.decisions) == [decision]


async def test_it_explains_why_a_contact_waits(ask: RoutingServiceStub) -> None:
    (decision,) = (await ask.ExplainAssignment(pb.ExplainAssignmentRequest(interaction_id="c1"))).decisions

    assert (decision.chosen_agent_id, decision.rule) == ("", "no_agent")
    assert [(each.skill, each.min_level, each.hard) for each in decision.needs] == [("zh", 2, True)]


async def test_it_estimates_only_what_it_can_know(ask: RoutingServiceStub) -> None:
    nobody = await ask.EstimateWait(pb.EstimateWaitRequest(queue_id="service"))

    assert not nobody.HasField("estimated_wait_ms")
    assert nobody.ahead == 1


async def test_it_says_what_there_is_not(ask: RoutingServiceStub) -> None:
    with pytest.raises(NotFound):
        await ask.GetPool(pb.GetPoolRequest(pool_id="none"))
    with pytest.raises(NotFound):
        await ask.GetAgent(pb.GetAgentRequest(agent_id="none"))
    with pytest.raises(NotFound):
        await ask.GetQueue(pb.GetQueueRequest(queue_id="none"))
    with pytest.raises(NotFound):
        await ask.ExplainAssignment(pb.ExplainAssignmentRequest(interaction_id="none"))
    with pytest.raises(Invalid):
        await ask.ExplainAssignment(pb.ExplainAssignmentRequest())
    with pytest.raises(Invalid):
        await ask.ListAgents(pb.ListAgentsRequest(page=PageRequest(page_token="made up")))


async def test_it_shows_nothing_of_another_tenant(ask: RoutingServiceStub) -> None:
    with acting_for(Caller("other", "eve", frozenset({"admin"}))):
        with pytest.raises(NotFound):
            await ask.GetPool(pb.GetPoolRequest())
        with pytest.raises(NotFound):
            await ask.ExplainAssignment(pb.ExplainAssignmentRequest(interaction_id="c2"))
        assert list((await ask.ListAgents(pb.ListAgentsRequest())).agents) == []


async def test_it_tells_customers_nothing(ask: RoutingServiceStub) -> None:
    with acting_for(Caller("acme", "a customer", frozenset({"customer"}))), pytest.raises(Forbidden):
        await ask.GetPool(pb.GetPoolRequest())
