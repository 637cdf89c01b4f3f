"""The gRPC door of the CRM context service."""

from datetime import datetime

from libs import paging
from libs.errors import Invalid, NotFound, Violation
from libs.mongo import MongoStore
from libs.rpc.common.v1 import common_pb2
from libs.rpc.crm_context.v1 import crm_context_pb2 as pb
from libs.rpc.crm_context.v1 import crm_context_pb2_grpc
from libs.rpc_server import Context, caller
from libs.stored import Key
from services.crm_context.checking import identity_of
from services.crm_context.domain.customer import Customer
from services.crm_context.domain.finding import asked_of
from services.crm_context.domain.pack import Pack
from services.crm_context.domain.trail import Trail
from services.crm_context.records import Records
from services.crm_context.store import SORTS, Customers, Directory, Wanted
from services.crm_context.views import customer_view, error_view, pack_view

SEES_ALL = ("agent", "supervisor", "admin", "service")  # others see identities in part
ERRORS_SHOWN = 1000
PLACES: dict[str, tuple[type, type]] = {
    "": (datetime, str),
    "name": (str, str),
    "created_at": (datetime, str),
    "updated_at": (datetime, str),
    "vip_level": (int, str),
}


class CrmContextRpc(crm_context_pb2_grpc.CrmContextServiceServicer):
    """Answers from the database, and changes records by commands."""

    def __init__(
        self,
        customers: Customers,
        packs: MongoStore[Pack],
        trails: MongoStore[Trail],
        directory: Directory,
        records: Records,
    ) -> None:
        self._customers = customers
        self._packs = packs
        self._trails = trails
        self._directory = directory
        self._records = records

    async def GetCustomer(self, request: pb.GetCustomerRequest, context: Context) -> pb.GetCustomerResponse:
        who = caller()
        customer = await self._customers.existing(Key(who.tenant, request.customer_id))
        return pb.GetCustomerResponse(customer=view(customer))

    async def LookUp(self, request: pb.LookUpRequest, context: Context) -> pb.LookUpResponse:
        who = caller()
        try:
            identity = identity_of(request.identity)
        except ValueError:
            raise Invalid(Violation("identity", "is no identity")) from None
        found = await self._directory.customers_by(who.tenant, [identity])
        if not found:
            raise NotFound("customer", f"by {identity.kind}")
        return pb.LookUpResponse(customer=view(next(iter(found.values()))))

    async def Search(self, request: pb.SearchRequest, context: Context) -> pb.SearchResponse:
        who = caller()
        if request.sort_by not in SORTS:
            raise Invalid(Violation("sort_by", f"must be one of {', '.join(filter(None, SORTS))}"))
        size = paging.size_of(request.page.page_size)
        wanted = Wanted(
            words=asked_of(request.text),
            tags=tuple(request.tags)[:20],
            min_vip_level=request.min_vip_level,
            sort_by=request.sort_by,
            descending=request.descending,
            after=paging.places_of(request.page.page_token, PLACES[request.sort_by]),
            limit=size + 1,
        )
        rows = await self._customers.search(who.tenant, wanted)
        token = paging.token_of(rows[size - 1][0]) if len(rows) > size else ""
        return pb.SearchResponse(
            customers=[view(customer) for _, customer in rows[:size]],
            page=common_pb2.PageResponse(next_page_token=token),
        )

    async def Upsert(self, request: pb.UpsertRequest, context: Context) -> pb.UpsertResponse:
        who = caller()
        customer, created = await self._records.upsert(who, request)
        return pb.UpsertResponse(customer=view(customer), created=created)

    async def Merge(self, request: pb.MergeRequest, context: Context) -> pb.MergeResponse:
        who = caller()
        return pb.MergeResponse(customer=view(await self._records.merge(who, request)))

    async def Delete(self, request: pb.DeleteRequest, context: Context) -> pb.DeleteResponse:
        who = caller()
        await self._records.delete(who, request)
        return pb.DeleteResponse()

    async def ImportCustomers(
        self, request: pb.ImportCustomersRequest, context: Context
    ) -> pb.ImportCustomersResponse:
        who = caller()
        counts, errors = await self._records.import_file(who, request)
        return pb.ImportCustomersResponse(
            created=counts.created,
            updated=counts.updated,
            unchanged=counts.unchanged,
            rejected=len(errors),
            errors=[error_view(each) for each in errors[:ERRORS_SHOWN]],
        )

    async def GetContextPack(
        self, request: pb.GetContextPackRequest, context: Context
    ) -> pb.GetContextPackResponse:
        who = caller()
        pack = await self._packs.get(Key(who.tenant, request.session_id))
        if pack is None or pack.prepared_at is None:
            raise NotFound("context_pack", request.session_id)
        customer: Customer | None = None
        if pack.customer_id:
            try:
                customer = await self._customers.existing(Key(who.tenant, pack.customer_id))
            except NotFound:  # deleted since
                customer = None
        trail = await self._trails.get(Key(who.tenant, pack.visitor_id)) if pack.visitor_id else None
        return pb.GetContextPackResponse(pack=pack_view(pack, customer, trail, mask=masks()))


def masks() -> bool:
    return caller().roles.isdisjoint(SEES_ALL)


def view(customer: Customer) -> pb.Customer:
    return customer_view(customer, mask=masks())
