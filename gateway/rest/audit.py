"""The ledger: whether every contact is accounted for, what breaks a rule, and the account of one contact."""

from typing import Annotated, Literal

from fastapi import Query
from starlette.responses import Response

from gateway.asking import Ask, Cursor, Limit, Name, NameQuery, answer
from gateway.openapi import gives
from gateway.rest import router
from libs.rpc.audit.v1 import audit_pb2 as pb

routes = router("audit")


@routes.get("/audit", operation_id="get_audit", **gives(pb.Audit))
async def get_audit(ask: Ask) -> Response:
    """Return how the contacts stand, rule by rule, and how far the topics were read."""
    return answer((await ask.services.audit.GetAudit(pb.GetAuditRequest())).audit)


@routes.get("/audit/breaches", operation_id="list_audit_breaches", **gives(pb.Breach, listed=True))
async def list_audit_breaches(
    ask: Ask,
    rule: Annotated[str, Query(pattern=r"^(I\d{1,2})?$", description="Such as I2; none: all.")] = "",
    status: Annotated[Literal["", "open", "mended"], Query(description="None: both.")] = "",
    contact_id: NameQuery = "",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Response:
    """Return breaches, the newest first, each with links to the events that show it."""
    found = await ask.services.audit.ListBreaches(
        pb.ListBreachesRequest(rule=rule, status=status, contact_id=contact_id, page=ask.page(limit, cursor))
    )
    return ask.listed(found.breaches, found.page)


@routes.get("/audit/contacts/{contact_id}", operation_id="get_audit_account", **gives(pb.Account))
async def get_audit_account(ask: Ask, contact_id: Name) -> Response:
    """Return the account of one contact: every line of it with its event, and what breaks a rule."""
    return answer((await ask.services.audit.GetAccount(pb.GetAccountRequest(contact_id=contact_id))).account)
