"""Run the audit: python -m services.audit"""

import asyncio
import random
from functools import partial

from libs import bus, clock, mongo, rpc_server, service, telemetry
from libs.backoff import Backoff
from libs.rpc.audit.v1.audit_pb2_grpc import add_AuditServiceServicer_to_server
from services.audit.handlers import GROUP, READ, SOURCE, Auditing, WhenSettled, keep_showing, show
from services.audit.progress import Progress
from services.audit.rpc import AuditServicer
from services.audit.settings import AuditSettings
from services.audit.store import ReachedByAll, Stores


async def main() -> None:
    settings = AuditSettings()
    telemetry.start("audit", settings.log_level, settings.otlp_endpoint)
    async with (
        mongo.connect(settings.mongo_url, settings.database_of("audit")) as database,
        bus.connect(settings, SOURCE) as kafka,
    ):
        progress = Progress(ReachedByAll(database).exchange)
        limits = settings.limits(progress.judged_from)
        stores = Stores(database, limits)
        await stores.create_indexes()
        for each in await stores.all_partitions():
            progress.note(each)
        for tenant, ledger in (await stores.all_ledgers()).items():
            show(tenant, ledger)
        auditing = Auditing(
            limits,
            progress,
            kafka,
            clock.now,
            contacts=stores.contacts,
            tellers=stores.tellers,
            intervals=stores.intervals,
            ledgers=stores.ledgers,
            partitions=stores.partitions,
            breaches=stores.breaches,
            wait=Backoff(random.random),
        )
        settled = partial(auditing.settled, settings.audit_settle_s)
        judging = (auditing.contacts, auditing.tellers, auditing.intervals, auditing.partitions)
        async with rpc_server.serve(
            partial(
                add_AuditServiceServicer_to_server,
                AuditServicer(stores, progress.judged_from, settled, clock.now),
            ),
            port=settings.grpc_port_of("audit"),
            secret=settings.service_secret,
            now=clock.now,
            host=settings.host,
        ):
            await service.run(
                "audit",
                settings.health_port_of("audit"),
                kafka.consume_records(GROUP, READ, auditing.handle, patient=True),
                service.keep_time(
                    [
                        progress,
                        *(WhenSettled(each, settled) for each in judging),
                        auditing.breaches,
                        auditing.ledgers,
                    ],
                    clock.now,
                ),
                keep_showing(stores.all_ledgers, settings.audit_check_s / 3),
                ready=partial(mongo.ping, database),
                host=settings.host,
            )


if __name__ == "__main__":
    asyncio.run(main())
