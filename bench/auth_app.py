"""The gateway's ingestion by itself; BENCH_AUTH: tokens remembered, verified each time, or not looked at."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from gateway import oidc
from gateway.auth import Principal, Verifier
from gateway.ingest import PATH, Ingest
from gateway.limits import Rates
from gateway.settings import GatewaySettings
from libs import bus, clock, service
from libs.rpc_caller import Caller

SETTINGS = GatewaySettings()
ISSUER = oidc.DevelopmentIssuer(
    SETTINGS.issuer, SETTINGS.oidc_audience, oidc.load_key(SETTINGS.data_dir), 3600, clock.now
)
ADAPTER = frozenset({"adapter"})


class Forgetful(Verifier):
    """Verifies each token anew, signature and all."""

    async def verify(self, token: str) -> Principal:
        return await self._verify(token)


class Trusting(Verifier):
    """Looks at no token: everybody is the same adapter."""

    somebody = Principal(
        "demo", "adapter1", ADAPTER, "adapter1", "main", 4e9, Caller("demo", "adapter1", ADAPTER)
    )

    async def verify(self, token: str) -> Principal:
        return self.somebody


VERIFIERS: dict[str, type[Verifier]] = {"cached": Verifier, "each": Forgetful, "off": Trusting}


class Door:
    """Hands requests to the ingestion, which needs a bus that is open."""

    ingest: Ingest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.ingest(scope, receive, send)


DOOR = Door()


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    service.spare_the_collector()
    verifier = VERIFIERS[os.environ["BENCH_AUTH"]]((ISSUER.issuer,), clock.now)
    async with bus.connect(SETTINGS, "/bench", patience_s=10.0) as kafka:
        DOOR.ingest = Ingest(kafka, verifier, Rates(SETTINGS), clock.now)
        yield


app = Starlette(
    routes=[Route(PATH, DOOR, methods=["POST"]), Mount("/", routes=ISSUER.routes())], lifespan=lifespan
)
