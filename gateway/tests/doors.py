"""A gateway in memory for unit tests: no network, a local bus, and a token for everybody."""

from collections.abc import Sequence
from typing import Any, cast

import httpx

from gateway.app import application
from gateway.auth import Verifier
from gateway.cursor import Cursors
from gateway.doors import SocketDoors
from gateway.hub import Hub
from gateway.keys import VisitorTokens
from gateway.limits import Rates
from gateway.oidc import DevelopmentIssuer
from gateway.parts import Parts, Services
from gateway.settings import GatewaySettings
from gateway.tests.making import AUDIENCE, KEY, Clock, issuer, token
from libs.errors import Unavailable
from libs.local import LocalBus
from libs.wire import Record

SECRET = "a secret of the installation, long enough"


class DeadBus(LocalBus):
    """A bus that does not answer."""

    async def publish_records(self, records: Sequence[Record]) -> None:
        raise Unavailable("bus_unreachable", "the bus does not answer")


class Nowhere:
    """Services that are not there."""

    def __getattr__(self, name: str) -> "Nowhere":
        return self

    async def __call__(self, *request: object, **options: object) -> None:
        raise RuntimeError("a unit test asks no service")


class Door:
    """The whole application, asked without a socket."""

    def __init__(self, bus: LocalBus | None = None, **settings: Any) -> None:
        self.bus = bus or LocalBus()
        self.clock = Clock()
        chosen = GatewaySettings(service_secret=SECRET, **settings)
        visitors = VisitorTokens(SECRET, 600, self.clock)
        people = DevelopmentIssuer("http://127.0.0.1:8080/oidc", AUDIENCE, KEY, 600, self.clock)
        nothing: Any = None  # what these tests do not come to
        parts = Parts(
            settings=chosen,
            verifier=Verifier((issuer(), people.issuer, visitors.issuer), self.clock),
            rates=Rates(chosen),
            services=cast("Services", Nowhere()),
            bus=self.bus,
            answers=nothing,
            cursors=Cursors(SECRET),
            conversations=nothing,
            acts=nothing,
            doors=SocketDoors(chosen),
            feed=nothing,
            hub=cast("Hub", nothing),
            visitors=visitors,
            issuer=people,
            ready=self._ready,
            now=self.clock,
        )
        self.app = application(parts)

    async def _ready(self) -> None:
        return None

    async def ask(
        self, method: str, path: str, *roles: str, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """Send a request with a token of these roles; none: without a token."""
        sent = dict(headers or {})
        if roles:
            sent["authorization"] = f"Bearer {token(roles=list(roles))}"
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return await client.request(method, path, headers=sent, **more)


__all__ = ["DeadBus", "Door"]
