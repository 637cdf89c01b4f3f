"""What routing answers: pools, agents, queues, waits, and why a contact went where it went."""

from collections.abc import Callable
from typing import TypeVar

from libs import paging
from libs.apply import Apply
from libs.clock import Now
from libs.errors import Invalid, NotFound, Violation
from libs.rpc.common.v1.common_pb2 import PageRequest, PageResponse
from libs.rpc.routing.v1 import routing_pb2 as pb
from libs.rpc_server import Context, caller
from libs.stored import Key
from services.routing import messages
from services.routing.domain import match
from services.routing.domain.model import Agent, Pool, Queue
from services.routing.domain.strategy.publishing import StrategyRecord
from services.routing.rpc_strategies import StrategyAnswers
from services.routing.store import Decisions, Pools, StrategyStore

DEFAULT_POOL = "main"

T = TypeVar("T")


class RoutingService(StrategyAnswers):
    """Answers to all staff and to services from the stored pools of the caller's tenant."""

    def __init__(
        self,
        pools: Pools,
        decisions: Decisions,
        strategies: StrategyStore,
        apply_strategy: Apply[StrategyRecord],
        now: Now,
    ) -> None:
        super().__init__(strategies, apply_strategy, pools, now)
        self._decisions = decisions

    async def GetPool(self, request: pb.GetPoolRequest, context: Context) -> pb.GetPoolResponse:
        pool_id = request.pool_id or DEFAULT_POOL
        return messages.pool_of(await self._pool(pool_id), self._now())

    async def ListAgents(self, request: pb.ListAgentsRequest, context: Context) -> pb.ListAgentsResponse:
        def wanted(agent: Agent, pool: Pool) -> bool:
            queue = pool.queues.get(request.queue_id)
            return (
                (not request.presence or agent.state()[0] == request.presence)
                and (not request.team_id or agent.config.team == request.team_id)
                and (not request.queue_id or (queue is not None and match.serves(agent, queue)))
            )

        found = [
            (agent_id, (agent, pool))
            for pool in await self._some(request.pool_id)
            for agent_id, agent in pool.agents.items()
            if wanted(agent, pool)
        ]
        page, answer = _page(found, request.page)
        return pb.ListAgentsResponse(agents=[messages.agent_of(*each) for each in page], page=answer)

    async def GetAgent(self, request: pb.GetAgentRequest, context: Context) -> pb.GetAgentResponse:
        agent_id = request.agent_id
        pool = await self._pool_with("agent", agent_id, lambda pool: agent_id in pool.agents)
        return pb.GetAgentResponse(agent=messages.agent_of(pool.agents[agent_id], pool))

    async def ListQueues(self, request: pb.ListQueuesRequest, context: Context) -> pb.ListQueuesResponse:
        found = [
            (queue_id, (queue, pool))
            for pool in await self._some(request.pool_id)
            for queue_id, queue in pool.queues.items()
        ]
        page, answer = _page(found, request.page)
        queues = [messages.queue_of(queue, pool, self._now()) for queue, pool in page]
        return pb.ListQueuesResponse(queues=queues, page=answer)

    async def GetQueue(self, request: pb.GetQueueRequest, context: Context) -> pb.GetQueueResponse:
        queue, pool = await self._queue(request.queue_id)
        return pb.GetQueueResponse(queue=messages.queue_of(queue, pool, self._now()))

    async def ExplainAssignment(
        self, request: pb.ExplainAssignmentRequest, context: Context
    ) -> pb.ExplainAssignmentResponse:
        tenant = _tenant()
        if request.decision_id:
            decision = await self._decisions.get(tenant, request.decision_id)
            found = [decision] if decision else []
            missing = NotFound("decision", request.decision_id)
        elif request.interaction_id:
            found = await self._decisions.of_contact(tenant, request.interaction_id)
            missing = NotFound("decision_of_interaction", request.interaction_id)
        else:
            raise Invalid(Violation("interaction_id", "or decision_id must be given", "required"))
        if not found:
            raise missing
        return pb.ExplainAssignmentResponse(decisions=[messages.decision_of(each) for each in found])

    async def EstimateWait(
        self, request: pb.EstimateWaitRequest, context: Context
    ) -> pb.EstimateWaitResponse:
        queue, pool = await self._queue(request.queue_id)
        return messages.estimate_of(queue, pool, request.priority, self._now())

    async def ListCallbacks(
        self, request: pb.ListCallbacksRequest, context: Context
    ) -> pb.ListCallbacksResponse:
        found = [
            (callback_id, (callback, pool))
            for pool in await self._some(request.pool_id)
            for callback_id, callback in pool.callbacks.items()
            if request.queue_id in ("", callback.queue_id) and request.callback_id in ("", callback_id)
        ]
        page, answer = _page(found, request.page)
        return pb.ListCallbacksResponse(callbacks=[messages.callback_of(*each) for each in page], page=answer)

    async def _pool(self, pool_id: str) -> Pool:
        pool = await self._pools.get(Key(_tenant(), pool_id))
        if pool is None:
            raise NotFound("pool", pool_id)
        return pool

    async def _some(self, pool_id: str) -> list[Pool]:
        return [await self._pool(pool_id)] if pool_id else await self._pools.of_tenant(_tenant())

    async def _pool_with(self, what: str, name: str, has: Callable[[Pool], bool]) -> Pool:
        pool = next((each for each in await self._pools.of_tenant(_tenant()) if has(each)), None)
        if pool is None:
            raise NotFound(what, name)
        return pool

    async def _queue(self, queue_id: str) -> tuple[Queue, Pool]:
        pool = await self._pool_with("queue", queue_id, lambda pool: queue_id in pool.queues)
        return pool.queues[queue_id], pool


def _tenant() -> str:
    """Return the tenant asked about."""
    return caller().tenant


def _page(found: list[tuple[str, T]], page: PageRequest) -> tuple[list[T], PageResponse]:
    """Return one page of named things in the order of their names."""
    size = paging.size_of(page.page_size)
    start = paging.places_of(page.page_token, (str,))
    ordered = sorted(found, key=lambda pair: pair[0])
    rest = [pair for pair in ordered if not start or pair[0] > str(start[0])]
    token = paging.token_of([rest[size - 1][0]]) if len(rest) > size else ""
    return [each for _, each in rest[:size]], PageResponse(next_page_token=token)
