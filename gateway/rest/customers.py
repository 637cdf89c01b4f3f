"""Customers: search, records with versions, merging, import."""

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from gateway.asking import Ask, Asked, Cursor, Limit, Name, answer
from gateway.openapi import body, content, gives
from gateway.rest import router
from libs.errors import Invalid, Unsupported, Violation
from libs.events.base import Identity
from libs.rpc.common.v1 import common_pb2
from libs.rpc.crm_context.v1 import crm_context_pb2 as pb
from libs.structs import struct_of

routes = router("customers")
Tag = Annotated[str, Field(max_length=64)]
IMPORT_S = 60.0


class CustomerBody(BaseModel):
    """A customer as staff write him down."""

    model_config = body(
        name="王芳",
        identities=[{"kind": "phone", "value": "+8613800000001"}],
        profile={"city": "Shanghai"},
        tags=["demo"],
        vip_level=1,
        language="zh-CN",
    )
    name: Annotated[str, Field(max_length=256)] = ""
    identities: Annotated[list[Identity], Field(max_length=50)] = []
    profile: Annotated[dict[str, Any], Field(max_length=200)] = {}
    tags: Annotated[list[Tag], Field(max_length=100)] = []
    vip_level: Annotated[int, Field(ge=0, le=100)] = 0
    language: Annotated[str, Field(max_length=16)] = ""
    preferred_agent_id: Annotated[str, Field(max_length=128)] = ""

    def message(self, customer_id: str) -> pb.Customer:
        return pb.Customer(
            customer_id=customer_id,
            name=self.name,
            identities=[common_pb2.Identity(kind=each.kind, value=each.value) for each in self.identities],
            profile=struct_of(self.profile),
            tags=self.tags,
            vip_level=self.vip_level,
            language=self.language,
            preferred_agent_id=self.preferred_agent_id,
        )


class MergeBody(BaseModel):
    """Who turned out to be the same person."""

    model_config = body(source_customer_id="cu-1002", reason="same phone")
    source_customer_id: Annotated[str, Field(min_length=1, max_length=128)]
    reason: Annotated[str, Field(max_length=256)] = ""


