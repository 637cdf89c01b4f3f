"""Every role at every door: who gets in is who the tables name, and nobody else."""

from typing import Any

import grpc
import pytest
import websockets
from google.rpc.error_details_pb2 import ErrorInfo

from gateway import permissions
from gateway.roles import FILE, page
from libs import rpc_roles
from libs.rpc_caller import SERVICE_ROLE
from libs.rpc_status import details_of
from tests.attacks.conftest import Target
from tests.attacks.filling import messages_of, request_of
from tests.attacks.surface import Route, Rpc, gathered, nothing_in, sockets
from tests.attacks.tokens import EVERY_ROLE, NOBODY

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

# Names of nothing that is there, so that what is allowed destroys nothing; what exists is not asked here.
NAMES = (
    "customer_id", "session_id", "interaction_id", "journey_id", "ticket_id", "recording_id", "queue_id",
    "agent_id", "team_id", "flow_id", "strategy_id", "letter_id", "decision_id", "pool_id", "key",
    "visitor_id", "offer_id", "event_id", "item_id", "callback_id",
)  # fmt: skip
NOTHING = {name: f"none-{name.replace('_', '-')}" for name in NAMES} | {
    "channel": "chat",
    "section": "reasons",
}


def granted(role: str) -> tuple[str, ...]:
    return () if role == NOBODY else (role,)


async def test_every_route_lets_in_whom_the_table_names(target: Target) -> None:
    async def denied(route: Route, role: str) -> str | None:
        request = request_of(route, target.mine.ids | NOTHING)
        headers = request.sent.pop("headers") | {"authorization": f"Bearer {target.token(*granted(role))}"}
        answer = await client.request(**(request.sent | {"headers": headers}))
        is_in = answer.status_code != 403 or answer.json()["code"] != "role_missing"
        should = route.name in permissions.PUBLIC or role in permissions.ALLOWED.get(route.name, ())
        good = is_in == should and answer.status_code < 500 and answer.status_code != 401
        return None if good else f"{route} as {role}: {answer.status_code} {answer.text[:200]}"

    async with target.client() as client:
        wrong = await gathered(denied(route, role) for route in target.routes for role in EVERY_ROLE)

    nothing_in(wrong)


async def test_every_rpc_lets_in_whom_the_table_names(target: Target) -> None:
    channels: dict[str, grpc.aio.Channel] = {}

    async def denied(rpc: Rpc, role: str) -> str | None:
        metadata = (("authorization", f"Bearer {target.service_token(*granted(role))}"),)
        requests = list(messages_of(rpc, target.mine.ids | NOTHING))[:1]
        code, reason = "OK", ""
        try:
            await rpc.call(channels[rpc.address], requests, metadata=metadata, timeout=3)
        except grpc.aio.AioRpcError as error:
            code, reason = error.code().name, reason_of(error)
        is_in = reason != "role_missing"
        should = role in rpc_roles.ALLOWED.get(rpc.name, ())
        good = is_in == should and code not in ("INTERNAL", "UNKNOWN", "UNAUTHENTICATED", "UNIMPLEMENTED")
        return None if good else f"{rpc.name} as {role}: {code} {reason}"

    roles = (*EVERY_ROLE, SERVICE_ROLE)
    for rpc in target.rpcs:
        channels.setdefault(rpc.address, grpc.aio.insecure_channel(rpc.address))
    try:
        wrong = await gathered(denied(rpc, role) for rpc in target.rpcs for role in roles)
    finally:
        for channel in channels.values():
            await channel.close()

    nothing_in(wrong)


def reason_of(error: grpc.aio.AioRpcError) -> str:
    info = ErrorInfo()
    for packed in details_of(error):
        if packed.Is(ErrorInfo.DESCRIPTOR):
            packed.Unpack(info)
    return str(info.reason)


async def test_every_socket_lets_in_whom_the_table_names(target: Target) -> None:
    async def opened(path: str, role: str) -> int:
        headers = {"authorization": f"Bearer {target.token(*granted(role))}"}
        url = target.socket_url + path.replace("{interaction_id}", "none-1")
        try:
            async with websockets.connect(url, additional_headers=headers, proxy=None, open_timeout=20):
                return 101
        except websockets.InvalidStatus as refused:
            return refused.response.status_code

    async def wrong(name: str, path: str, role: str) -> Any:
        status = await opened(path, role)
        expected = 101 if role in permissions.ALLOWED[name] else 403
        return None if status == expected else f"{path} as {role}: {status}"

    found = await gathered(wrong(name, path, role) for name, path in sockets().items() for role in EVERY_ROLE)

    nothing_in(found)


def test_the_committed_table_is_what_is_declared() -> None:
    assert FILE.read_text("utf-8") == page()
