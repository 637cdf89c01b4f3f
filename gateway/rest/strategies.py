"""Routing strategies: read, check, publish, go back."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field, JsonValue, model_validator
from starlette.responses import Response

from gateway.asking import Ask, Cursor, Limit, Name, answer
from gateway.openapi import body, gives
from gateway.rest import router
from libs.rpc.routing.v1 import routing_pb2 as pb
from libs.structs import struct_of

routes = router("strategies")
SAMPLE: dict[str, JsonValue] = {"text": "strategy_id: gold\nqueues: [service]\n..."}
Version = Annotated[int, Query(ge=0, le=2**31 - 1)]
ShortText = Annotated[str, Field(max_length=1000)]


class StrategyDocument(BaseModel):
    """A strategy as its author wrote it: a document, or the text of one (YAML or JSON)."""

    model_config = body(**SAMPLE)
    document: dict[str, Any] | None = None
    text: Annotated[str, Field(max_length=200_000)] | None = None

    @model_validator(mode="after")
    def _has_one(self) -> "StrategyDocument":
        if (self.document is None) == (self.text is None):
            raise ValueError("give either document or text")
        return self

    def message(self) -> pb.StrategyDocument:
        if self.document is not None:
            return pb.StrategyDocument(document=struct_of(self.document))
        return pb.StrategyDocument(text=self.text or "")


class StrategyBody(BaseModel):
    """The strategy to look at."""

    model_config = body(strategy=SAMPLE)
    strategy: StrategyDocument


class PublishStrategyBody(StrategyBody):
    """The strategy to publish; If-Match names the version it follows."""

    model_config = body(strategy=SAMPLE, comment="relaxes the language after 30 s")
    comment: ShortText = ""


class RollBackStrategyBody(BaseModel):
    """The version to go back to."""

    model_config = body(version=3, comment="too many went to the experts")
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    comment: ShortText = ""


@routes.get("/strategies", operation_id="list_strategies", **gives(pb.Strategy, listed=True))
async def list_strategies(ask: Ask, limit: Limit = 50, cursor: Cursor = "") -> Response:
    """Return the strategies by id."""
    found = await ask.services.routing.ListStrategies(pb.ListStrategiesRequest(page=ask.page(limit, cursor)))
    return ask.listed(found.strategies, found.page)


@routes.post("/strategies/validate", operation_id="validate_strategy", **gives(pb.ValidateStrategyResponse))
async def validate_strategy(ask: Ask, asked: StrategyBody) -> Response:
    """Say what is wrong with a strategy and change nothing."""
    return answer(
        await ask.services.routing.ValidateStrategy(
            pb.ValidateStrategyRequest(strategy=asked.strategy.message())
        )
    )


@routes.post("/strategies", operation_id="publish_strategy", **gives(pb.PublishStrategyResponse, 201))
async def publish_strategy(ask: Ask, asked: PublishStrategyBody) -> Response:
    """Publish a new version of a strategy; its pool follows it at once."""
    request = pb.PublishStrategyRequest(
        strategy=asked.strategy.message(),
        comment=asked.comment,
        expected_version=ask.expected_version,
        request_id=ask.request_id,
    )
    made = await ask.services.routing.PublishStrategy(request)
    return answer(made, 201, location=f"/v1/strategies/{made.strategy_id}")


@routes.get("/strategies/{strategy_id}", operation_id="get_strategy", **gives(pb.GetStrategyResponse))
async def get_strategy(ask: Ask, strategy_id: Name, version: Version = 0) -> Response:
    """Return one version of a strategy with its document; 0: the one in force."""
    found = await ask.services.routing.GetStrategy(
        pb.GetStrategyRequest(strategy_id=strategy_id, version=version)
    )
    return answer(found, version=found.strategy.version)


@routes.post(
    "/strategies/{strategy_id}/rollback",
    operation_id="roll_back_strategy",
    **gives(pb.RollBackStrategyResponse),
)
async def roll_back_strategy(ask: Ask, strategy_id: Name, asked: RollBackStrategyBody) -> Response:
    """Bring an earlier version into force again."""
    request = pb.RollBackStrategyRequest(
        strategy_id=strategy_id, version=asked.version, comment=asked.comment, request_id=ask.request_id
    )
    return answer(await ask.services.routing.RollBackStrategy(request))
