"""G2: events taken durably, fifty a POST, beside bare Starlette POSTs and aiokafka's send()."""

import asyncio
import json
from time import perf_counter

from aiokafka import AIOKafkaProducer

from bench.doors import doors
from bench.g01_ingest import TYPE, document
from bench.g03_bus import TOPIC
from bench.harness import Figure, Stage, compare
from bench.http_load import post, rate_of
from libs import topics

EVENTS_A_POST = 50
POSTS = 800  # a round
REQUESTS = 4_000  # of one event, to the bare application
EVENTS = 10_000  # by aiokafka alone
BATCH_TYPE = "application/cloudevents-batch+json"


async def raw_send(bootstrap: str, values: list[bytes]) -> float:
    """Send by aiokafka's own batching, and return how many were written a second."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", compression_type="lz4")
    await producer.start()
    try:
        began = perf_counter()
        sent = [
            await producer.send(TOPIC, value=value, key=b"v-%d" % (place % 997))
            for place, value in enumerate(values)
        ]
        await asyncio.gather(*sent)
        return len(values) / (perf_counter() - began)
    finally:
        await producer.stop()


async def run(stage: Stage) -> list[Figure]:
    """Compare events a second through the gateway with requests of a bare server and with a bare producer."""
    await topics.create(stage.settings())
    documents = [document(number) for number in range(EVENTS)]
    values = [json.dumps(each).encode() for each in documents]
    groups = [documents[start : start + EVENTS_A_POST] for start in range(0, EVENTS, EVENTS_A_POST)]
    with doors(stage) as open_doors:
        batches = [post(json.dumps(group).encode(), open_doors.token, BATCH_TYPE) for group in groups]
        posts = [batches[place % len(batches)] for place in range(POSTS)]
        singles = [post(value, open_doors.token, TYPE) for value in values[:REQUESTS]]

        async def ours() -> float:
            return EVENTS_A_POST * await rate_of(open_doors.gateway, posts)

        rates = await compare(
            {
                "the gateway, fifty events a POST": ours,
                "bare Starlette POST, one event each": lambda: rate_of(open_doors.bare, singles),
                "raw aiokafka send()": lambda: raw_send(stage.kafka_bootstrap, values),
            }
        )
    rates.show()
    return [
        rates.figure("G2", "the gateway, fifty events a POST", "bare Starlette POST, one event each", 2.8),
        rates.figure("G2", "the gateway, fifty events a POST", "raw aiokafka send()", 0.5),
    ]
