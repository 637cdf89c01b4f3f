"""Run the gateway: python -m gateway"""

import logging
import random
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

import httpx
import uvicorn
import uvloop

from gateway import hub as hubs
from gateway import oidc, parts
from gateway.acts import Acts
from gateway.app import application
from gateway.auth import Issuer, Verifier
from gateway.cursor import Cursors
from gateway.doors import SocketDoors
from gateway.feed import GROUP, SOURCE, WANTED, Feed
from gateway.hub import Hub
from gateway.idempotency import Answers
from gateway.keys import RemoteKeys, VisitorTokens
from gateway.limits import FRAME, Rates
from gateway.pages import MongoPages
from gateway.parts import Parts
from gateway.patience import Patience
from gateway.settings import GatewaySettings
from gateway.sockets.protocol import SocketProtocol
from gateway.store import CONVERSATIONS, STREAMS
from libs import bus, clock, mongo, service, telemetry
from libs.backoff import Backoff
from libs.mongo import MongoStore
from libs.rpc_caller import key_of

STOPPING_S = 10


async def main() -> None:
    settings = GatewaySettings()
    telemetry.start("gateway", settings.log_level, settings.otlp_endpoint)
    # It logs the addresses of sockets, and a browser's token stands in these.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    key_of(settings.service_secret)  # a secret too short is said at once, not at the first call
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            mongo.connect(settings.mongo_url, settings.database_of("gateway"))
        )
        kafka = await stack.enter_async_context(
            bus.connect(settings, SOURCE, patience_s=settings.gateway_publish_timeout_s)
        )
        services = await stack.enter_async_context(parts.services(settings, clock.now))
        conversations, streams = MongoStore(database, CONVERSATIONS), MongoStore(database, STREAMS)
        answers = Answers(database, clock.now)
        resume_for = timedelta(seconds=settings.gateway_resume_s)
        pages, acts = MongoPages(database, resume_for), Acts(database, clock.now, resume_for)
        for each in (conversations, streams, pages, acts, answers):
            await each.create_indexes()
        visitors = VisitorTokens(settings.service_secret, settings.gateway_token_s, clock.now)
        issuer: oidc.DevelopmentIssuer | None = None
        if settings.issues_tokens:
            key = oidc.load_key(settings.data_dir)
            issuer = oidc.DevelopmentIssuer(
                settings.issuer, settings.oidc_audience, key, settings.gateway_token_s, clock.now
            )
            people = issuer.issuer
        else:
            client = await stack.enter_async_context(httpx.AsyncClient())
            keys = RemoteKeys(client, settings.issuer, settings.oidc_jwks_url, clock.now)
            people = Issuer(settings.issuer, settings.oidc_audience, keys)
        hub = Hub(MongoStore(mongo.committed(database), STREAMS), pages)
        feed = Feed(conversations, streams, hub, clock.now, resume_for, Backoff(random.random))
        doors = SocketDoors(settings)
        ready = service.Readiness(partial(mongo.ping, database))
        app = application(
            Parts(
                settings=settings,
                verifier=Verifier((people, visitors.issuer), clock.now),
                rates=Rates(settings),
                services=services,
                bus=kafka,
                answers=answers,
                cursors=Cursors(settings.service_secret),
                conversations=conversations,
                acts=acts,
                doors=doors,
                feed=feed,
                hub=hub,
                visitors=visitors,
                issuer=issuer,
                ready=ready,
                now=clock.now,
            )
        )
        server = service.Server(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.gateway_port,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                http=Patience,
                proxy_headers=bool(settings.gateway_trusted_proxies),
                forwarded_allow_ips=settings.gateway_trusted_proxies,
                ws=SocketProtocol,
                ws_max_size=FRAME,
                ws_ping_interval=settings.gateway_ping_s,
                ws_ping_timeout=settings.gateway_ping_s,
                timeout_graceful_shutdown=STOPPING_S,
            ),
            doors.leave,
        )
        await service.run(
            "gateway",
            settings.health_port_of("gateway"),
            server.serve(),
            kafka.consume(GROUP, WANTED, feed),
            hubs.watch(streams, hub),
            service.keep_time([feed.conversations, feed.streams], clock.now),
            ready=ready,
            host=settings.host,
            drain_s=settings.gateway_drain_s,
        )


if __name__ == "__main__":
    uvloop.run(main())
