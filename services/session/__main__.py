"""Run the session service: python -m services.session"""

import asyncio
import random
from functools import partial

from libs import bus, clock, mongo, rpc_server, service, telemetry
from libs.apply import Apply
from libs.backoff import Backoff
from libs.mongo import MongoStore
from libs.pause import Pause
from libs.rpc.session.v1 import session_pb2_grpc
from services.session import handlers, journal
from services.session.domain import context
from services.session.domain.session import decider
from services.session.handlers import Handler
from services.session.journal import Journal
from services.session.rpc import SessionRpc
from services.session.settings import SessionSettings
from services.session.shared_context import SharedContext
from services.session.store import CONTEXTS, Sessions

SOURCE = "/trunkline/session"


async def main() -> None:
    settings = SessionSettings()
    rules = settings.rules()
    telemetry.start("session", settings.log_level, settings.otlp_endpoint)
    async with (
        mongo.connect(settings.mongo_url, settings.database_of("session")) as database,
        bus.connect(settings, SOURCE) as kafka,
    ):
        sessions, contexts, lines = (
            Sessions(database, rules),
            MongoStore(database, CONTEXTS),
            Journal(database),
        )
        for each in (sessions, contexts, lines):
            await each.create_indexes()
        wait = Backoff(random.random)
        apply_sessions = Apply(sessions, decider(rules), kafka.publish, SOURCE, wait=wait)
        apply_contexts = Apply(contexts, context.decide, kafka.publish, SOURCE, wait=wait)
        pause = Pause(database, "session")
        handler = Handler(apply_sessions, apply_contexts, sessions, kafka, rules, clock.now)
        shared = SharedContext(sessions, contexts, apply_contexts, clock.now)
        add_rpc = partial(
            session_pb2_grpc.add_SessionServiceServicer_to_server, SessionRpc(sessions, lines, shared)
        )
        async with rpc_server.serve(
            add_rpc,
            port=settings.grpc_port_of("session"),
            secret=settings.service_secret,
            now=clock.now,
            host=settings.host,
        ):
            await service.run(
                "session",
                settings.health_port_of("session"),
                kafka.consume(
                    handlers.GROUP,
                    handlers.WANTED,
                    handler,
                    keeps_dead_letters_of=handlers.KEEPS_DEAD_LETTERS_OF,
                ),
                kafka.consume(journal.GROUP, journal.KEPT, pause.reader(lines), patient=True),
                pause.watch(),
                service.keep_time([apply_sessions, apply_contexts], clock.now),
                ready=partial(mongo.ping, database),
                host=settings.host,
            )


if __name__ == "__main__":
    asyncio.run(main())
