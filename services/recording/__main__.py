"""Run recording: python -m services.recording"""

import asyncio
import random
from functools import partial

from libs import bus, clock, mongo, objects, rpc_server, service, telemetry
from libs.apply import Apply
from libs.backoff import Backoff
from libs.rpc.recording.v1.recording_pb2_grpc import add_RecordingServiceServicer_to_server
from services.recording.domain import access, recording, transcript
from services.recording.handlers import GROUP, KEEPS_DEAD_LETTERS_OF, WANTED, Handler
from services.recording.keeping import Keeper, audited
from services.recording.rpc import RecordingRpc
from services.recording.settings import RecordingSettings
from services.recording.store import Accesses, Recordings, Transcripts
from services.recording.vault import Vault

SOURCE = "/trunkline/recording"


async def main() -> None:
    settings = RecordingSettings()
    telemetry.start("recording", settings.log_level, settings.otlp_endpoint)
    async with (
        mongo.connect(settings.mongo_url, settings.database_of("recording")) as database,
        bus.connect(settings, SOURCE) as kafka,
    ):
        transcripts, recordings, accesses = Transcripts(database), Recordings(database), Accesses(database)
        for each in (transcripts, recordings, accesses):
            await each.create_indexes()
        wait = Backoff(random.random)
        apply_accesses = Apply(accesses, access.decide, kafka.publish, SOURCE, wait=wait)
        tell = audited(recordings, apply_accesses, kafka.publish)
        apply_recordings = Apply(recordings, recording.decide, tell, SOURCE, wait=wait)
        decide = transcript.decider(settings.rules())
        apply_transcripts = Apply(transcripts, decide, kafka.publish, SOURCE, wait=wait)
        vault = Vault(objects.of(settings))
        keeper = Keeper(
            vault,
            transcripts,
            recordings,
            apply_transcripts,
            apply_recordings,
            apply_accesses,
            settings.retention,
        )
        servicer = RecordingRpc(
            vault,
            recordings,
            accesses,
            apply_recordings,
            apply_accesses,
            settings.retention,
            settings.max_upload_bytes,
            clock.now,
        )
        async with rpc_server.serve(
            partial(add_RecordingServiceServicer_to_server, servicer),
            port=settings.grpc_port_of("recording"),
            secret=settings.service_secret,
            now=clock.now,
            host=settings.host,
        ):
            await service.run(
                "recording",
                settings.health_port_of("recording"),
                kafka.consume(
                    GROUP,
                    WANTED,
                    Handler(apply_transcripts, transcripts, clock.now),
                    keeps_dead_letters_of=KEEPS_DEAD_LETTERS_OF,
                    patient=True,
                ),
                service.keep_time([keeper, apply_recordings, apply_accesses], clock.now),
                ready=partial(mongo.ping, database),
                host=settings.host,
            )


if __name__ == "__main__":
    asyncio.run(main())
