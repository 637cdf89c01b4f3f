"""Every route, socket and RPC is known to the attacks, by itself: what cannot be asked fails here."""

import pytest

from gateway import openapi, permissions
from gateway.app import api
from libs.rpc_roles import ALLOWED as RPC_ROLES
from tests.attacks.conftest import Target
from tests.attacks.filling import Unfillable, messages_of, request_of
from tests.attacks.surface import contracts, nothing_in, routes_of, sockets

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]


def test_it_serves_the_description_that_is_committed(target: Target) -> None:
    assert {str(route) for route in target.routes} == {
        str(route) for route in routes_of(openapi.describe(api()))
    }


def test_every_rpc_of_the_contracts_is_served_and_nothing_else_is(target: Target) -> None:
    assert {rpc.name for rpc in target.rpcs} == set(contracts())


def test_it_knows_how_to_ask_every_route_and_every_rpc(target: Target) -> None:
    unknown: list[str] = []
    for route in target.routes:
        try:
            request_of(route, target.theirs.ids, ask_all=True)
        except (Unfillable, KeyError) as problem:
            unknown.append(f"{route}: {problem!r}")
    for rpc in target.rpcs:
        try:
            list(messages_of(rpc, target.theirs.ids))
        except Unfillable as problem:
            unknown.append(str(problem))

    nothing_in(unknown)


def test_every_route_socket_and_rpc_has_its_roles(target: Target) -> None:
    named = {route.name for route in target.routes} | set(sockets())

    assert named <= set(permissions.ALLOWED) | permissions.PUBLIC
    assert {rpc.name for rpc in target.rpcs} == set(RPC_ROLES)
