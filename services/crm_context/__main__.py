"""Run the CRM context service: python -m services.crm_context"""

import asyncio
import random
from functools import partial

from libs import bus, clock, mongo, rpc_server, service, telemetry
from libs.apply import Apply
from libs.backoff import Backoff
from libs.mongo import MongoStore
from libs.rpc.crm_context.v1 import crm_context_pb2_grpc
from services.crm_context import handlers
from services.crm_context.domain import customer, pack, trail
from services.crm_context.handlers import Handler, Telling
from services.crm_context.preparing import Preparing
from services.crm_context.records import Records
from services.crm_context.rpc import CrmContextRpc
from services.crm_context.settings import CrmContextSettings
from services.crm_context.store import PACKS, TRAILS, Customers, Imports, MongoDirectory

SOURCE = "/trunkline/crm_context"


async def main() -> None:
    settings = CrmContextSettings()
    telemetry.start("crm_context", settings.log_level, settings.otlp_endpoint)
    async with (
        mongo.connect(settings.mongo_url, settings.database_of("crm_context")) as database,
        bus.connect(settings, SOURCE) as kafka,
    ):
        customers = Customers(database)
        trails, packs = MongoStore(database, TRAILS), MongoStore(database, PACKS)
        imports, directory = Imports(database), MongoDirectory(customers, packs)
        for each in (customers, trails, packs, imports):
            await each.create_indexes()
        tell = Telling(kafka, directory, clock.now)
        wait = Backoff(random.random)
        apply_customers = tell.customers = Apply(customers, customer.decide, tell, SOURCE, wait=wait)
        apply_trails = Apply(trails, trail.decide, tell, SOURCE, wait=wait)
        apply_packs = Apply(packs, pack.decide, tell, SOURCE, wait=wait)
        preparing = Preparing(
            directory, customers, trails, apply_packs, packs, clock.now, settings.crm_context_last_agent_days
        )
        handler = Handler(apply_customers, apply_trails, apply_packs, preparing, clock.now)
        records = Records(customers, apply_customers, directory, preparing, imports, clock.now)
        add_rpc = partial(
            crm_context_pb2_grpc.add_CrmContextServiceServicer_to_server,
            CrmContextRpc(customers, packs, trails, directory, records),
        )
        async with rpc_server.serve(
            add_rpc,
            port=settings.grpc_port_of("crm_context"),
            secret=settings.service_secret,
            now=clock.now,
            host=settings.host,
        ):
            await service.run(
                "crm_context",
                settings.health_port_of("crm_context"),
                kafka.consume(handlers.GROUP, handlers.WANTED, handler),
                service.keep_time([apply_customers, apply_trails, apply_packs], clock.now),
                ready=partial(mongo.ping, database),
                host=settings.host,
            )


if __name__ == "__main__":
    asyncio.run(main())
