"""Run routing: python -m services.routing"""

import asyncio
from functools import partial

from libs import bus, clock, mongo, service, telemetry
from libs.apply import Apply
from libs.rpc.routing.v1.configuration_pb2_grpc import add_ConfigurationServiceServicer_to_server
from libs.rpc.routing.v1.routing_pb2_grpc import add_RoutingServiceServicer_to_server
from libs.rpc_server import serve
from services.routing import surveys
from services.routing.domain.configuration import changing
from services.routing.domain.strategy import publishing
from services.routing.handlers import GROUP, SOURCE, WANTED, Matching, handler, teller
from services.routing.rpc import RoutingService
from services.routing.rpc_configuration import ConfigurationService
from services.routing.settings import Settings
from services.routing.store import MongoConfigurations, MongoDecisions, MongoPools, MongoStrategies


async def main() -> None:
    settings = Settings()
    telemetry.start("routing", settings.log_level, settings.otlp_endpoint)
    async with (
        mongo.connect(settings.mongo_url, settings.database_of("routing")) as database,
        bus.connect(settings, SOURCE) as the_bus,
    ):
        pools = MongoPools(database)
        decisions = MongoDecisions(database, settings.routing_decisions_kept_days)
        strategies = MongoStrategies(database)
        configurations = MongoConfigurations(database)
        for each in (pools, decisions, strategies, configurations):
            await each.create_indexes()
        apply_strategy = Apply(strategies, publishing.decide, the_bus.publish, SOURCE)
        matching = Matching(pools, teller(the_bus, decisions))
        answers = RoutingService(pools, decisions, strategies, apply_strategy, clock.now)
        apply_configuration = Apply(configurations, changing.decide, the_bus.publish, SOURCE)
        configuring = ConfigurationService(
            configurations, apply_configuration, strategies, apply_strategy, pools, clock.now
        )
        async with serve(
            partial(add_RoutingServiceServicer_to_server, answers),
            partial(add_ConfigurationServiceServicer_to_server, configuring),
            port=settings.grpc_port_of("routing"),
            secret=settings.service_secret,
            now=clock.now,
            host=settings.host,
        ):
            await service.run(
                "routing",
                settings.health_port_of("routing"),
                the_bus.consume(
                    GROUP,
                    WANTED,
                    handler(matching, clock.now),
                    keeps_dead_letters_of=("trunkline.queue",),
                ),
                the_bus.consume(
                    surveys.GROUP,
                    surveys.WANTED,
                    surveys.handler(decisions, the_bus, clock.now),
                    patient=True,
                ),
                service.keep_time([matching, apply_strategy, apply_configuration], clock.now),
                ready=partial(mongo.ping, database),
                host=settings.host,
            )


if __name__ == "__main__":
    asyncio.run(main())
