"""Run ivr: python -m services.ivr"""

import asyncio
import logging
import random
from functools import partial

from libs import bus, clock, mongo, service, telemetry
from libs.apply import Apply
from libs.backoff import Backoff
from libs.mongo import MongoStore
from libs.rpc.ivr.v1.ivr_pb2_grpc import add_IvrServiceServicer_to_server
from libs.rpc_client import channel
from libs.rpc_server import serve
from services.ivr.domain import publishing
from services.ivr.handlers import WANTED, Dialogues, Handler
from services.ivr.looking_up import LookUps, Services
from services.ivr.publisher import Publisher, flows_in
from services.ivr.rpc import IvrService
from services.ivr.settings import Settings
from services.ivr.store import DIALOGUES, TEXTS, Library, MongoFlows

SOURCE = "/trunkline/ivr"
log = logging.getLogger(__name__)


async def main() -> None:
    settings = Settings()
    telemetry.start("ivr", settings.log_level, settings.otlp_endpoint)
    secret, now = settings.service_secret, clock.now
    async with (
        mongo.connect(settings.mongo_url, settings.database_of("ivr")) as database,
        bus.connect(settings, SOURCE) as the_bus,
        channel(settings.crm_context_address, secret, "ivr", now) as crm_context,
        channel(settings.workflow_address, secret, "ivr", now) as workflow,
    ):
        dialogue_store, texts = MongoStore(database, DIALOGUES), MongoStore(database, TEXTS)
        flows = MongoFlows(database)
        for store in (dialogue_store, texts, flows):
            await store.create_indexes()
        library = Library(flows, texts)
        dialogues = Dialogues(dialogue_store, library, the_bus.publish, SOURCE)
        wait = Backoff(random.random)
        apply_flow = Apply(flows, publishing.decide, the_bus.publish, SOURCE, wait=wait)
        apply_text = Apply(texts, publishing.keep, the_bus.publish, SOURCE, wait=wait)
        publisher = Publisher(flows, apply_flow, apply_text, now)
        if settings.ivr_flows_dir is not None:
            given = flows_in(settings.ivr_flows_dir)
            seeded = await publisher.publish_missing(settings.ivr_flows_tenant, given)
            log.info("flows published", extra={"flows": seeded})
        answers = IvrService(dialogue_store, flows, library, publisher, apply_flow, now)
        register = partial(add_IvrServiceServicer_to_server, answers)
        port = settings.grpc_port_of("ivr")
        async with serve(register, port=port, secret=secret, now=now, host=settings.host):
            await service.run(
                "ivr",
                settings.health_port_of("ivr"),
                the_bus.consume("ivr", WANTED, Handler(dialogues, library, now)),
                LookUps(dialogues, Services(crm_context, workflow), now, settings.ivr_look_ups_at_once).run(),
                service.keep_time([dialogues, apply_flow, apply_text], now),
                ready=partial(mongo.ping, database),
                host=settings.host,
            )


if __name__ == "__main__":
    asyncio.run(main())
