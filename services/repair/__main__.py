"""Run the repair service: python -m services.repair"""

import asyncio
import random
from datetime import datetime
from functools import partial

from libs import bus, clock, mongo, rpc_server, service, telemetry
from libs.apply import Apply, Pairs
from libs.backoff import Backoff
from libs.pause import Pause
from libs.rpc.repair.v1.repair_pb2_grpc import add_RepairServiceServicer_to_server
from libs.stored import Key, Stored
from services.repair.domain.deciding import decide
from services.repair.domain.letter import Letter
from services.repair.handlers import DEAD_LETTER_TOPICS, GROUP, SOURCE, handler, telling
from services.repair.rpc import RepairRpc
from services.repair.settings import Settings
from services.repair.store import Audit, Letters


async def main() -> None:
    settings = Settings()
    telemetry.start("repair", settings.log_level, settings.otlp_endpoint)
    async with (
        mongo.connect(settings.mongo_url, settings.database_of("repair")) as database,
        bus.connect(settings, SOURCE) as kafka,
    ):
        letters, audit = Letters(database), Audit(database)
        for store in (letters, audit):
            await store.create_indexes()
        pause = Pause(database, "repair")
        wait = Backoff(random.random)
        apply = Apply(letters, decide, telling(letters, audit.keep, kafka), SOURCE, wait=wait)

        async def obey(pairs: Pairs, now: datetime) -> dict[Key, Stored[Letter]]:
            async with pause.passing():
                return await apply(pairs, now)

        async with rpc_server.serve(
            partial(add_RepairServiceServicer_to_server, RepairRpc(letters, audit, obey, clock.now)),
            port=settings.grpc_port_of("repair"),
            secret=settings.service_secret,
            now=clock.now,
            host=settings.host,
        ):
            await service.run(
                "repair",
                settings.health_port_of("repair"),
                kafka.consume_records(
                    GROUP, DEAD_LETTER_TOPICS, pause.reader(handler(apply, clock.now)), patient=True
                ),
                service.keep_time([pause.timed(apply)], clock.now),
                pause.watch(),
                ready=partial(mongo.ping, database),
                host=settings.host,
            )


if __name__ == "__main__":
    asyncio.run(main())
