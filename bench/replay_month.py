"""Replay a made-up month of calls on a real broker and database: python -m bench.replay_month"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from datetime import datetime, timedelta
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.dev.ports import free_ports
from libs import topics
from libs.events.catalogue import TOPICS
from libs.settings import Settings
from services.channels.call_log.__main__ import arguments, run
from services.channels.call_log.settings import ReplaySettings
from services.channels.call_log.tests.processes import service
from tests.servers import broker_server, mongo_server

MONTH = 33_000
DAYS = 30
COLUMNS = (
    "vru+line", "call_id", "customer_id", "priority", "type", "date", "vru_entry", "vru_exit", "vru_time",
    "q_start", "q_exit", "q_time", "outcome", "ser_start", "ser_exit", "ser_time", "server",
)  # fmt: skip
NEVER = ("0:00:00", "0:00:00", "0")


def rows(calls: int, seed: int = 1) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a log: arrivals by day, waits and service times drawn from distributions."""
    dice = random.Random(seed)
    first = datetime(1999, 3, 1, 7)  # noqa: DTZ001  (the log's own wall clock)
    for number in range(calls):
        arrived = first + timedelta(
            days=number * DAYS // calls, seconds=int(dice.triangular(0, 55_000, 14_000))
        )
        out = arrived + timedelta(seconds=dice.randint(4, 15))
        queued = dice.random() < 0.55
        wait_s = int(dice.expovariate(1 / 60)) if queued else 0
        end = out + timedelta(seconds=wait_s)
        answered = dice.random() < (0.82 if queued else 0.83)
        service_s = int(dice.lognormvariate(4.8, 0.9)) if answered else 0
        customer = str(dice.randint(1, 9_000)) if dice.random() < 0.4 else "0"
        yield (
            f"AA01{number % 26:02}", str(number), customer, str(dice.randint(0, 2)),
            dice.choice(("PS", "PS", "PS", "NW", "NE", "IN", "TT")), f"{arrived:%y%m%d}",
            *span(arrived, out),
            *(span(out, end) if queued else NEVER),
            "AGENT" if answered else "HANG",
            *(span(end, end + timedelta(seconds=service_s)) if answered else NEVER),
            f"AGENT{dice.randint(1, 40)}" if answered else "NO_SERVER",
        )  # fmt: skip


def span(start: datetime, end: datetime) -> tuple[str, str, str]:
    return f"{start:%H:%M:%S}", f"{end:%H:%M:%S}", str(int((end - start).total_seconds()))


async def measure(
    folder: Path, given: Path | None, calls: int, services: list[str], bootstrap: str, mongo_url: str
) -> int:
    """Replay straight to the bus while services consume; return the exit code of the replay."""
    log = given or folder / "month.tsv"
    if given is None:
        log.write_text("\n".join("\t".join(row) for row in (COLUMNS, *rows(calls))) + "\n", "ascii")
    shared = Settings(
        kafka_bootstrap=bootstrap,
        mongo_url=mongo_url,
        service_secret=f"only for this bench, {time.time_ns()}",
    )
    await topics.create(shared)
    async with AsyncExitStack() as running:
        analytics_port = 0
        for name in services:
            grpc_port, health_port = free_ports(2)
            analytics_port = grpc_port if name == "analytics" else analytics_port
            own = shared.model_copy(update={"grpc_port": grpc_port, "health_port": health_port})
            await running.enter_async_context(service(f"services.{name}", own, folder / f"{name}.log"))
        settings = ReplaySettings(
            **shared.model_dump(exclude_defaults=True), analytics_address=f"127.0.0.1:{analytics_port}"
        )
        code = await run(arguments([str(log), "--kafka"]), settings)
        started, on_bus = time.monotonic(), -1
        while (now_there := await count(bootstrap)) != on_bus:
            on_bus = now_there
            await asyncio.sleep(3)
        print(
            f"\n{on_bus:,} events on the bus; all told {time.monotonic() - started:.0f} s after the figures"
        )
    return code


async def count(bootstrap: str) -> int:
    """Return how many events are on all topics."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        places = [
            TopicPartition(topic, number)
            for topic in TOPICS
            for number in consumer.partitions_for_topic(topic) or ()
        ]
        return sum((await consumer.end_offsets(places)).values())
    finally:
        await consumer.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.replay_month", description=__doc__)
    parser.add_argument("--calls", type=int, default=MONTH)
    parser.add_argument("--log", type=Path, help="a log in the format of the bank instead of a made-up one")
    parser.add_argument("--services", default="session,analytics", help="that consume meanwhile")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "mongo").mkdir()
        (folder / "broker").mkdir()
        mongo = stack.enter_context(mongo_server(folder / "mongo"))
        broker = stack.enter_context(broker_server(folder / "broker"))
        services = options.services.split(",")
        return asyncio.run(
            measure(folder, options.log, options.calls, services, broker.address, mongo.address)
        )


if __name__ == "__main__":
    raise SystemExit(main())
