"""
A member of a group by the least code on the bare client: python -m tests.faults.bare_member BROKER GROUP FILE

It notes which partitions it reads: those it was given and has got an answer for. How long it takes to get
them after another member was killed is what the broker makes everybody wait.
"""

import asyncio
import sys
import time
from pathlib import Path

from aiokafka import AIOKafkaConsumer

from tests.faults.house import SESSION_S

TOPICS = ("trunkline.interaction", "trunkline.routing")


async def run(bootstrap: str, group: str, file: Path) -> None:
    """Read for ever; write a line whenever the partitions are others: the moment, and their names."""
    consumer = AIOKafkaConsumer(
        *TOPICS,
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=20,
        session_timeout_ms=round(SESSION_S * 1000),
        heartbeat_interval_ms=round(SESSION_S * 1000) // 4,
        retry_backoff_ms=100,
    )
    await consumer.start()
    noted: list[str] = []
    with file.open("a", encoding="utf-8") as lines:
        while True:
            if await consumer.getmany(timeout_ms=50):
                await consumer.commit()
            places = [each for each in consumer.assignment() if consumer.highwater(each) is not None]
            reads = sorted(f"{each.topic}/{each.partition}" for each in places)
            if reads != noted:
                noted = reads
                lines.write(f"{time.monotonic():.3f} {' '.join(reads)}\n")
                lines.flush()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
