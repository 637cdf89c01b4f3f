"""What the ivr service answers: flows and their versions, and where a dialogue stands."""

import asyncio
import base64
import binascii
import json
from datetime import datetime
from typing import Any
from uuid import uuid4

from google.protobuf.struct_pb2 import Struct

from libs.apply import Apply
from libs.clock import Now
from libs.documents import Problem, has_errors
from libs.errors import Invalid, NotFound, Violation
from libs.events.base import Event, Fact, Scalar, follow_id
from libs.rpc.common.v1.common_pb2 import PageRequest, PageResponse, Words
from libs.rpc.ivr.v1 import ivr_pb2 as pb
from libs.rpc.ivr.v1.ivr_pb2_grpc import IvrServiceServicer
from libs.rpc_server import Caller, Context, caller
from libs.stored import Key, Store
from libs.structs import plain_of, stamp, struct_of, time_of
from services.ivr.domain import checking
from services.ivr.domain.dialogue import Dialogue, Step
from services.ivr.domain.flow import Flow
from services.ivr.domain.publishing import FlowRecord, RollBack, Version
from services.ivr.domain.rehearsing import Rehearsal
from services.ivr.publisher import Publisher
from services.ivr.store import FlowStore, Library

PAGE, LARGEST_PAGE, MOST_INPUTS = 50, 500, 200
SHOWN_AS = {"queue": "queued"}
STATUS = {
    "expected": "running",
    "looking_up": "running",
    "waiting": "waiting_for_input",
    "completed": "completed",
}


class IvrService(IvrServiceServicer):
    """Flows and their versions, and dialogues; who may do what says libs/rpc_roles.py."""

    def __init__(
        self,
        dialogues: Store[Dialogue],
        flows: FlowStore,
        library: Library,
        publisher: Publisher,
        apply_flow: Apply[FlowRecord],
        now: Now,
    ) -> None:
        self._dialogues = dialogues
        self._flows = flows
        self._library = library
        self._publisher = publisher
        self._apply_flow = apply_flow
        self._now = now

    async def GetDialogue(self, request: pb.GetDialogueRequest, context: Context) -> pb.GetDialogueResponse:
        who = caller()
        key = Key(who.tenant, request.interaction_id)
        stored = (await self._dialogues.load([key])).get(key)
        if stored is None or not stored.state.session_id:
            raise NotFound("dialogue", request.interaction_id)
        return pb.GetDialogueResponse(dialogue=dialogue_message(stored.state))

    async def ListFlows(self, request: pb.ListFlowsRequest, context: Context) -> pb.ListFlowsResponse:
        who = caller()
        size = size_of(request.page)
        records = await self._flows.listed(who.tenant, after_of(request.page), size + 1)
        more = token_of(records[size - 1].flow_id) if len(records) > size else ""
        return pb.ListFlowsResponse(
            flows=[flow_message(record) for record in records[:size] if record.versions],
            page=PageResponse(next_page_token=more),
        )

    async def GetFlow(self, request: pb.GetFlowRequest, context: Context) -> pb.GetFlowResponse:
        who = caller()
        record = await self._record(who.tenant, request.flow_id)
        version = record.numbered(request.version)
        document = struct_of(json.loads(await self._library.document(who.tenant, version.digest)))
        return pb.GetFlowResponse(
            flow=flow_message(record), version=version_message(version), document=document
        )

    async def PublishFlow(self, request: pb.PublishFlowRequest, context: Context) -> pb.PublishFlowResponse:
        who = caller()
        flow, problems = await asyncio.to_thread(read, request.flow)
        if flow is None or has_errors(problems):
            raise Invalid(
                *(
                    Violation(f"flow.{each.path}".rstrip("."), each.en)
                    for each in problems
                    if each.severity == "error"
                )
            )
        version = await self._publisher.publish(
            who.tenant,
            flow,
            command_id=command_id(who, request.request_id, "PublishFlow"),
            comment=request.comment[:1000],
            by=who.subject,
            expected_version=request.expected_version if request.HasField("expected_version") else None,
        )
        problems += await self._publisher.rivals(who.tenant, flow)
        return pb.PublishFlowResponse(
            flow_id=flow.flow_id,
            version=version.version,
            problems=[problem_message(each) for each in problems],
        )

    async def RollBackFlow(
        self, request: pb.RollBackFlowRequest, context: Context
    ) -> pb.RollBackFlowResponse:
        who = caller()
        record = await self._record(who.tenant, request.flow_id)
        command = RollBack(
            flow_id=record.flow_id, version=request.version, comment=request.comment[:1000], by=who.subject
        )
        event = self._command(who, request.request_id, "RollBackFlow", command)
        key = Key(who.tenant, record.flow_id)
        stored = (await self._apply_flow([(key, event)], self._now()))[key]
        made = stored.state.made_by(event.id)
        return pb.RollBackFlowResponse(flow_id=record.flow_id, version=made.version)

    async def ValidateFlow(
        self, request: pb.ValidateFlowRequest, context: Context
    ) -> pb.ValidateFlowResponse:
        flow, problems = await asyncio.to_thread(read, request.flow)
        return pb.ValidateFlowResponse(
            valid=flow is not None and not has_errors(problems),
            problems=[problem_message(each) for each in problems],
        )

    async def TestFlow(self, request: pb.TestFlowRequest, context: Context) -> pb.TestFlowResponse:
        who = caller()
        flow = await self._flow_to_test(who.tenant, request)
        if len(request.inputs) > MOST_INPUTS:
            raise Invalid(Violation("inputs", f"more than {MOST_INPUTS}"))
        look_ups = plain(request.look_ups, "look_ups")
        if not all(isinstance(each, dict) for each in look_ups.values()):
            raise Invalid(Violation("look_ups", "must hold an object for every node named"))
        rehearsal = Rehearsal(
            flow,
            at=moment(request) if request.HasField("at") else self._now(),
            look_ups={name: scalars(values) for name, values in look_ups.items()},
            variables=scalars(plain(request.variables, "variables")),
        )
        for said in request.inputs:
            if not rehearsal.is_over:
                rehearsal.say(said)
        dialogue = rehearsal.dialogue
        return pb.TestFlowResponse(
            steps=[step_message(step) for step in dialogue.trail],
            outcome=SHOWN_AS.get(dialogue.outcome, dialogue.outcome),
            variables=struct_of(dialogue.shown()),
        )

    async def _flow_to_test(self, tenant: str, request: pb.TestFlowRequest) -> Flow:
        if request.WhichOneof("what") == "flow_id":
            record = await self._record(tenant, request.flow_id)
            text = await self._library.document(tenant, record.present.digest)
            return Flow.model_validate_json(text)
        flow, problems = await asyncio.to_thread(read, request.flow)
        if flow is None or has_errors(problems):
            raise Invalid(*(Violation(f"flow.{each.path}".rstrip("."), each.en) for each in problems))
        return flow

    async def _record(self, tenant: str, flow_id: str) -> FlowRecord:
        key = Key(tenant, flow_id)
        stored = (await self._flows.load([key])).get(key)
        if stored is None or not stored.state.versions:
            raise NotFound("flow", flow_id)
        return stored.state

    def _command(self, who: Caller, request_id: str, method: str, data: Fact) -> Event[Fact]:
        return Event(command_id(who, request_id, method), who.tenant, self._now(), data, "")


