"""The table of RPC roles: complete, and kept by the guard."""

from functools import partial

import pytest

from libs import clock, rpc_client, rpc_roles
from libs.errors import Forbidden
from libs.rpc.workflow.v1 import workflow_pb2 as pb
from libs.rpc.workflow.v1.workflow_pb2_grpc import (
    WorkflowServiceServicer,
    WorkflowServiceStub,
    add_WorkflowServiceServicer_to_server,
)
from libs.rpc_caller import Caller, acting_for
from libs.rpc_server import Context, serve

SECRET = "a secret that only these tests know"
CLOSE = "trunkline.workflow.v1.WorkflowService/CloseTicket"


class Workflow(WorkflowServiceServicer):
    """Answers whoever is let in."""

    async def CloseTicket(self, request: pb.CloseTicketRequest, context: Context) -> pb.CloseTicketResponse:
        return pb.CloseTicketResponse()


def somebody(*roles: str) -> Caller:
    return Caller("acme", "ana", frozenset(roles))


def test_it_allows_nobody_what_is_not_in_the_table() -> None:
    with pytest.raises(Forbidden, match="nobody"):
        rpc_roles.check(somebody("admin", "service"), "trunkline.workflow.v1.WorkflowService/EraseEverything")


def test_it_allows_a_role_of_several() -> None:
    rpc_roles.check(somebody("analyst", "agent"), CLOSE)


def test_it_allows_services_all_that_they_are_there_for() -> None:
    assert [method for method, roles in rpc_roles.ALLOWED.items() if "service" not in roles] == []


async def test_the_guard_lets_in_whom_the_table_names_only() -> None:
    register = partial(add_WorkflowServiceServicer_to_server, Workflow())  # type: ignore[abstract]  # one is asked
    async with (
        serve(register, port=0, secret=SECRET, now=clock.now) as serving,
        rpc_client.channel(f"127.0.0.1:{serving.port}", SECRET, "test", clock.now) as channel,
    ):
        stub = WorkflowServiceStub(channel)
        with acting_for(somebody("agent")):
            await stub.CloseTicket(pb.CloseTicketRequest())
        with acting_for(somebody("analyst")), pytest.raises(Forbidden) as raised:
            await stub.CloseTicket(pb.CloseTicketRequest())

    assert raised.value.reason == "role_missing"
