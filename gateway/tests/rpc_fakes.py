"""Two services that answer by heart."""

from libs.errors import NotFound
from libs.rpc.crm_context.v1 import crm_context_pb2 as crm
from libs.rpc.crm_context.v1.crm_context_pb2_grpc import CrmContextServiceServicer
from libs.rpc.workflow.v1 import workflow_pb2 as workflow
from libs.rpc.workflow.v1.workflow_pb2_grpc import WorkflowServiceServicer
from libs.rpc_caller import caller
from libs.rpc_server import Context


class Crm(CrmContextServiceServicer):
    """Prepares a pack at the second time of asking, as the real one may."""

    def __init__(self) -> None:
        self.asked = 0

    async def GetContextPack(
        self, request: crm.GetContextPackRequest, context: Context
    ) -> crm.GetContextPackResponse:
        self.asked += 1
        if self.asked < 2:
            raise NotFound("context_pack", request.session_id)
        customer = crm.Customer(customer_id="cu-1", name="王芳", version=3)
        pack = crm.ContextPack(session_id=request.session_id, customer=customer)
        return crm.GetContextPackResponse(pack=pack)

    async def GetCustomer(self, request: crm.GetCustomerRequest, context: Context) -> crm.GetCustomerResponse:
        if caller().tenant != "demo":
            raise NotFound("customer", request.customer_id)
        return crm.GetCustomerResponse(customer=crm.Customer(customer_id=request.customer_id, version=3))


class Workflow(WorkflowServiceServicer):
    """Opens tickets, and remembers by which ids it was asked."""

    def __init__(self) -> None:
        self.request_ids: list[str] = []

    async def OpenTicket(
        self, request: workflow.OpenTicketRequest, context: Context
    ) -> workflow.OpenTicketResponse:
        self.request_ids.append(request.request_id)
        ticket = workflow.Ticket(ticket_id=f"T-{len(self.request_ids)}", type=request.type, version=1)
        return workflow.OpenTicketResponse(ticket=ticket)
