"""Run analytics: python -m services.analytics"""

import asyncio
import random
from functools import partial

from libs import bus, clock, election, mongo, objects, rpc_server, service, telemetry
from libs.backoff import Backoff
from libs.pause import Pause
from libs.rpc.analytics.v1.analytics_pb2_grpc import add_AnalyticsServiceServicer_to_server
from services.analytics import archive
from services.analytics.handlers import SOURCE, WANTED, Counting
from services.analytics.rpc import AnalyticsServicer
from services.analytics.settings import AnalyticsSettings
from services.analytics.store import Stores

# One reader of each topic keeps its dead letters; those of the adapters and the pools have their own.
KEEPS = frozenset(
    f"trunkline.{owner}"
    for owner in (
        "session",
        "routing",
        "agent",
        "ivr",
        "crm_context",
        "workflow",
        "recording",
        "repair",
        "audit",
    )
)


async def main() -> None:
    settings = AnalyticsSettings()
    telemetry.start("analytics", settings.log_level, settings.otlp_endpoint)
    async with (
        mongo.connect(settings.mongo_url, settings.database_of("analytics")) as database,
        bus.connect(settings, SOURCE) as kafka,
    ):
        stores = Stores(database)
        await stores.create_indexes()
        wait = Backoff(random.random)
        counting = Counting(stores.contacts, stores.agents, stores.intervals, kafka, clock.now, wait=wait)
        servicer = AnalyticsServicer(stores, clock.now)
        pause = Pause(database, "analytics")
        chosen = election.choose(settings.election, database, settings.holder())
        async with rpc_server.serve(
            partial(add_AnalyticsServiceServicer_to_server, servicer),
            port=settings.grpc_port_of("analytics"),
            secret=settings.service_secret,
            now=clock.now,
            host=settings.host,
        ):
            await service.run(
                "analytics",
                settings.health_port_of("analytics"),
                kafka.consume(
                    "analytics",
                    WANTED,
                    pause.reader(counting.handle),
                    keeps_dead_letters_of=KEEPS,
                    patient=True,
                ),
                archive.run(
                    kafka,
                    objects.of(settings),
                    database,
                    chosen,
                    clock.now,
                    flush_s=settings.archive_flush_s,
                    compact_every_s=settings.archive_compact_every_s,
                ),
                service.keep_time(
                    [pause.timed(each) for each in (counting.contacts, counting.agents, counting.intervals)],
                    clock.now,
                ),
                pause.watch(),
                ready=partial(mongo.ping, database),
                host=settings.host,
            )


if __name__ == "__main__":
    asyncio.run(main())
