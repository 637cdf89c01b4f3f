"""G13: what looking at tokens costs the gateway, beside no look at all and beside verifying each time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from bench.doors import SERVER, Process, running, token_of
from bench.g01_ingest import TYPE, document
from bench.harness import SECRET, Contender, Figure, Stage, compare
from bench.http_load import post, rate_of
from deploy.dev.ports import free_ports
from deploy.dev.processes import LOOPBACK
from libs import topics

REQUESTS = 4_000  # a round
MODES = ("cached", "each", "off")


@contextmanager
def gateways(stage: Stage) -> Iterator[dict[str, int]]:
    """Run the gateway's ingestion with its tokens remembered, verified each time, and not looked at."""
    ports = dict(zip(MODES, free_ports(len(MODES)), strict=True))
    env = {
        "TRUNKLINE_KAFKA_BOOTSTRAP": stage.kafka_bootstrap,
        "TRUNKLINE_SERVICE_SECRET": SECRET,
        "TRUNKLINE_DATA_DIR": str(stage.folder / "data"),
        "TRUNKLINE_GATEWAY_PORT": str(ports["cached"]),  # names the issuer: the same for all
        "TRUNKLINE_GATEWAY_EVENTS_PER_S": "100000000",
    }
    processes = {
        mode: Process(
            (*SERVER, "--port", str(port), "bench.auth_app:app"),
            f"{LOOPBACK}:{port}/readyz",
            {**env, "BENCH_AUTH": mode},
        )
        for mode, port in ports.items()
    }
    with running(stage.folder, processes):
        yield ports


async def run(stage: Stage) -> list[Figure]:
    """Compare the same durable ingestion with three ways of looking at the token."""
    await topics.create(stage.settings())
    with gateways(stage) as ports:
        token = token_of(ports["cached"])
        sent = [post(json.dumps(document(number)).encode(), token, TYPE) for number in range(REQUESTS)]

        def at(mode: str) -> Contender:
            return lambda: rate_of(ports[mode], sent)

        rates = await compare(
            {
                "tokens verified once and remembered": at("cached"),
                "tokens verified on each request": at("each"),
                "no tokens": at("off"),
            }
        )
    rates.show()
    return [
        rates.figure("G13", "tokens verified once and remembered", "no tokens", 0.9),
        rates.figure("G13", "tokens verified once and remembered", "tokens verified on each request", 1),
    ]
