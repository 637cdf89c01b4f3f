"""Callbacks: asked for by staff, listed, cancelled; what becomes of them is told by events."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from gateway.asking import Ask, Cursor, Limit, Name, NameQuery, accepted
from gateway.auth import DEFAULT_POOL
from gateway.journeys import interaction_journey
from gateway.openapi import body, gives, takes
from gateway.rest import router
from libs.errors import Invalid, NotFound, Violation
from libs.events import queue
from libs.events.base import Channel, Id, Identity, Language, OptionalId, Short, follow_id
from libs.rpc.routing.v1 import routing_pb2 as pb
from libs.stored import Key

routes = router("routing")
ON_ITS_WAY = "The request is on the bus; the callback's id is the `event_id`. Routing follows in order."


class CallbackBody(BaseModel):
    """Whom to call back, for which queue and when: `due_at`, or as soon as it is his turn."""

    model_config = body(
        queue_id="service",
        identities=[{"kind": "phone", "value": "+8613800000009"}],
        due_at="2030-03-04T02:30:00Z",
        reason="wants to hear of his loan",
    )
    pool_id: Id = DEFAULT_POOL
    queue_id: OptionalId = ""
    # A contact that waits and leaves its queue for it; its place is kept.
    interaction_id: OptionalId = ""
    customer_id: OptionalId = ""
    identities: Annotated[tuple[Identity, ...], Field(max_length=4)] = ()
    channel: Channel = "voice"
    due_at: AwareDatetime | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    language: Language = ""
    reason: Short = ""


class CancelBody(BaseModel):
    """Why the customer need not be called any more."""

    model_config = body(reason="he called again himself")
    reason: Short = ""


@routes.post("/callbacks", operation_id="request_callback", **takes(ON_ITS_WAY))
async def request_callback(ask: Ask, asked: CallbackBody) -> Response:
    """Ask that a customer be called back; what routing refuses it tells in `routing.callback_refused`."""
    if not (asked.interaction_id or asked.queue_id):
        raise Invalid(Violation("queue_id", "names neither queue nor contact"))
    if not (asked.interaction_id or asked.customer_id or asked.identities):
        raise Invalid(Violation("identities", "names nobody to call"))
    callback_id = follow_id(ask.request_id, f"{queue.CallbackRequested.type}/")
    tenant, pool_id = ask.principal.tenant, asked.pool_id
    journey_id = interaction_journey(tenant, callback_id)
    if asked.interaction_id:
        found = await ask.parts.conversations.get(Key(tenant, asked.interaction_id))
        if found is None or not found.pool_id:
            raise NotFound("contact", asked.interaction_id)
        pool_id, journey_id = found.pool_id, found.journey_id or journey_id
    fact = queue.CallbackRequested(
        pool_id=pool_id,
        callback_id=callback_id,
        queue_id=asked.queue_id,
        contact_id=asked.interaction_id,
        channel=asked.channel,
        due_at=asked.due_at,
        priority=asked.priority,
        language=asked.language,
        customer_id=asked.customer_id,
        reason=asked.reason,
        by=ask.principal.subject,
        pii=queue.CallbackPii(identities=asked.identities),
    )
    return accepted(await ask.tell(fact, journey_id))


@routes.get("/callbacks", operation_id="list_callbacks", **gives(pb.Callback, listed=True))
async def list_callbacks(
    ask: Ask, pool_id: NameQuery = "", queue_id: NameQuery = "", limit: Limit = 50, cursor: Cursor = ""
) -> Response:
    """Return the callbacks that are not over, by id."""
    request = pb.ListCallbacksRequest(pool_id=pool_id, queue_id=queue_id, page=ask.page(limit, cursor))
    found = await ask.services.routing.ListCallbacks(request)
    return ask.listed(found.callbacks, found.page)


@routes.post("/callbacks/{callback_id}/cancel", operation_id="cancel_callback", **takes(ON_ITS_WAY))
async def cancel_callback(ask: Ask, callback_id: Name, why: CancelBody) -> Response:
    """Let a callback go that no agent has taken; one that waits counts as abandoned."""
    found = await ask.services.routing.ListCallbacks(pb.ListCallbacksRequest(callback_id=callback_id))
    if not found.callbacks:
        raise NotFound("callback", callback_id)
    fact = queue.CallbackCancelled(
        pool_id=found.callbacks[0].pool_id,
        callback_id=callback_id,
        by=ask.principal.subject,
        reason=why.reason,
    )
    return accepted(await ask.tell(fact, interaction_journey(ask.principal.tenant, callback_id)))
