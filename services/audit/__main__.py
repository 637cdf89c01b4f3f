"""Run the audit: python -m services.audit"""

import asyncio
from functools import partial

from libs import bus, clock, mongo, rpc_server, service, telemetry
from libs.rpc.audit.v1.audit_pb2_grpc import add_AuditServiceServicer_to_server
from services.audit.handlers import GROUP, READ, SOURCE, Auditing, JudgedFrom, WhenSettled, show
from services.audit.rpc import AuditServicer
from services.audit.settings import AuditSettings
from services.audit.store import Stores


async def main() -> None:
    settings = AuditSettings()
    telemetry.start("audit", settings.log_level, settings.otlp_endpoint)
    async with (
        mongo.connect(settings.mongo_url, settings.database_of("audit")) as database,
        bus.connect(settings, SOURCE) as kafka,
    ):
        judged_from = JudgedFrom()
        limits = settings.limits(judged_from)
        stores = Stores(database, limits)
        await stores.create_indexes()
        for each in await stores.all_partitions():
            judged_from.note(each)
        for tenant, ledger in (await stores.all_ledgers()).items():
            show(tenant, ledger)
        auditing = Auditing(
            limits,
            judged_from,
            kafka,
            clock.now,
            contacts=stores.contacts,
            tellers=stores.tellers,
            intervals=stores.intervals,
            ledgers=stores.ledgers,
            partitions=stores.partitions,
            breaches=stores.breaches,
        )
        settled = partial(auditing.settled, settings.audit_settle_s)
        judging = (auditing.contacts, auditing.tellers, auditing.intervals, auditing.partitions)
        async with rpc_server.serve(
            partial(
                add_AuditServiceServicer_to_server,
                AuditServicer(stores, judged_from, settled, clock.now),
            ),
            port=settings.grpc_port_of("audit"),
            secret=settings.service_secret,
            now=clock.now,
            host=settings.host,
        ):
            await service.run(
                "audit",
                settings.health_port_of("audit"),
                kafka.consume_records(GROUP, READ, auditing.handle),
                service.keep_time(
                    [*(WhenSettled(each, settled) for each in judging), auditing.breaches, auditing.ledgers],
                    clock.now,
                ),
                ready=partial(mongo.ping, database),
                host=settings.host,
            )


if __name__ == "__main__":
    asyncio.run(main())
