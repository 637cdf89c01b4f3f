"""Self-service flows: read, check, try out, publish, go back."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field, JsonValue, model_validator
from starlette.responses import Response

from gateway.asking import Ask, Cursor, Limit, Name, answer
from gateway.openapi import body, gives
from gateway.rest import router
from libs.rpc.ivr.v1 import ivr_pb2 as pb
from libs.structs import struct_of

routes = router("flows")
SAMPLE: dict[str, JsonValue] = {"text": "flow_id: hello\nentry_points: [web-chat]\n..."}
Version = Annotated[int, Query(ge=0, le=2**31 - 1)]
ShortText = Annotated[str, Field(max_length=1000)]


class FlowDocument(BaseModel):
    """A flow as its author wrote it: a document, or the text of one (YAML or JSON)."""

    model_config = body(**SAMPLE)
    document: dict[str, Any] | None = None
    text: Annotated[str, Field(max_length=200_000)] | None = None

    @model_validator(mode="after")
    def _has_one(self) -> "FlowDocument":
        if (self.document is None) == (self.text is None):
            raise ValueError("give either document or text")
        return self

    def message(self) -> pb.FlowDocument:
        if self.document is not None:
            return pb.FlowDocument(document=struct_of(self.document))
        return pb.FlowDocument(text=self.text or "")


class FlowBody(BaseModel):
    """The flow to look at."""

    model_config = body(flow=SAMPLE)
    flow: FlowDocument


class PublishBody(FlowBody):
    """The flow to publish; If-Match names the version it follows."""

    model_config = body(flow=SAMPLE, comment="asks for the card number first")
    comment: ShortText = ""


class RollBackBody(BaseModel):
    """The version to go back to."""

    model_config = body(version=3, comment="the new menu confuses people")
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    comment: ShortText = ""


class TrialBody(BaseModel):
    """A walk through a flow with given inputs."""

    model_config = body(flow_id="demo-bank", inputs=["1", "1234"])
    flow: FlowDocument | None = None
    flow_id: Annotated[str, Field(max_length=128)] = ""
    inputs: Annotated[list[ShortText], Field(max_length=200)] = []
    variables: dict[str, Any] = {}
    look_ups: dict[str, Any] = {}


@routes.get("/flows", operation_id="list_flows", **gives(pb.Flow, listed=True))
async def list_flows(ask: Ask, limit: Limit = 50, cursor: Cursor = "") -> Response:
    """Return the flows by id."""
    found = await ask.services.ivr.ListFlows(pb.ListFlowsRequest(page=ask.page(limit, cursor)))
    return ask.listed(found.flows, found.page)


@routes.post("/flows/validate", operation_id="validate_flow", **gives(pb.ValidateFlowResponse))
async def validate_flow(ask: Ask, asked: FlowBody) -> Response:
    """Say what is wrong with a flow and change nothing."""
    return answer(await ask.services.ivr.ValidateFlow(pb.ValidateFlowRequest(flow=asked.flow.message())))


@routes.post("/flows/test", operation_id="test_flow", **gives(pb.TestFlowResponse))
async def test_flow(ask: Ask, trial: TrialBody) -> Response:
    """Walk through a flow with given inputs and change nothing."""
    request = pb.TestFlowRequest(
        inputs=trial.inputs,
        variables=struct_of(trial.variables),
        look_ups=struct_of(trial.look_ups),
    )
    if trial.flow is not None:
        request.flow.CopyFrom(trial.flow.message())
    else:
        request.flow_id = trial.flow_id
    return answer(await ask.services.ivr.TestFlow(request))


@routes.post("/flows", operation_id="publish_flow", **gives(pb.PublishFlowResponse, 201))
async def publish_flow(ask: Ask, asked: PublishBody) -> Response:
    """Publish a new version of a flow; dialogues that run keep theirs."""
    request = pb.PublishFlowRequest(
        flow=asked.flow.message(),
        comment=asked.comment,
        expected_version=ask.expected_version,
        request_id=ask.request_id,
    )
    made = await ask.services.ivr.PublishFlow(request)
    return answer(made, 201, location=f"/v1/flows/{made.flow_id}")


@routes.get("/flows/{flow_id}", operation_id="get_flow", **gives(pb.GetFlowResponse))
async def get_flow(ask: Ask, flow_id: Name, version: Version = 0) -> Response:
    """Return one version of a flow with its document; 0: the one new dialogues follow."""
    found = await ask.services.ivr.GetFlow(pb.GetFlowRequest(flow_id=flow_id, version=version))
    return answer(found, version=found.flow.version)


@routes.post("/flows/{flow_id}/rollback", operation_id="roll_back_flow", **gives(pb.RollBackFlowResponse))
async def roll_back_flow(ask: Ask, flow_id: Name, asked: RollBackBody) -> Response:
    """Make an earlier version the one that new dialogues follow."""
    request = pb.RollBackFlowRequest(
        flow_id=flow_id, version=asked.version, comment=asked.comment, request_id=ask.request_id
    )
    return answer(await ask.services.ivr.RollBackFlow(request))
