"""Who asks, and how a stranger becomes a visitor."""

from typing import Annotated
from uuid import uuid4

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from gateway.asking import Ask, json_answer
from gateway.openapi import answers, body
from gateway.parts import Parts
from gateway.rest import router
from libs.errors import Forbidden

routes = router("identity")
ME = {
    "tenant": "demo",
    "subject": "agent1",
    "roles": ["agent"],
    "agent_id": "agent1",
    "pool_id": "main",
}
VISITOR = {"visitor_id": "v-1", "access_token": "...", "token_type": "Bearer", "expires_in": 3600}
OBJECT = {"type": "object"}


class VisitorBody(BaseModel):
    """Whose customer the stranger wants to be."""

    model_config = body(tenant="demo")
    tenant: Annotated[str, Field(min_length=1, max_length=128)]


@routes.get("/me", operation_id="get_me", **answers(OBJECT, ME))
async def get_me(ask: Ask) -> Response:
    """Return what the token says of its bearer."""
    me = ask.principal
    return json_answer(
        {
            "tenant": me.tenant,
            "subject": me.subject,
            "roles": sorted(me.roles),
            "agent_id": me.agent_id if "agent" in me.roles else "",
            "pool_id": me.pool_id,
            "expires_at": int(me.expires_at),
        }
    )


@routes.post("/visitors", operation_id="create_visitor", **answers(OBJECT, VISITOR, 201))
async def create_visitor(request: Request, visitor: VisitorBody) -> Response:
    """Make a stranger a visitor with a token of his own, for the chat and for telling of his visit."""
    parts: Parts = request.app.state.parts
    parts.rates.count_visitor(request.client.host if request.client else "")
    if visitor.tenant not in parts.settings.chat_tenants:
        raise Forbidden("no_public_chat", "this tenant has no chat for strangers")
    visitor_id = f"v-{uuid4().hex}"
    made = {
        "visitor_id": visitor_id,
        "access_token": parts.visitors.issue(visitor.tenant, visitor_id),
        "token_type": "Bearer",
        "expires_in": parts.visitors.lifetime_s,
    }
    return json_answer(made, 201, {"Cache-Control": "no-store"})
