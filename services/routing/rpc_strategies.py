"""What routing answers about strategies: versions, what is wrong with a document, publishing, going back."""

import asyncio
import json
from uuid import uuid4

from libs import paging
from libs.apply import Apply
from libs.clock import Now
from libs.documents import Problem, canonical, has_errors
from libs.errors import Invalid, NotFound, Violation
from libs.events.base import Event, Fact, follow_id
from libs.rpc.common.v1.common_pb2 import PageResponse, Words
from libs.rpc.routing.v1 import routing_pb2 as pb
from libs.rpc.routing.v1.routing_pb2_grpc import RoutingServiceServicer
from libs.rpc_server import Caller, Context, caller
from libs.stored import Key
from libs.structs import plain_of, stamp, struct_of
from services.routing.domain.strategy import checking
from services.routing.domain.strategy.document import EVERY_QUEUE, Strategy
from services.routing.domain.strategy.publishing import Publish, RollBack, StrategyRecord, Version
from services.routing.store import Pools, StrategyStore

VERSIONS_SHOWN = 100
LONGEST_COMMENT = 1000


class StrategyAnswers(RoutingServiceServicer):
    """The part of the service that keeps strategies; who may do what says libs/rpc_roles.py."""

    def __init__(
        self, strategies: StrategyStore, apply_strategy: Apply[StrategyRecord], pools: Pools, now: Now
    ) -> None:
        self._strategies = strategies
        self._apply_strategy = apply_strategy
        self._pools = pools
        self._now = now

    async def ListStrategies(
        self, request: pb.ListStrategiesRequest, context: Context
    ) -> pb.ListStrategiesResponse:
        size = paging.size_of(request.page.page_size)
        after = paging.places_of(request.page.page_token, [str])
        found = await self._strategies.listed(caller().tenant, str(after[0]) if after else "", size + 1)
        token = paging.token_of([found[size - 1].strategy_id]) if len(found) > size else ""
        return pb.ListStrategiesResponse(
            strategies=[strategy_of(each) for each in found[:size]], page=PageResponse(next_page_token=token)
        )

    async def GetStrategy(self, request: pb.GetStrategyRequest, context: Context) -> pb.GetStrategyResponse:
        record = await self._record(request.strategy_id)
        version = record.numbered(request.version)
        return pb.GetStrategyResponse(
            strategy=strategy_of(record),
            version=version_of(version),
            document=struct_of(json.loads(version.document)),
        )

    async def ValidateStrategy(
        self, request: pb.ValidateStrategyRequest, context: Context
    ) -> pb.ValidateStrategyResponse:
        strategy, problems = await asyncio.to_thread(read, request.strategy)
        if strategy is not None:
            problems += await self._unknown_queues(strategy)
        valid = strategy is not None and not has_errors(problems)
        return pb.ValidateStrategyResponse(valid=valid, problems=[problem_of(each) for each in problems])

    async def PublishStrategy(
        self, request: pb.PublishStrategyRequest, context: Context
    ) -> pb.PublishStrategyResponse:
        strategy, problems = await asyncio.to_thread(read, request.strategy)
        if strategy is None or has_errors(problems):
            wrong = [each for each in problems if each.severity == "error"]
            raise Invalid(*(Violation(f"strategy.{each.path}".rstrip("."), each.en) for each in wrong))
        who = caller()
        command = Publish(
            strategy_id=strategy.strategy_id,
            pool_id=strategy.pool_id,
            document=canonical(strategy),
            comment=request.comment[:LONGEST_COMMENT],
            by=who.subject,
            expected_version=request.expected_version if request.HasField("expected_version") else None,
        )
        made = await self._apply(who, request.request_id, "PublishStrategy", command)
        problems += await self._unknown_queues(strategy)
        return pb.PublishStrategyResponse(
            strategy_id=strategy.strategy_id,
            version=made.version,
            problems=[problem_of(each) for each in problems],
        )

    async def RollBackStrategy(
        self, request: pb.RollBackStrategyRequest, context: Context
    ) -> pb.RollBackStrategyResponse:
        who = caller()
        record = await self._record(request.strategy_id)
        command = RollBack(
            strategy_id=record.strategy_id,
            version=request.version,
            comment=request.comment[:LONGEST_COMMENT],
            by=who.subject,
        )
        made = await self._apply(who, request.request_id, "RollBackStrategy", command)
        return pb.RollBackStrategyResponse(strategy_id=record.strategy_id, version=made.version)

    async def _record(self, strategy_id: str) -> StrategyRecord:
        key = Key(caller().tenant, strategy_id)
        stored = (await self._strategies.load([key])).get(key)
        if stored is None or not stored.state.versions:
            raise NotFound("strategy", strategy_id)
        return stored.state

    async def _apply(self, who: Caller, request_id: str, method: str, command: Fact) -> Version:
        """Return the version that the command has made, now or when it came before."""
        now = self._now()
        command_id = follow_id(f"{who.tenant}/{request_id}", method) if request_id else str(uuid4())
        key = Key(who.tenant, command.key)
        event = Event(command_id, who.tenant, now, command, follow_id(f"{key}/strategy", "journey"))
        stored = await self._apply_strategy([(key, event)], now)
        return stored[key].state.made_by(command_id)

    async def _unknown_queues(self, strategy: Strategy) -> list[Problem]:
        """Return a warning for every queue named that its pool does not have."""
        pool = await self._pools.get(Key(caller().tenant, strategy.pool_id))
        known = set(pool.queues) if pool else set()
        named = [(f"queues.{place}", each) for place, each in enumerate(strategy.queues)]
        named += [(f"overflow.{place}.to", each.to) for place, each in enumerate(strategy.overflow)]
        return [
            Problem(
                path,
                f"pool {strategy.pool_id} has no queue {name}",
                f"资源池 {strategy.pool_id} 中没有队列 {name}",
                "warning",
            )
            for path, name in named
            if name != EVERY_QUEUE and name not in known
        ]


def read(document: pb.StrategyDocument) -> tuple[Strategy | None, list[Problem]]:
    """Return the strategy of a request, None where it is none, and what is wrong with it."""
    if document.WhichOneof("form") != "document":
        return checking.read(document.text)
    try:
        return checking.examine(plain_of(document.document))
    except ValueError as error:
        raise Invalid(Violation("strategy", str(error))) from error


def strategy_of(record: StrategyRecord) -> pb.Strategy:
    return pb.Strategy(
        strategy_id=record.strategy_id,
        pool_id=record.numbered(0).pool_id,
        version=record.version,
        versions=[version_of(each) for each in record.versions[-VERSIONS_SHOWN:]],
    )


def version_of(version: Version) -> pb.StrategyVersion:
    return pb.StrategyVersion(
        version=version.version,
        comment=version.comment,
        published_by=version.published_by,
        published_at=stamp(version.published_at),
        rolled_back_to=version.rolled_back_to,
    )


def problem_of(problem: Problem) -> pb.Problem:
    words = Words(en=problem.en, zh=problem.zh)
    return pb.Problem(path=problem.path, message=words, severity=problem.severity)