@routes.get("/customers", operation_id="list_customers", **gives(pb.Customer, listed=True))
async def list_customers(
    ask: Ask,
    text: Annotated[str, Query(max_length=256)] = "",
    tag: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006  (FastAPI copies it)
    min_vip_level: Annotated[int, Query(ge=0, le=100)] = 0,
    sort_by: Literal["", "name", "created_at", "updated_at", "vip_level"] = "",
    descending: bool = False,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Response:
    """Find customers by the beginnings of words of name, identities and tags."""
    found = await ask.services.crm_context.Search(
        pb.SearchRequest(
            text=text,
            tags=tag,
            min_vip_level=min_vip_level,
            sort_by=sort_by,
            descending=descending,
            page=ask.page(limit, cursor),
        )
    )
    return ask.listed(found.customers, found.page)


@routes.get("/customers/lookup", operation_id="look_up_customer", **gives(pb.Customer))
async def look_up_customer(
    ask: Ask,
    kind: Annotated[str, Query(max_length=32)],
    value: Annotated[str, Query(min_length=1, max_length=256)],
) -> Response:
    """Return the customer known by an identity."""
    request = pb.LookUpRequest(identity=common_pb2.Identity(kind=kind, value=value))
    return answer((await ask.services.crm_context.LookUp(request)).customer)


@routes.post("/customers", operation_id="create_customer", **gives(pb.Customer, 201, or_else=200))
async def create_customer(ask: Ask, customer: CustomerBody) -> Response:
    """Create a customer."""
    return await _upsert(ask, customer.message(""), [], None)


@routes.post(
    "/customers/import",
    operation_id="import_customers",
    openapi_extra=content("text/csv", "name,identity.phone\n王芳,+8613800000001\n"),
    **gives(pb.ImportCustomersResponse),
)
async def import_customers(
    ask: Ask,
    dry_run: bool = False,
    column: Annotated[
        list[str], Query(max_length=100, description="`<column of the file>:<field>`, repeated.")
    ] = [],  # noqa: B006  (FastAPI copies it)
) -> Response:
    """Create or change customers from a CSV file (UTF-8, a header row, at most 4 MiB) sent as text/csv."""
    media_type = ask.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "text/csv":
        raise Unsupported("unsupported_media_type", "send the file as text/csv")
    columns: dict[str, str] = {}
    for each in column:
        name, colon, field = each.rpartition(":")
        if not colon:
            raise Invalid(Violation("column", "must be <column of the file>:<field>"))
        columns[name] = field
    request = pb.ImportCustomersRequest(
        csv=await ask.request.body(), columns=columns, dry_run=dry_run, request_id=ask.request_id
    )
    return answer(await ask.services.crm_context.ImportCustomers(request, timeout=IMPORT_S))


@routes.get("/customers/{customer_id}", operation_id="get_customer", **gives(pb.Customer))
async def get_customer(ask: Ask, customer_id: Name) -> Response:
    """Return one customer; for one merged into another, that other."""
    found = await ask.services.crm_context.GetCustomer(pb.GetCustomerRequest(customer_id=customer_id))
    return answer(found.customer)


@routes.put("/customers/{customer_id}", operation_id="replace_customer", **gives(pb.Customer, or_else=201))
async def replace_customer(ask: Ask, customer_id: Name, customer: CustomerBody) -> Response:
    """Write all of a customer; what is not given is emptied. If-Match guards against overwriting."""
    fields = list(CustomerBody.model_fields)
    return await _upsert(ask, customer.message(customer_id), fields, ask.expected_version)


@routes.patch("/customers/{customer_id}", operation_id="change_customer", **gives(pb.Customer))
async def change_customer(ask: Ask, customer_id: Name, customer: CustomerBody) -> Response:
    """Change the fields given of a customer who is there. If-Match guards against overwriting."""
    if not customer.model_fields_set:
        raise Invalid(Violation("body", "names no field to change"))
    crm = ask.services.crm_context
    present = (await crm.GetCustomer(pb.GetCustomerRequest(customer_id=customer_id))).customer
    request = pb.UpsertRequest(
        customer=customer.message(present.customer_id),
        fields=sorted(customer.model_fields_set),
        expected_version=ask.expected_version,
        request_id=ask.request_id,
        only_existing=True,
    )
    return answer((await crm.Upsert(request)).customer)


@routes.delete("/customers/{customer_id}", operation_id="delete_customer", status_code=204)
async def delete_customer(ask: Ask, customer_id: Name) -> Response:
    """Delete a customer with all identities."""
    await ask.services.crm_context.Delete(
        pb.DeleteRequest(
            customer_id=customer_id, expected_version=ask.expected_version, request_id=ask.request_id
        )
    )
    return Response(status_code=204)


@routes.post("/customers/{customer_id}/merge", operation_id="merge_customers", **gives(pb.Customer))
async def merge_customers(ask: Ask, customer_id: Name, merge: MergeBody) -> Response:
    """Merge another customer into this one; the other's id leads here from then on."""
    merged = await ask.services.crm_context.Merge(
        pb.MergeRequest(
            source_customer_id=merge.source_customer_id,
            target_customer_id=customer_id,
            reason=merge.reason,
            request_id=ask.request_id,
        )
    )
    return answer(merged.customer)


async def _upsert(ask: Asked, customer: pb.Customer, fields: list[str], expected: int | None) -> Response:
    request = pb.UpsertRequest(
        customer=customer, fields=fields, expected_version=expected, request_id=ask.request_id
    )
    kept = await ask.services.crm_context.Upsert(request)
    location = f"/v1/customers/{kept.customer.customer_id}"
    return answer(kept.customer, 201 if kept.created else 200, location=location if kept.created else "")


__all__ = ["routes"]
