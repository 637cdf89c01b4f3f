"""G1: events taken durably, one a POST, beside a bare Starlette POST and a naive application."""

import json

from bench.doors import doors
from bench.g03_bus import page
from bench.harness import Contender, Figure, Stage, compare
from bench.http_load import post, rate_of
from libs import topics, wire

REQUESTS = 4_000  # a round
TYPE = "application/cloudevents+json"
SENT = ("specversion", "id", "source", "type", "time", "data")  # what an adapter says, of all there is


def document(number: int) -> dict[str, object]:
    """Return a page view as an adapter sends it."""
    whole = wire.to_structured(page(number))
    return {name: whole[name] for name in SENT}


async def run(stage: Stage) -> list[Figure]:
    """Compare the gateway, with tokens, checks and acks=all, with less and with what is written first."""
    await topics.create(stage.settings())
    with doors(stage) as open_doors:
        bodies = [json.dumps(document(number)).encode() for number in range(REQUESTS)]
        requests = [post(body, open_doors.token, TYPE) for body in bodies]
        naively = [post(body, open_doors.token, "application/json") for body in bodies]

        def at(port: int, sent: list[bytes]) -> Contender:
            return lambda: rate_of(port, sent)

        rates = await compare(
            {
                "the gateway, one event a POST": at(open_doors.gateway, requests),
                "bare Starlette POST": at(open_doors.bare, requests),
                "naive FastAPI + send_and_wait": at(open_doors.naive, naively),
            }
        )
    rates.show()
    return [
        rates.figure("G1", "the gateway, one event a POST", "bare Starlette POST", 0.50),
        rates.figure("G1", "the gateway, one event a POST", "naive FastAPI + send_and_wait", 1.6),
    ]
