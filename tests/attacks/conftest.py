"""One platform with two tenants, shared by all attacks: they look for holes, not for state."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import httpx
import pytest

from gateway.auth import ROLES
from libs import clock
from libs.rpc_caller import Caller, Signer
from tests.attacks import world
from tests.attacks.surface import Route, Rpc, routes_of, rpcs_of, sent
from tests.attacks.tokens import Mint
from tests.attacks.world import World
from tests.servers import broker_server, mongo_server
from tests.stack import Stack, running_stack

# Attacks come from one address and few people: the limits have tests of their own.
PATIENT = {
    "TRUNKLINE_GATEWAY_REQUESTS_PER_S": "100000",
    "TRUNKLINE_GATEWAY_VISITORS_PER_S": "100000",
    "TRUNKLINE_GATEWAY_COMMANDS_PER_S": "100000",
    "TRUNKLINE_GATEWAY_SOCKETS_OF_ONE": "1000",
}


# `make attacks EXAMPLES=200 SEED=7`; the short run is part of `make test`.
EXAMPLES = int(os.environ.get("ATTACK_EXAMPLES", "25"))  # schemathesis sends of each operation
SEED = int(os.environ.get("ATTACK_SEED", "1"))


@dataclass(frozen=True)
class Target:
    """The platform under attack, as an attacker in tenant `mine` sees it, and what he wants: `theirs`."""

    stack: Stack
    mint: Mint
    mine: World
    theirs: World

    @property
    def url(self) -> str:
        return self.stack.gateway_url

    @property
    def socket_url(self) -> str:
        return f"ws{self.url.removeprefix('http')}"

    @property
    def all_roles(self) -> tuple[str, ...]:
        return tuple(sorted(ROLES))

    def client(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=32)
        return httpx.AsyncClient(base_url=self.url, timeout=30, trust_env=False, limits=limits)

    @cached_property
    def document(self) -> dict[str, object]:
        with httpx.Client(trust_env=False) as client:
            return dict(client.get(f"{self.url}/openapi.json").json())

    @cached_property
    def routes(self) -> list[Route]:
        return routes_of(self.document)

    @cached_property
    def rpcs(self) -> list[Rpc]:
        return rpcs_of(self.stack.addresses)

    def token(self, *roles: str, of: World | None = None, subject: str = "") -> str:
        """Return a good token of somebody with these roles; an agent is the one that has served."""
        tenant = of or self.mine
        name = subject or (tenant.agent_id if "agent" in roles else f"{'-'.join(roles) or 'nobody'}-1")
        return self.mint.token(tenant.tenant, name, *roles)

    def service_token(self, *roles: str, of: World | None = None, secret: str = "") -> str:
        """Return what one service shows another on behalf of somebody with these roles."""
        tenant = of or self.mine
        subject = tenant.agent_id if "agent" in roles else "somebody"
        signer = Signer(secret or self.stack.env["TRUNKLINE_SERVICE_SECRET"], "gateway", clock.now)
        return signer.token(Caller(tenant.tenant, subject, frozenset(roles)))


def raw(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    """Return headers as bytes, so that a client sends whatever stands in them."""
    return {name.encode(): value.encode() for name, value in headers.items()}


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Give a running platform, shared by all attacks."""
    folders = [tmp_path_factory.mktemp(name) for name in ("mongo", "broker", "stack")]
    with (
        mongo_server(folders[0]) as mongo,
        broker_server(folders[1]) as broker,
        running_stack(folders[2], mongo.address, broker.address, PATIENT) as running,
    ):
        yield running


@pytest.fixture(scope="package")
def target(stack: Stack) -> Target:
    """Give the platform with two tenants in it."""
    mint = Mint.of(stack)
    with ThreadPoolExecutor(1) as pool:  # a loop of its own, which no test's loop gets in the way of
        settling = world.both(stack.gateway_url, stack.env["TRUNKLINE_KAFKA_BOOTSTRAP"], mint)
        mine, theirs = pool.submit(asyncio.run, settling).result()
    return Target(stack, mint, mine, theirs)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much was sent."""
    if sent:
        terminalreporter.write_line("attacks sent: " + ", ".join(f"{n} {what}" for what, n in sent.items()))
