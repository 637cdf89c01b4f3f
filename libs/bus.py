"""The bus on Kafka: publish durably, consume in batches, set bad records aside."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.transaction import InitProducerIdRequest

from libs import wire
from libs.bus_joining import Rounds, dismiss
from libs.bus_reading import HandleRows, NotJoined, read
from libs.bus_writing import Writer
from libs.events.base import AnyEvent, Fact
from libs.kafka_security import client_config
from libs.reading import RETRY_S, Handle, HandleRecords, Reading, Row
from libs.settings import Settings
from libs.wire import Record

log = logging.getLogger(__name__)

BATCH = 500
PATIENT_BYTES = 256 * 1024  # that many are given to a patient reader before its time


class KafkaBus:
    """The bus on a Kafka cluster; made by `connect`."""

    def __init__(self, settings: Settings, producer: Writer, source: str) -> None:
        self._settings = settings
        self._producer = producer
        self.source = source

    async def publish(self, events: Sequence[AnyEvent]) -> None:
        """
        Write events durably, those of one key in the order given.

        :raises Unavailable: not all of them are known to be written; publishing the same again is safe.
        """
        await self._producer.write([wire.encode(event) for event in events])

    async def publish_records(self, records: Sequence[Record]) -> None:
        """Write raw records durably. :raises Unavailable: as `publish` does."""
        await self._producer.write(records)

    async def consume(
        self,
        group: str,
        wanted: Collection[type[Fact]],
        handle: Handle,
        *,
        keeps_dead_letters_of: Collection[str] = (),
        tenants: Collection[str] = (),
        batch: int = BATCH,
        patient: bool = False,
    ) -> None:
        """
        Give events of the wanted types to `handle`, in batches, in order by key, at least once, for ever.

        An offset is committed only after `handle` returned. When it raises Unavailable the batch is tried
        again; anything else is a bug and ends the process rather than skip an event. Records that are no
        events go to the dead letters of the topics named in `keeps_dead_letters_of`, else are skipped: one
        reader of each topic keeps them. `tenants`, where given, are the only ones whose events are taken.

        A `patient` reader, for whom nobody waits, takes what has come together in a quarter of a second:
        fewer questions to the broker, fewer and larger writes.
        """
        reading = Reading(wanted, frozenset(keeps_dead_letters_of), frozenset(tenants), group)

        async def handle_rows(rows: Sequence[Row]) -> None:
            events, letters = reading.sort_out(rows)
            await self.publish_records(letters)
            if events:
                await handle(events)

        await self._consume(group, reading.topics, handle_rows, batch, patient)

    async def consume_records(
        self,
        group: str,
        topics: Collection[str],
        handle: HandleRecords,
        *,
        batch: int = BATCH,
        patient: bool = False,
    ) -> None:
        """Give raw records to `handle`, as `consume` gives events."""

        async def handle_rows(rows: Sequence[Row]) -> None:
            await handle([_record(row) for row in rows])

        await self._consume(group, topics, handle_rows, batch, patient)

    async def _consume(
        self, group: str, topics: Collection[str], handle: HandleRows, batch: int, patient: bool
    ) -> None:
        make = partial(self._consumer, group, batch, patient)
        while True:
            async with _client(make) as consumer:
                rounds = Rounds(consumer)
                try:
                    await read(consumer, topics, handle, group, batch, rounds=rounds)
                except NotJoined:
                    log.warning("the group comes to no terms; joining it anew", extra={"group": group})
            if rounds.absent:
                await dismiss(make, topics, rounds.absent)

    def _consumer(self, group: str, batch: int, patient: bool) -> AIOKafkaConsumer:
        settings = self._settings
        return AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=batch,
            fetch_max_wait_ms=settings.kafka_patient_wait_ms if patient else settings.kafka_fetch_wait_ms,
            fetch_min_bytes=PATIENT_BYTES if patient else 1,
            session_timeout_ms=settings.kafka_session_timeout_ms,
            heartbeat_interval_ms=settings.kafka_session_timeout_ms // 10,
            retry_backoff_ms=100,
            metadata_max_age_ms=10_000,
            **_client_config(settings),
        )


def _record(row: Row) -> Record:
    return Record(row.topic, row.key, row.value, row.headers, row.partition, row.offset, row.timestamp)


def _client_config(settings: Settings) -> dict[str, Any]:
    return client_config(settings.kafka_client_config)


@asynccontextmanager
async def _client(make: Callable[[], Any]) -> AsyncIterator[Any]:
    """Yield a started client; waits for a broker that is not there yet."""
    attempt = 0
    while True:
        client = make()
        try:
            await client.start()
            break
        except (KafkaError, OSError) as error:
            with suppress(Exception):
                await client.stop()
            log.warning("broker not reached", extra={"error": type(error).__name__, "attempt": attempt})
            await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            attempt += 1
    try:
        yield client
    finally:
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(10):
                await client.stop()


@asynccontextmanager
async def connect(
    settings: Settings, source: str, *, idempotent: bool = True, patience_s: float | None = None
) -> AsyncIterator[KafkaBus]:
    """
    Yield the bus; `source` names the teller, e.g. "/trunkline/routing".

    `publish` raises Unavailable after `patience_s`; without it, it waits for as long as it is waited for.

    The producer is idempotent where the broker grants it, else acks=all with a notice in the log.
    """

    def producer(idempotence: bool) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap,
            acks="all",
            enable_idempotence=idempotence,
            compression_type=None if settings.kafka_compression == "none" else settings.kafka_compression,
            request_timeout_ms=10_000,
            retry_backoff_ms=50,
            metadata_max_age_ms=10_000,
            max_batch_size=512 * 1024,
            **_client_config(settings),
        )

    if idempotent and not await _grants_idempotence(settings):
        log.warning("the broker refuses idempotent producers; acks=all without idempotence is used")
        idempotent = False
    async with _client(lambda: producer(idempotent)) as client:
        writer = Writer(client, patience_s)
        task = asyncio.create_task(writer.run())
        try:
            yield KafkaBus(settings, writer, source)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _grants_idempotence(settings: Settings) -> bool:
    """Ask the broker for a producer id once: a broker without them answers with an error."""
    async with _client(
        lambda: _Bootstrapped(
            AIOKafkaClient(bootstrap_servers=settings.kafka_bootstrap, **_client_config(settings))
        )
    ) as probe:
        try:
            node = probe.client.get_random_node()
            answer = await probe.client.send(
                node, InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
            )
        except KafkaError as error:
            log.info("no producer id granted", extra={"error": type(error).__name__})
            return False
        return bool(answer.error_code == 0)


class _Bootstrapped:
    """Gives aiokafka's bare client the start and stop of the others."""

    def __init__(self, client: AIOKafkaClient) -> None:
        self.client = client

    async def start(self) -> None:
        await self.client.bootstrap()

    async def stop(self) -> None:
        await self.client.close()