def command_id(who: Caller, request_id: str, method: str) -> str:
    """Return the id of a command: the same for the same request."""
    return follow_id(f"{who.tenant}/{request_id}", method) if request_id else str(uuid4())


def read(document: pb.FlowDocument) -> tuple[Flow | None, list[Problem]]:
    """Return the flow of a request, None where it is none, and what is wrong with it."""
    if document.WhichOneof("form") == "document":
        return checking.examine(plain(document.document, "flow"))
    return checking.read(document.text)


def plain(message: Struct, field: str) -> dict[str, Any]:
    """Return what a Struct holds. :raises Invalid: a number that JSON does not have."""
    try:
        return dict(plain_of(message))
    except ValueError as error:
        raise Invalid(Violation(field, str(error))) from error


def moment(request: pb.TestFlowRequest) -> datetime:
    try:
        return time_of(request.at)
    except ValueError as error:
        raise Invalid(Violation("at", "is out of range")) from error


def scalars(values: dict[str, Any]) -> dict[str, Scalar]:
    """Return the values that a variable can take."""
    return {
        name: value for name, value in values.items() if value is None or isinstance(value, str | int | float)
    }


def size_of(page: PageRequest) -> int:
    return min(page.page_size, LARGEST_PAGE) if page.page_size > 0 else PAGE


def token_of(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def after_of(page: PageRequest) -> str:
    try:
        return base64.urlsafe_b64decode(page.page_token.encode()).decode()
    except (binascii.Error, UnicodeError) as error:
        raise Invalid(Violation("page.page_token", "is none of ours")) from error


def dialogue_message(dialogue: Dialogue) -> pb.Dialogue:
    """Return a dialogue as the contract shows it, sensitive values masked."""
    return pb.Dialogue(
        dialogue_id=dialogue.interaction_id,
        interaction_id=dialogue.interaction_id,
        session_id=dialogue.session_id,
        flow_id=dialogue.flow_id,
        flow_version=dialogue.flow_version,
        status=STATUS[dialogue.status],
        node_id=dialogue.node_id,
        started_at=stamp(dialogue.started_at),
        updated_at=stamp(dialogue.updated_at),
        outcome=SHOWN_AS.get(dialogue.outcome, dialogue.outcome),
        steps=[step_message(step) for step in dialogue.trail],
        variables=struct_of(dialogue.shown()),
    )


def step_message(step: Step) -> pb.Step:
    return pb.Step(
        node_id=step.node_id,
        kind=step.kind,
        entered_at=stamp(step.entered_at),
        prompt=step.prompt,
        input=step.input,
        branch=step.branch,
    )


def flow_message(record: FlowRecord) -> pb.Flow:
    name = record.present.name
    return pb.Flow(
        flow_id=record.flow_id,
        name=Words(en=name.get("en", ""), zh=name.get("zh-CN", name.get("zh", ""))),
        version=record.version,
        entry_points=record.present.entry_points,
        versions=[version_message(each) for each in record.versions[-100:]],
    )


def version_message(version: Version) -> pb.FlowVersion:
    return pb.FlowVersion(
        version=version.version,
        comment=version.comment,
        published_by=version.published_by,
        published_at=stamp(version.published_at),
        rolled_back_to=version.rolled_back_to,
    )


def problem_message(problem: Problem) -> pb.Problem:
    return pb.Problem(
        path=problem.path, message=Words(en=problem.en, zh=problem.zh), severity=problem.severity
    )
