"""Run workflow: python -m services.workflow"""

import asyncio
import random
from functools import partial

from libs import bus, clock, mongo, service, telemetry
from libs.apply import Apply
from libs.backoff import Backoff
from libs.mongo import MongoStore
from libs.rpc.workflow.v1.workflow_pb2_grpc import add_WorkflowServiceServicer_to_server
from libs.rpc_server import serve
from services.workflow.domain import journey
from services.workflow.domain.deciding import decide
from services.workflow.handlers import WANTED, handler
from services.workflow.rpc import WorkflowService
from services.workflow.settings import Settings, policy_in
from services.workflow.store import JOURNEYS, MongoTickets

SOURCE = "/trunkline/workflow"


async def main() -> None:
    settings = Settings()
    telemetry.start("workflow", settings.log_level, settings.otlp_endpoint)
    secret, now = settings.service_secret, clock.now
    policy = policy_in(settings.workflow_policy_file)
    async with (
        mongo.connect(settings.mongo_url, settings.database_of("workflow")) as database,
        bus.connect(settings, SOURCE) as the_bus,
    ):
        tickets = MongoTickets(database)
        journeys = MongoStore(database, JOURNEYS)
        for store in (tickets, journeys):
            await store.create_indexes()
        wait = Backoff(random.random)
        apply = Apply(tickets, partial(decide, policy=policy), the_bus.publish, SOURCE, wait=wait)
        note = Apply(journeys, journey.note, the_bus.publish, SOURCE, wait=wait)
        register = partial(
            add_WorkflowServiceServicer_to_server, WorkflowService(tickets, journeys, apply, now)
        )
        port = settings.grpc_port_of("workflow")
        async with serve(register, port=port, secret=secret, now=now, host=settings.host):
            await service.run(
                "workflow",
                settings.health_port_of("workflow"),
                the_bus.consume("workflow", WANTED, handler(apply, note, now), patient=True),
                service.keep_time([apply, note], now),
                ready=partial(mongo.ping, database),
                host=settings.host,
            )


if __name__ == "__main__":
    asyncio.run(main())
