"""Queues, agents and contacts: how they stand, how they are set up, why a contact went where it went."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from gateway.asking import Ask, Cursor, Limit, Name, NameQuery, accepted, answer, json_answer
from gateway.auth import DEFAULT_POOL
from gateway.conversation import Conversation
from gateway.journeys import agent_journey, interaction_journey
from gateway.openapi import body, gives, takes
from gateway.rest import router
from libs.errors import Invalid, NotFound, Violation
from libs.events import queue
from libs.events.base import Channel, Fact, Id, Language, OptionalId, Short
from libs.rpc.routing.v1 import configuration_pb2 as config_pb
from libs.rpc.routing.v1 import routing_pb2 as pb
from libs.stored import Key
from libs.structs import struct_of

routes = router("routing")
ON_THE_BUS = "The change is on the bus; routing follows it in order."


class QueueBody(BaseModel):
    """A queue as administrators set it up; times in seconds."""

    model_config = body(
        name="Customer service",
        name_zh="客户服务",
        needs=[{"skill": "service", "level": 1, "hard": True}],
        offer_timeout_s=15,
        wrap_up_s=60,
        service_level_s=20,
    )
    pool_id: Id = DEFAULT_POOL
    name: Short = ""
    name_zh: Short = ""
    needs: Annotated[tuple[queue.Need, ...], Field(max_length=32)] = ()
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    priority_per_minute: Annotated[float, Field(ge=0, le=1000)] = 1.0
    offer_timeout_s: Annotated[float, Field(gt=0, le=600)] = 15.0
    wrap_up_s: Annotated[float, Field(ge=0, le=3600)] = 60.0
    service_level_s: Annotated[float, Field(gt=0, le=86400)] = 20.0
    service_level_target: Annotated[float, Field(gt=0, le=1)] = 0.8
    max_waiting: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    max_wait_s: Annotated[float, Field(ge=0, le=86400)] = 0
    overflow_queue_id: OptionalId = ""
    enabled: bool = True


class AgentBody(BaseModel):
    """An agent as administrators set him up."""

    model_config = body(
        name="Agent 1",
        team="team-a",
        skills={"service": 5},
        capacity={"voice": 1, "chat": 3},
        languages=["zh-CN"],
        attributes={"gender": "female", "certificates": ["fund"]},
        schedule={
            "time_zone": "Asia/Shanghai",
            "shifts": [{"weekday": day, "start": "00:00", "end": "00:00"} for day in range(7)],
        },
    )
    pool_id: Id = DEFAULT_POOL
    name: Short = ""
    team: OptionalId = ""
    skills: Annotated[dict[Id, Annotated[int, Field(ge=1, le=10)]], Field(max_length=200)] = {}
    capacity: dict[Channel, Annotated[int, Field(ge=0, le=50)]] = {"voice": 1, "chat": 3}
    enabled: bool = True
    site: OptionalId = ""
    languages: Annotated[tuple[Language, ...], Field(max_length=32)] = ()
    attributes: queue.Attributes = {}
    interrupts: dict[Channel, Annotated[tuple[Channel, ...], Field(max_length=8)]] = {}
    schedule: queue.Schedule = queue.Schedule()
    calendar: OptionalId = ""  # a configured calendar in the place of a schedule


class StateBody(BaseModel):
    """The presence that a supervisor asks for an agent."""

    model_config = body(state="not_ready", reason="training")
    state: Literal["ready", "not_ready", "signed_out"]
    reason: OptionalId = ""
    pool_id: Id = DEFAULT_POOL


class MoveBody(BaseModel):
    """Where a waiting contact goes, or how important it becomes."""

    model_config = body(to_queue_id="vip", priority=5, reason="an old customer")
    to_queue_id: OptionalId = ""
    priority: Annotated[int, Field(ge=-1000, le=1000)] | None = None
    reason: Short = ""


class DirectBody(BaseModel):
    """The agent to whom a contact is given, and why."""

    model_config = body(agent_id="agent1", reason="knows the case")
    agent_id: Id
    reason: Short = ""


class TakeBackBody(BaseModel):
    """Why a contact is taken from its agent."""

    model_config = body(reason="the agent is unwell")
    reason: Short = ""


@routes.get("/pool", operation_id="get_pool", **gives(pb.GetPoolResponse))
async def get_pool(ask: Ask, pool_id: NameQuery = "") -> Response:
    """Return a pool as it stands: its agents, its queues and who waits."""
    return answer(await ask.services.routing.GetPool(pb.GetPoolRequest(pool_id=pool_id)))


@routes.get("/queues", operation_id="list_queues", **gives(pb.Queue, listed=True))
async def list_queues(ask: Ask, pool_id: NameQuery = "", limit: Limit = 50, cursor: Cursor = "") -> Response:
    """Return the queues by id."""
    request = pb.ListQueuesRequest(pool_id=pool_id, page=ask.page(limit, cursor))
    found = await ask.services.routing.ListQueues(request)
    return ask.listed(found.queues, found.page)


@routes.get("/queues/{queue_id}", operation_id="get_queue", **gives(pb.Queue))
async def get_queue(ask: Ask, queue_id: Name) -> Response:
    """Return one queue."""
    return answer((await ask.services.routing.GetQueue(pb.GetQueueRequest(queue_id=queue_id))).queue)


@routes.get("/queues/{queue_id}/estimate", operation_id="estimate_wait", **gives(pb.EstimateWaitResponse))
async def estimate_wait(
    ask: Ask, queue_id: Name, priority: Annotated[float, Query(ge=-1000, le=1000)] = 0
) -> Response:
    """Return how long a contact that joins the queue now is likely to wait."""
    request = pb.EstimateWaitRequest(queue_id=queue_id, priority=priority)
    return answer(await ask.services.routing.EstimateWait(request))


@routes.put("/queues/{queue_id}", operation_id="put_queue", **takes(ON_THE_BUS))
async def put_queue(ask: Ask, queue_id: Name, settings: QueueBody) -> Response:
    """Create or change a queue."""
    return await _put(ask, "queues", queue_id, settings)


async def _put(
    ask: Ask,
    section: str,
    item_id: str,
    settings: QueueBody | AgentBody,
    more: Mapping[str, str] | None = None,
) -> Response:
    """Put an item into the configuration, which tells its pool; return that it is on its way there."""
    document = settings.model_dump(mode="json", exclude={"pool_id", "calendar"})
    request = config_pb.PutItemRequest(
        section=section,
        pool_id=settings.pool_id,
        item_id=item_id,
        document=struct_of({**document, **(more or {})}),
        expected_version=ask.expected_version,
        request_id=ask.request_id,
    )
    made = await ask.services.configuration.PutItem(request)
    return json_answer({"event_id": made.change_id, "status": "accepted"}, 202)


@routes.get("/agents", operation_id="list_agents", **gives(pb.Agent, listed=True))
async def list_agents(
    ask: Ask,
    pool_id: NameQuery = "",
    queue_id: NameQuery = "",
    presence: NameQuery = "",
    team_id: NameQuery = "",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Response:
    """Return the agents by id."""
    request = pb.ListAgentsRequest(
        pool_id=pool_id,
        queue_id=queue_id,
        presence=presence,
        team_id=team_id,
        page=ask.page(limit, cursor),
    )
    found = await ask.services.routing.ListAgents(request)
    return ask.listed(found.agents, found.page)


@routes.get("/agents/{agent_id}", operation_id="get_agent", **gives(pb.Agent))
async def get_agent(ask: Ask, agent_id: Name) -> Response:
    """Return one agent."""
    return answer((await ask.services.routing.GetAgent(pb.GetAgentRequest(agent_id=agent_id))).agent)


@routes.put("/agents/{agent_id}", operation_id="put_agent", **takes(ON_THE_BUS))
async def put_agent(ask: Ask, agent_id: Name, settings: AgentBody) -> Response:
    """Create or change an agent."""
    works: dict[str, str] = {"schedule": settings.calendar} if settings.calendar else {}
    return await _put(ask, "agents", agent_id, settings, works)


@routes.post("/agents/{agent_id}/state", operation_id="set_agent_state", **takes(ON_THE_BUS))
async def set_agent_state(ask: Ask, agent_id: Name, asked: StateBody) -> Response:
    """Ask for another presence of an agent, or sign him out, as his supervisor."""
    by = ask.principal.subject
    fact: Fact
    if asked.state == "signed_out":
        fact = queue.AgentSignedOut(pool_id=asked.pool_id, agent_id=agent_id, by=by)
    else:
        fact = queue.AgentStateRequested(
            pool_id=asked.pool_id, agent_id=agent_id, state=asked.state, reason=asked.reason, by=by
        )
    return accepted(await ask.tell(fact, agent_journey(ask.principal.tenant, agent_id)))


@routes.get(
    "/contacts/{interaction_id}/explanation",
    operation_id="explain_contact",
    **gives(pb.ExplainAssignmentResponse),
)
async def explain_contact(ask: Ask, interaction_id: Name) -> Response:
    """Return why this agent: every decision about a contact, with who else was looked at."""
    request = pb.ExplainAssignmentRequest(interaction_id=interaction_id)
    return answer(await ask.services.routing.ExplainAssignment(request))


@routes.post("/contacts/{interaction_id}/move", operation_id="move_contact", **takes(ON_THE_BUS))
async def move_contact(ask: Ask, interaction_id: Name, move: MoveBody) -> Response:
    """Move a waiting contact to another queue, or change its priority."""
    if not move.to_queue_id and move.priority is None:
        raise Invalid(Violation("body", "names neither queue nor priority"))
    found, journey_id = await _contact(ask, interaction_id)
    fact = queue.ContactMoved(
        pool_id=found.pool_id,
        contact_id=interaction_id,
        by=ask.principal.subject,
        to_queue_id=move.to_queue_id,
        priority=move.priority,
        reason=move.reason,
    )
    return accepted(await ask.tell(fact, journey_id))


@routes.post("/contacts/{interaction_id}/direct", operation_id="direct_contact", **takes(ON_THE_BUS))
async def direct_contact(ask: Ask, interaction_id: Name, to: DirectBody) -> Response:
    """Give a contact that nobody serves yet to a certain agent, whatever his skills."""
    found, journey_id = await _contact(ask, interaction_id)
    fact = queue.ContactDirected(
        pool_id=found.pool_id,
        contact_id=interaction_id,
        agent_id=to.agent_id,
        by=ask.principal.subject,
        reason=to.reason,
    )
    return accepted(await ask.tell(fact, journey_id))


@routes.post("/contacts/{interaction_id}/take-back", operation_id="take_back_contact", **takes(ON_THE_BUS))
async def take_back_contact(ask: Ask, interaction_id: Name, asked: TakeBackBody) -> Response:
    """Take a contact from the agent who is offered or serves it, and let it wait again."""
    found, journey_id = await _contact(ask, interaction_id)
    fact = queue.ContactTakenBack(
        pool_id=found.pool_id, contact_id=interaction_id, by=ask.principal.subject, reason=asked.reason
    )
    return accepted(await ask.tell(fact, journey_id))


async def _contact(ask: Ask, interaction_id: str) -> tuple[Conversation, str]:
    """Return a contact that routing knows, and its journey. :raises NotFound: there is none of the tenant."""
    tenant = ask.principal.tenant
    found = await ask.parts.conversations.get(Key(tenant, interaction_id))
    if found is None or not found.pool_id:
        raise NotFound("contact", interaction_id)
    return found, found.journey_id or interaction_journey(tenant, interaction_id)
